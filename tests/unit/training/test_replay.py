"""A replay is the same bit for bit, whatever came between; a planted difference is found, and named by its key."""

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial

from intelligen.config.schema.decoding import Beam, ByLength, Greedy
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.strategy_mixture import Bandit, Intelligen
from intelligen.config.schema.training import Optimizer
from intelligen.data.checksums import sha256
from intelligen.data.data_manifest import read_manifest, write_manifest
from intelligen.errors import StorageError, UnavailableError
from intelligen.state.checksummed_json import unseal
from intelligen.state.history import HISTORY_FILE, Report
from intelligen.state.trial_result import RESULT, SELECTED, TRIAL
from intelligen.training.divergence import DivergedError
from intelligen.training.fit import fit
from intelligen.training.local_processes import in_group
from intelligen.training.replay import Recorded, Replay, replay
from intelligen.training.replay_diff import diff_trainings
from intelligen.training.reproducibility_manifest import MANIFEST_FILE, ReproducibilityManifest
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel

UPDATES = 6  # of an epoch of the tiny trial


@pytest.fixture(scope="module")
def store(tiny_store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline, and `trial`, which was fine-tuned from it and has decoded a test set. Look, and do not touch."""
    store = tmp_path_factory.mktemp("place") / "store"
    shutil.copytree(tiny_store[0], store)
    baseline = tiny_trial(tiny_store[1])
    fit(baseline, Runtime(store, store / "baselines" / baseline.identity))
    fit(fine_tuning(store), Runtime(store, store / "trial"))
    trained = TrainedModel.load(store / "trial", store=store, device=torch.device("cpu"))
    trained.score("test", search=Greedy())
    return store


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy in which something may be planted."""
    return Path(shutil.copytree(store, tmp_path / "own"))


def prepared(store: Path) -> Path:
    (found,) = (store / "prepared").iterdir()
    return found


def fine_tuning(store: Path, **changes: object) -> Trial:
    identity = prepared(store).name
    strategy = Generative(probability=ProbabilitySchedule(start=0.5))
    return tiny_trial(identity, strategy=strategy, start=tiny_trial(identity).identity).model_copy(update=changes)


def replayed(store: Path, directory: Path, into: Path) -> Replay:
    return replay(Recorded.read(directory, store=store), into)


def differing(found: Replay) -> dict[str, int | None]:
    """Key → first epoch."""
    return {one.key: one.epoch for one in found.comparisons if one.agrees is False}


def interrupt_after_an_epoch(report: Report) -> None:
    raise KeyboardInterrupt


def interrupt_within_an_epoch(update: int, total: int) -> None:
    if update == UPDATES + 3:
        raise KeyboardInterrupt


def test_a_trial_that_ran_its_course_is_the_same_to_its_hypotheses(store, tmp_path):
    found = replayed(store, store / "trial", tmp_path / "again")
    assert found.identical
    assert found.recorded.changes == ()
    keys = {one.key for one in found.comparisons if one.agrees}
    assert {"train/loss", "valid/loss", "valid/bleu", "weights", "selected", "hypotheses/test-greedy"} <= keys
    assert not {key for key in keys if key.startswith(("time/", "cpu/", "cost/"))}
    assert (tmp_path / "again" / SELECTED).read_bytes() == (store / "trial" / SELECTED).read_bytes()


@pytest.mark.parametrize("callbacks", [{"report": interrupt_after_an_epoch}, {"updated": interrupt_within_an_epoch}])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_trial_that_was_stopped_is_the_same_as_far_as_it_came_and_a_resumed_one_to_its_end(
    callbacks: dict[str, Callable[..., None]], resumed: bool, store, tmp_path
):
    with suppress(KeyboardInterrupt):
        fit(fine_tuning(store), Runtime(store, tmp_path / "t", **callbacks))
    if resumed:
        fit(fine_tuning(store), Runtime(store, tmp_path / "t"))
    found = replayed(store, tmp_path / "t", tmp_path / "again")
    assert found.identical
    assert found.recorded.epochs == (2 if resumed else 1)
    assert (tmp_path / "again" / RESULT).exists() is resumed
    assert "weights" in {one.key for one in found.comparisons}


def test_a_trial_that_was_stopped_at_its_last_epoch_is_not_replayed_beyond_it(store, tmp_path):
    def stop(report: Report) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        fit(fine_tuning(store), Runtime(store, tmp_path / "t", report=stop))
    assert replayed(store, tmp_path / "t", tmp_path / "again").identical
    assert not (tmp_path / "again" / RESULT).exists()


def test_the_manifest_is_written_before_training_and_changed_circumstances_get_their_own(store, tmp_path):
    seen: list[str] = []

    def look(update: int, total: int) -> None:
        seen.append((tmp_path / "t" / MANIFEST_FILE).read_text())

    with suppress(KeyboardInterrupt):
        fit(fine_tuning(store), Runtime(store, tmp_path / "t", updated=look, report=interrupt_after_an_epoch))
    torch.set_num_threads(2)
    try:
        fit(fine_tuning(store), Runtime(store, tmp_path / "t", updated=look))
    finally:
        torch.set_num_threads(1)
    assert set(seen) == {(tmp_path / "t" / MANIFEST_FILE).read_text()}
    lock = ReproducibilityManifest.model_validate_json(seen[0])
    assert (lock.settings, lock.device, lock.threads, lock.processes) == (fine_tuning(store).identity, "cpu", 1, 1)
    assert lock.versions["torch"] == torch.__version__
    recorded = Recorded.read(tmp_path / "t", store=store)
    assert (recorded.manifest, recorded.changes) == (lock, (f"from update {UPDATES}: threads: 1 → 2",))


def test_a_replay_runs_with_the_threads_of_its_lock_and_leaves_the_caller_its_own(own_store, tmp_path):
    lock = json.loads((own_store / "trial" / MANIFEST_FILE).read_text())
    (own_store / "trial" / MANIFEST_FILE).write_text(json.dumps({**lock, "threads": 2}))
    assert replayed(own_store, own_store / "trial", tmp_path / "again").recorded.changes == ()
    assert json.loads((tmp_path / "again" / MANIFEST_FILE).read_text())["threads"] == 2
    assert torch.get_num_threads() == 1


def test_another_seed_is_found_in_the_settings_and_in_the_first_epoch(own_store, tmp_path):
    path = own_store / "trial" / TRIAL
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    found = replayed(own_store, own_store / "trial", tmp_path / "again")
    (change,) = found.recorded.changes
    assert change.startswith("settings: ")
    assert differing(found)["train/loss"] == 1
    assert "weights" in differing(found)


def test_a_flipped_weight_is_found_and_nothing_else(own_store, tmp_path):
    path = own_store / "trial" / SELECTED
    weights = bytearray(path.read_bytes())
    weights[-1] ^= 1
    path.write_bytes(weights)
    found = replayed(own_store, own_store / "trial", tmp_path / "again")
    assert (differing(found), found.recorded.changes) == ({"weights": None}, ())


def test_a_changed_epoch_and_a_changed_hypothesis_are_found_by_their_keys(own_store, tmp_path):
    path = own_store / "trial" / HISTORY_FILE
    first, second = map(unseal, path.read_text().splitlines())
    second["metrics"]["valid/chrf"] += 1e-12
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, second)))
    scores = own_store / "trial" / "scores" / "test-greedy.json"
    stored = unseal(scores.read_text())
    stored["hypotheses"][3] += "!"
    scores.write_text(json.dumps(stored))
    found = replayed(own_store, own_store / "trial", tmp_path / "again")
    assert differing(found) == {"valid/chrf": 2, "hypotheses/test-greedy": None}


