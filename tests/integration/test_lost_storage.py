"""What fails under a running search ends it with its own line and exit code, and the same command goes on."""

import sqlite3

import pytest
from test_sweep import SWEEP, Project, wait_for

from intelligen.state.trial_records import TrialState

IN_A_DATABASE = SWEEP.replace("trials_per_strategy: 3", "trials_per_strategy: 1").replace(
    "{name: asha, grace_epochs: 1, reduction_factor: 2}", "{name: none}\nsearch: {storage: 'sqlite:///studies.db'}"
)


@pytest.mark.slow
def test_a_study_that_is_lost_in_mid_search_is_named_and_no_trial_is_lost(tmp_path):
    project = Project(tmp_path, IN_A_DATABASE)
    project.train_baseline()

    def rename(table: str, name: str) -> None:
        with sqlite3.connect(tmp_path / "studies.db") as database:
            database.execute(f"alter table {table} rename to {name}")

    first = project.launch()
    wait_for(lambda: any(r.kind == "trial" and project.history(r).exists() for r in project.trials().values()), first)
    rename("trials", "lost")
    output, _ = first.communicate(timeout=120)
    assert first.returncode == 69, output
    assert f"error: search.storage: sqlite:///{tmp_path}/studies.db: " in output
    assert "Traceback" not in output

    rename("lost", "trials")
    code, output = project.run()
    assert code == 0, output
    trials = [record for record in project.trials().values() if record.kind == "trial"]
    assert [record.state for record in trials] == [TrialState.COMPLETE] * 2
