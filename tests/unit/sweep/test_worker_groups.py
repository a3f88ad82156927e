"""A group of workers starts no process for data sets of Ray's own."""

from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer

from intelligen.sweep.execution.worker_groups import GroupTrainer


def test_all_but_the_data_sets_of_a_trainer_is_kept() -> None:
    groups = [kind(print, scaling_config=ScalingConfig(num_workers=2)) for kind in (TorchTrainer, GroupTrainer)]
    theirs, ours = ([type(one).__name__ for one in group._create_default_callbacks()] for group in groups)
    assert set(theirs) - set(ours) == {"DatasetsCallback"}
