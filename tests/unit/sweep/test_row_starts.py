"""What rows start from: fixed when a sweep is started, refused before training where it cannot fit, found again."""

import os
import re
import shutil
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT, WORDS, write_tiny_corpus

from intelligen.config.initial_place import placing_initial
from intelligen.config.load import load_sweep
from intelligen.config.schema.experiment import Trial
from intelligen.errors import ChangedError, ConfigError, DataError
from intelligen.state import layout
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.preflight.memory_check import MemoryCheck
from intelligen.sweep.preflight.plan import make_plan
from intelligen.sweep.preflight.trial_times import TrialTimes
from intelligen.sweep.row_data import PreparedRows, prepare_again, prepare_rows
from intelligen.sweep.row_trials import RowTrials, weights_in
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

BRIEF = re.sub("epochs: [24]", "epochs: 1", TINY_EXPERIMENT).replace("epoch_updates: 20", "epoch_updates: 2")
FIRST = BRIEF.replace("name: tiny", "name: first").replace("epochs: 1", "epochs: 2\n  keep_epochs: [1, 2]", 1)
SWEEP = """
version: 1
name: rows
experiment: next.yaml
rows:
  variants:
    control: base
    of:
      base: {}
      other: OTHER
objective: {metric: valid/bleu}
resources: {gpus_per_worker: 0}
baseline: {gpus_per_worker: 0}
"""
STRATEGIES = """
version: 1
name: strategies
experiment: next.yaml
space: {strategy: {choice: [standard, generative]}}
budget: {trials: 2}
"""
OTHER_SHAPE = r"first has \d+ tensors of another shape \([^;]+, here [^;]+; [^;]+; [^;]+; …\); give both experiments"
VECTORS = "".join(f"{word}{' 0.25' * 32}\n" for word in WORDS)


class Project:
    """Experiment files and a sweep over them, in one folder with their runs directory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "runs"
        (folder / "corpus").mkdir()
        write_tiny_corpus(folder / "corpus", train=100)
        self.write(first=FIRST, next=BRIEF.replace("name: tiny", "name: next"))
        (folder / "vectors.txt").write_text(VECTORS)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.yaml").write_text(text)

    def rows(self, other: str, base: str = "{}") -> PreparedRows:
        """The data and starts of a sweep whose second row is this, as a first launch finds them."""
        self.write(sweep=SWEEP.replace("OTHER", other).replace("base: {}", f"base: {base}"))
        self.settings = load_sweep(self.folder / "sweep.yaml")
        return prepare_rows(*self.settings, self.store, unheard)

    def fingerprint(self, rows: PreparedRows) -> dict[str, object]:
        return sweep_fingerprint(*self.settings, data=rows.identities())

    def again(self, fingerprint: dict[str, object]) -> PreparedRows:
        """The same as another launch finds them, from the sweep's directory."""
        return prepare_again(*self.settings, self.store, unheard, fingerprint=fingerprint, where=self.folder)

    def trials(self, rows: PreparedRows) -> RowTrials:
        return RowTrials(*self.settings, rows.identities(), weights_in(self.store))

    def missing_s(self, rows: PreparedRows) -> float:
        """What a plan says that all runs take which the search starts from."""
        plan = make_plan(*self.settings, store=self.store, calibrate=True, prepare=lambda: rows)
        assert plan.cost is not None
        return plan.cost.baseline_s.high


def unheard() -> nullcontext:
    return nullcontext(lambda stage, rows: None)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def train(project: Project, *trials: Trial) -> None:
    for trial in trials:
        fit(trial, Runtime(project.store, layout.baseline(project.store, trial.identity)))


def test_vectors_that_were_edited_between_launches_are_another_sweep(project: Project) -> None:
    other = "{initial.path: vectors.txt, initial.freeze: true}"
    before = project.fingerprint(project.rows(other))
    shutil.copy(project.folder / "vectors.txt", project.folder / "moved.txt")
    require_unchanged(before, project.fingerprint(project.rows(other.replace("vectors", "moved"))), project.folder)
    (project.folder / "vectors.txt").write_text(VECTORS.replace("0.25", "0.75"))
    after = project.fingerprint(project.rows(other))
    with pytest.raises(ChangedError, match=r"initial_path_content\.other: '\w+' → '\w+'; restore them, or start anoth"):
        require_unchanged(before, after, project.folder)
    del before["initial_path_content"]  # as in a ledger of an earlier revision
    require_unchanged(before, after, project.folder)


def test_a_trial_that_was_trained_again_between_launches_is_another_sweep(project: Project) -> None:
    (run,) = (
        one.trial for one in project.trials(project.rows("{initial.experiment: first.yaml}")).pretrainings.values()
    )
    train(project, run)
    directory = layout.baseline(project.store, run.identity)
    before = project.fingerprint(project.rows(f"{{initial.path: {directory}}}"))
    another = run.model_copy(update={"seed": 2})
    shutil.rmtree(directory)
    fit(another, Runtime(project.store, directory))
    with pytest.raises(ChangedError, match=r"initial_path_content\.other: "):
        require_unchanged(before, project.fingerprint(project.rows(f"{{initial.path: {directory}}}")), project.folder)


def test_a_row_s_borrowed_vocabulary_that_was_edited_between_launches_is_another_sweep(project: Project) -> None:
    other = "{data.tokenizer: {name: of_experiment, experiment: first.yaml}}"
    before = project.fingerprint(project.rows(other))
    project.write(first=FIRST.replace("epochs: 2", "epochs: 3"))  # which no vocabulary depends on
    require_unchanged(before, project.fingerprint(project.rows(other)), project.folder)
    project.write(first=FIRST.replace("vocabulary: 90", "vocabulary: 80"))
    with pytest.raises(ChangedError, match=r"prepared_rows\.other: '\w+' → '\w+'"):
        require_unchanged(before, project.fingerprint(project.rows(other)), project.folder)