def test_what_the_first_revisions_decoded_by_another_beam_is_compared(own_store, tmp_path):
    trained = TrainedModel.load(own_store / "trial", store=own_store, device=torch.device("cpu"))
    trained.score("test", search=Beam(size=2)).path.replace(own_store / "trial" / "scores" / "test-beam.json")
    described = trained.score("valid", search=Beam(length_penalty=1e-05)).metrics()
    assert 0 <= described["valid/self_bleu"] <= 100
    assert described["valid/output_entropy"] > 0
    assert 0 < described["valid/output_top1"] < 1
    trained.score("valid", search=Beam(length_penalty=ByLength(form="length")))
    shutil.copy(own_store / "trial" / "scores" / "test-beam.json", own_store / "trial" / "scores" / "kept.json")
    found = replayed(own_store, own_store / "trial", tmp_path / "again")
    keys = {one.key for one in found.comparisons if one.key.startswith("hypotheses/")}
    decoded = {"test-greedy", "test-beam", "valid-beam_size4_length_penalty1e-05"}
    decoded |= {"valid-beam_size4_length_penaltylength1.0"}
    assert (differing(found), keys) == ({}, {f"hypotheses/{name}" for name in decoded})


def test_other_data_under_the_same_name_are_found(own_store, tmp_path):
    path = prepared(own_store) / "train.target.tokens"
    tokens = bytearray(path.read_bytes())
    tokens[::2] = tokens[::2][::-1]  # tokens of two bytes, all below 256, the other way round
    path.write_bytes(tokens)
    manifest = read_manifest(path.parent)  # as another version of SentencePiece would have prepared them
    callbacks = {**manifest.model_dump(mode="json"), "sha256": {**(manifest.sha256 or {}), path.name: sha256(path)}}
    write_manifest(path.parent, callbacks)
    found = replayed(own_store, own_store / "trial", tmp_path / "again")
    (change,) = found.recorded.changes
    assert change.startswith("data: ")
    assert differing(found)["train/loss"] == 1


def without_data(store: Path) -> None:
    shutil.rmtree(prepared(store))


def without_start(store: Path) -> None:
    shutil.rmtree(store / "baselines")


