"""A population over real Ray, Optuna and MLflow: killed, it ends as an undisturbed one, and all records agree."""

import json
import signal
from pathlib import Path

import pytest
from test_sweep import SWEEP, Project, require_records_agree, wait_for

import intelligen
from intelligen.errors import UnavailableError
from intelligen.state.history import read_history

POPULATION = SWEEP.replace(
    "scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}",
    "scheduler: {name: pbt, population: 2, interval_epochs: 1}\nsearch: {sampler: random}",
).replace("trials_per_strategy: 3", "trials_per_strategy: 2")
RATE = "finetuning.optimizer.learning_rate"
THREE_EPOCHS = ("-o", "experiment.finetuning.epochs=3")
TWO_AT_ONCE = ("-o", "resources.concurrent_trials=2")


def project(directory: Path) -> Project:
    directory.mkdir()
    return Project(directory, POPULATION)


def what_came_of(project: Project) -> dict[str, tuple]:
    """Of each trial: its values, what it took over, its end, and a fingerprint of its weights."""
    return {
        name: (record.params, record.exploits, record.state, selected(project.sweep / record.directory))
        for name, record in project.trials().items()
        if record.kind == "trial"
    }


def selected(directory: Path) -> str:
    return json.loads((directory / "result.json").read_text())["sha256"]


def require_values_by_epoch_in_mlflow(project: Project) -> None:
    runs = dict(project.query("select value, run_uuid from tags where key = 'trial_id'"))
    for name, record in project.trials().items():
        if record.kind != "trial":
            continue
        shown = project.query(
            "select step, value from metrics where run_uuid = ? and key = ? order by step", runs[name], f"pbt/{RATE}"
        )
        reports = read_history(project.history(record))
        assert shown == [(report.update, record.params_in(report.epoch)[RATE]) for report in reports]
        tags = dict(project.query("select key, value from tags where run_uuid = ?", runs[name]))
        assert all(f"after epoch {one.epoch} from {one.donor}: " in tags["takeovers"] for one in record.exploits)
        assert ("takeovers" in tags) is bool(record.exploits)


@pytest.mark.extended
@pytest.mark.slow
def test_a_killed_population_ends_as_an_undisturbed_one(tmp_path):
    calm = project(tmp_path / "calm")
    code, output = calm.run(*THREE_EPOCHS)
    assert code == 0, output
    assert any(record.exploits for record in calm.trials().values())

    killed = project(tmp_path / "killed")
    first = killed.launch(*THREE_EPOCHS, *TWO_AT_ONCE)
    wait_for(lambda: any(record.turn_epoch for record in killed.trials().values()), first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    code, output = killed.run(*THREE_EPOCHS, *TWO_AT_ONCE)
    assert code == 0, output

    assert what_came_of(killed) == what_came_of(calm)
    for record in calm.trials().values():
        if record.exploits:
            with pytest.raises(UnavailableError, match="went on from another trial's weights"):
                intelligen.reproduce("tiny", record.id, runs=calm.directory / "runs")
        elif record.kind == "trial":
            assert intelligen.reproduce("tiny", record.id, runs=calm.directory / "runs").identical
    for one in (calm, killed):
        require_records_agree(one)
        require_values_by_epoch_in_mlflow(one)