def test_weights_of_another_shape_are_refused_before_anything_is_trained(project: Project) -> None:
    project.write(first=FIRST.replace("d_model: 32", "d_model: 16"))
    with pytest.raises(DataError, match=OTHER_SHAPE):
        project.rows("{initial.experiment: first.yaml, initial.epoch: 1}")
    experiment = f"{BRIEF}initial: {{experiment: first.yaml}}\n"
    project.write(next=experiment, sweep=STRATEGIES)
    settings = load_sweep(project.folder / "sweep.yaml")
    with pytest.raises(DataError, match=OTHER_SHAPE):
        prepare_rows(*settings, project.store, unheard)
    assert not (project.store / "baselines").exists()


def test_weights_of_another_vocabulary_are_refused_before_anything_is_trained(project: Project) -> None:
    project.write(first=FIRST.replace("vocabulary: 90", "vocabulary: 80"))
    with (
        pytest.raises(
            DataError, match=r"sweep\.yaml:\d+: .*: row other: initial: first has another vocabulary than `source`"
        ),
        placing_initial(project.folder / "sweep.yaml", ()),
    ):
        project.rows("{initial.experiment: first.yaml}")
    assert not (project.store / "baselines").exists()


def test_freezing_all_there_is_is_refused_before_anything_is_trained(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"initial\.freeze: every weight of the model was loaded"):
        project.rows("{initial.experiment: first.yaml, initial.freeze: true}")


def test_vectors_that_do_not_fit_are_refused_at_the_launch(project: Project) -> None:
    with pytest.raises(DataError, match=r"vectors\.txt:1: a vector of 32 numbers, but the model's embeddings have 16"):
        project.rows("{model.d_model: 16, initial.path: vectors.txt}")


def test_a_sweep_that_goes_on_needs_neither_the_experiment_file_nor_the_vectors(project: Project) -> None:
    rows = project.rows("{initial.path: vectors.txt}", base="{initial.experiment: first.yaml, initial.epoch: 2}")
    before = project.fingerprint(rows)
    (run,) = (one.trial for one in project.trials(rows).pretrainings.values())
    train(project, run)
    trials = {row: project.trials(rows).trial({"row": row}) for row in ("base", "other")}
    (project.folder / "first.yaml").unlink()
    (project.folder / "vectors.txt").unlink()
    again = project.again(before)
    require_unchanged(before, project.fingerprint(again), project.folder)
    assert {row: project.trials(again).trial({"row": row}) for row in ("base", "other")} == trials
    assert [one.trial for one in project.trials(again).pretrainings.values()] == [run]
    assert again.starts.imported["other"].origin == rows.starts.imported["other"].origin


def test_imported_weights_that_are_gone_are_imported_again_from_the_same_content_alone(project: Project) -> None:
    rows = project.rows("{initial.path: vectors.txt}")
    before = project.fingerprint(rows)
    shutil.rmtree(project.store / "weights")
    assert project.again(before).starts.imported == rows.starts.imported
    shutil.rmtree(project.store / "weights")
    (project.folder / "vectors.txt").write_text(VECTORS.replace("0.25", "0.75"))
    with pytest.raises(ChangedError, match=r"initial_path_content\.other"):
        require_unchanged(before, project.fingerprint(project.again(before)), project.folder)


def test_the_data_of_a_pre_training_that_are_gone_are_prepared_again_from_its_file(project: Project) -> None:
    project.write(first=FIRST.replace("max_tokens: 40", "max_tokens: 39"))
    rows = project.rows("{initial.experiment: first.yaml}")
    before = project.fingerprint(rows)
    shutil.rmtree(rows.pretraining["other"].directory)
    require_unchanged(before, project.fingerprint(project.again(before)), project.folder)
    shutil.rmtree(rows.pretraining["other"].directory)
    (project.folder / "first.yaml").unlink()
    with pytest.raises(ConfigError, match=r"first\.yaml: no such file"):
        project.again(before)


def test_a_plan_counts_what_rows_start_from_as_it_is(project: Project) -> None:
    rows = project.rows(
        "{initial.experiment: first.yaml, initial.epoch: 2}", base="{initial.experiment: first.yaml, initial.epoch: 1}"
    )
    assert project.missing_s(rows) > 0
    (run,) = (one.trial for one in project.trials(rows).pretrainings.values())
    train(project, run)
    baselines = project.trials(rows).baselines
    assert list(baselines) == ["baseline-base-1", "baseline-other-1"]
    train(project, baselines["baseline-base-1"].trial)
    assert project.missing_s(rows) > 0
    train(project, baselines["baseline-other-1"].trial)
    assert project.missing_s(rows) == 0


def test_before_the_pre_training_a_plan_counts_a_baseline_for_each_of_its_epochs(project: Project) -> None:
    rows = project.rows(
        "{initial.experiment: first.yaml, initial.epoch: 2}", base="{initial.experiment: first.yaml, initial.epoch: 1}"
    )
    sweep, experiment = project.settings
    memory = MemoryCheck(sweep, experiment=experiment.name, shares_host=True)
    times = TrialTimes(sweep, experiment, rows, project.store, memory)
    missing = times._missing(times.rows.seeds)
    assert sum(map(len, missing.values())) == 3


def test_what_killed_processes_left_among_the_weights_is_removed(project: Project) -> None:
    left = project.store / "weights" / ".abandoned.01234567"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    for path in (left / "model.safetensors", left):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    rows = project.rows("{initial.path: vectors.txt}")
    assert [path.name for path in left.parent.iterdir()] == [rows.starts.imported["other"].weights]
