"""Modules of several ranks are wrapped without a word of warning."""

import warnings
from pathlib import Path
from unittest.mock import PropertyMock, patch

from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from intelligen.training.runtime import Runtime


def test_wrapping_warns_of_nothing(tmp_path: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        with patch.object(Runtime, "world_size", PropertyMock(return_value=2)), warnings.catch_warnings():
            warnings.simplefilter("error")
            wrapped = Runtime(tmp_path, tmp_path).wrap(nn.Linear(2, 2))
        assert isinstance(wrapped, DistributedDataParallel)
        assert not wrapped.forward_sync_buffers
    finally:
        distributed.destroy_process_group()
