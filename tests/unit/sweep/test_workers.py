"""A reused actor keeps nothing of earlier trials; a trial that has failed for good is not tried again."""

import gc
import weakref

from intelligen.config.schema.resources import Resources
from intelligen.state.failure_file import write_failure
from intelligen.sweep.execution.workers import WorkerConfig, _return_free_memory, run_trial


class Cycle:
    def __init__(self) -> None:
        self.me = self


def test_what_a_trial_leaves_is_freed_however_late_it_lets_go(request):
    request.addfinalizer(gc.unfreeze)
    _return_free_memory()
    held = Cycle()
    left = weakref.ref(held)
    _return_free_memory()
    assert left() is not None
    del held
    _return_free_memory()
    assert left() is None


def test_an_attempt_after_one_that_was_ended_from_outside_reports_why_to_tune_and_trains_nothing(tmp_path):
    write_failure(tmp_path, "no progress for 8 s")
    config = WorkerConfig(
        trial="{}", store=str(tmp_path), directory=str(tmp_path), resources=Resources().model_dump_json(), epochs=4
    )
    assert run_trial(config) == {"failure": "no progress for 8 s", "training_iteration": 0, "done": True}
    assert [path.name for path in tmp_path.iterdir()] == ["failure.json"]
