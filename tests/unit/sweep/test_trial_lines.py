"""Tune's own lines about trials would spoil the JSON document on standard output."""

from typing import Any

import pytest
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.utils.callback import _create_default_callbacks

from intelligen.sweep.execution.tune_callbacks import NoTrialLines


class EndedTrial:
    """A trial that ends without a report of its last attempt."""

    def __init__(self) -> None:
        self.last_result: dict[str, Any] = {}


def printed(callback: TrialProgressCallback, capsys: pytest.CaptureFixture[str]) -> str:
    trial = EndedTrial()
    callback.on_trial_complete(1, [trial], trial)
    return capsys.readouterr().out


def test_tune_adds_no_callback_of_its_own_that_prints_trials(capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = _create_default_callbacks([NoTrialLines()], air_verbosity=None, entrypoint=None)
    (one,) = (callback for callback in callbacks if isinstance(callback, TrialProgressCallback))
    assert printed(one, capsys) == ""
    assert "completed. Last result" in printed(TrialProgressCallback(), capsys)  # else ours is not needed any more