def without_lock(store: Path) -> None:
    (store / "trial" / MANIFEST_FILE).unlink()


def without_epochs(store: Path) -> None:
    (store / "trial" / HISTORY_FILE).unlink()


def with_a_takeover(store: Path) -> None:
    (store / "trial" / "adopted").mkdir()


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (without_data, "its data are gone from .*; make them again"),
        (without_start, "the baseline that it starts from is gone"),
        (without_lock, "it has no lock.json"),
        (without_epochs, "none of its epochs has ended"),
        (with_a_takeover, "another trial's weights, in a population"),
    ],
)
def test_what_cannot_be_replayed_says_why_in_a_line(plant: Callable[[Path], None], said: str, own_store):
    plant(own_store)
    with pytest.raises(UnavailableError, match=said) as caught:
        Recorded.read(own_store / "trial", store=own_store)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_trial_of_a_gpu_is_not_replayed_without_one(own_store):
    lock = json.loads((own_store / "trial" / MANIFEST_FILE).read_text())
    (own_store / "trial" / MANIFEST_FILE).write_text(json.dumps({**lock, "device": "NVIDIA H100"}))
    with pytest.raises(UnavailableError, match="trained on NVIDIA H100, and this machine has no GPU"):
        Recorded.read(own_store / "trial", store=own_store)


def test_damaged_files_are_named(own_store, tmp_path):
    (own_store / "trial" / "scores" / "test-greedy.json").write_text('{"search": {"name": "gready"}}')
    with pytest.raises(StorageError, match=r"test-greedy\.json: damaged"):
        replayed(own_store, own_store / "trial", tmp_path / "again")
    (own_store / "trial" / MANIFEST_FILE).write_text("{}")
    with pytest.raises(StorageError, match=r"lock\.json: damaged"):
        Recorded.read(own_store / "trial", store=own_store)


def test_a_replay_that_diverges_is_compared_as_far_as_it_came(own_store, tmp_path):
    path = own_store / "trial" / TRIAL
    settings = json.loads(path.read_text())
    settings["training"]["optimizer"] |= {"learning_rate": 1e30, "clip_norm": None}
    path.write_text(json.dumps(settings))
    found = replayed(own_store, own_store / "trial", tmp_path / "again")
    assert "lower the learning rate" in (found.diverged or "")
    assert differing(found)["train/loss"] == 1


def test_a_replay_with_a_bandit_by_the_clock_compares_losses_alone(store, tmp_path):
    by_the_clock, by_updates = (
        fine_tuning(store, strategy=Intelligen(policy=Bandit(arms=("standard", "generative"), per=per)))
        for per in ("second", "update")
    )
    for name, trial in (("clock", by_the_clock), ("updates", by_updates)):
        with suppress(KeyboardInterrupt):
            fit(trial, Runtime(store, tmp_path / name, report=interrupt_after_an_epoch))
    assert "follows the clock" in (Recorded.read(tmp_path / "clock", store=store).inexact or "")
    assert Recorded.read(tmp_path / "updates", store=store).inexact is None


@pytest.mark.parametrize(("factor", "outcome"), [(1.04, True), (0.9, False)])
def test_where_bits_are_not_to_be_expected_a_loss_may_differ_a_little_and_the_rest_is_shown(
    factor: float, outcome: bool, own_store, tmp_path
):
    shutil.copytree(own_store / "trial", tmp_path / "other")
    path = tmp_path / "other" / HISTORY_FILE
    first, second = map(unseal, path.read_text().splitlines())
    second["metrics"]["valid/loss"] *= factor
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, second)))
    found = {one.key: one.agrees for one in diff_trainings(own_store / "trial", tmp_path / "other", exact=False)}
    assert (found["train/loss"], found["valid/loss"], found["valid/bleu"], found["weights"]) == (
        True,
        outcome,
        None,
        None,
    )


def test_a_trial_of_two_processes_is_replayed_by_two_and_is_the_same(store, tmp_path):
    work = partial(fit, fine_tuning(store), Runtime(store, tmp_path / "t"))
    in_group(work, processes=2)
    found = replayed(store, tmp_path / "t", tmp_path / "again")
    assert found.identical
    assert (found.recorded.manifest.processes, found.recorded.changes) == (2, ())
    assert json.loads((tmp_path / "again" / MANIFEST_FILE).read_text())["processes"] == 2


def test_what_a_group_raises_reaches_its_caller_whatever_the_temporary_folder_is_called(store, tmp_path, monkeypatch):
    odd = tmp_path / "q ?x=1 a%41"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    training = fine_tuning(store).training.model_copy(
        update={"optimizer": Optimizer(learning_rate=1e30, clip_norm=None)}
    )
    work = partial(fit, fine_tuning(store, training=training), Runtime(store, tmp_path / "t"))
    with pytest.raises(DivergedError, match="lower the learning rate"):
        in_group(work, processes=2)
