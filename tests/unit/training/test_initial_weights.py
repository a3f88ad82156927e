"""Initial weights: taken from a run or from a file of vectors, loaded by part, kept frozen, or refused in one line."""

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_data, tiny_trial, write_tiny_corpus
from safetensors.torch import load_file, save_file
from torch import Tensor

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.initial import Initial, InitialWeights
from intelligen.config.schema.model import Encoder
from intelligen.config.schema.training import Optimizer
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import ConfigError, DataError, StorageError
from intelligen.models.build import build_classifier
from intelligen.models.interfaces import Generator
from intelligen.state import layout
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.trial_result import SELECTED
from intelligen.tasks import build_task
from intelligen.training.fit import fit
from intelligen.training.initial_loading import Loaded, load_initial
from intelligen.training.initial_weights import initial_weights, take_weights
from intelligen.training.local_processes import in_group
from intelligen.training.replay import Recorded, replay
from intelligen.training.reproducibility_manifest import read_manifests
from intelligen.training.runtime import Runtime
from intelligen.training.weights_store import Origin, store_weights

TABLE = "target_embedding.weight"
SUMMED = ("train/loss", "valid/loss")


@pytest.fixture(scope="module")
def place(tiny_store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trial]:
    """A store, and a finished trial in `RUNS/baselines` that has kept its first epoch."""
    store = Path(shutil.copytree(tiny_store[0], tmp_path_factory.mktemp("place") / "store"))
    trial = tiny_trial(tiny_store[1])
    trial = trial.model_copy(update={"training": trial.training.model_copy(update={"keep_epochs": (1,)})})
    fit(trial, Runtime(store, layout.baseline(store, trial.identity)))
    return store, trial


@pytest.fixture
def prepared(place: tuple[Path, Trial]) -> Prepared:
    return open_prepared(layout.prepared(place[0], place[1].prepared))


def run_of(place: tuple[Path, Trial]) -> Path:
    return layout.baseline(place[0], place[1].identity)


def experiment(trial: Trial, *, model: dict[str, object] | None = None, **initial: object) -> Experiment:
    """One whose model is the trial's, or another."""
    return Experiment(
        version=1,
        name="next",
        data=tiny_data(Path("corpus")),
        model=trial.model.model_copy(update=model or {}),
        initial=Initial(**{"experiment": "first.yaml", **initial}),
    )


def network(trial: Trial, prepared: Prepared, *, seed: int = 2, **model: object) -> Generator:
    built = build_task(trial.task).build_model(trial.model.model_copy(update=model), prepared, seed=seed)
    assert isinstance(built, Generator)
    return built


def taken(
    place: tuple[Path, Trial], prepared: Prepared, *, run: Path | None = None, **initial: object
) -> InitialWeights:
    store, trial = place
    found = initial_weights(experiment(trial, **initial), prepared=prepared, store=store, run=run or run_of(place))
    assert found is not None
    return found


def loaded(
    place: tuple[Path, Trial], prepared: Prepared, model: Generator, **initial: object
) -> tuple[Loaded, dict[str, Tensor]]:
    """What became of the weights, and what the model had before."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return load_initial(model, taken(place, prepared, **initial), prepared=prepared, store=place[0]), before


def encoder_of(tensors: dict[str, Tensor]) -> set[str]:
    return {name for name in tensors if name.startswith(("encoder", TABLE))}


def vectors_file(folder: Path, words: dict[str, float], *, width: int = 32) -> Path:
    path = folder / "vectors.txt"
    path.write_text("".join(f"{word}{f' {value}' * width}\n" for word, value in words.items()))
    return path


def test_a_finished_run_s_weights_become_a_model_s(place, prepared):
    model = network(place[1], prepared)
    found, _ = loaded(place, prepared, model)
    selected = load_file(run_of(place) / SELECTED)
    assert all(torch.equal(tensor, selected[name]) for name, tensor in model.state_dict().items())
    assert (set(found.loaded), found.random, found.left_over) == (set(selected), (), ())
    assert found.initial.origin == "tiny, seed 1, best of 2 epochs (update 12)"


def test_a_kept_epoch_s_weights_are_taken_and_one_that_is_not_there_is_named(place, prepared):
    assert taken(place, prepared, epoch=1).weights != taken(place, prepared).weights
    assert taken(place, prepared, epoch=1).origin == "tiny, seed 1, epoch 1"
    with pytest.raises(DataError, match=r"has not kept the weights of epoch 3; it has those of 1$"):
        taken(place, prepared, epoch=3)


def test_a_directory_of_another_store_is_imported(place, prepared, tmp_path):
    store, trial = place
    own = tmp_path / "own"
    prepare_again = layout.prepared(own, trial.prepared)
    prepare_again.parent.mkdir(parents=True)
    prepare_again.symlink_to(layout.prepared(store, trial.prepared))
    found = initial_weights(
        experiment(trial, experiment=None, path=str(run_of(place))), prepared=open_prepared(prepare_again), store=own
    )
    assert found is not None
    assert found.weights == taken(place, prepared).weights
    assert (layout.weights(own, found.weights) / "model.safetensors").is_file()


def test_a_part_is_loaded_and_the_rest_stays_random(place, prepared):
    model = network(place[1], prepared)
    found, before = loaded(place, prepared, model, part="encoder")
    selected, now = load_file(run_of(place) / SELECTED), model.state_dict()
    assert found.loaded
    assert all(name.startswith(("encoder", TABLE)) for name in found.loaded)
    assert all(torch.equal(now[name], selected[name]) for name in found.loaded)
    assert all(torch.equal(now[name], before[name]) for name in found.random)
    assert set(found.left_over) == set(found.random) != set()


def test_an_only_table_fills_every_table_of_the_model_whatever_their_names(place, prepared):
    model = network(place[1], prepared, tied_embeddings="decoder")
    found, _ = loaded(place, prepared, model, part="embeddings")
    selected = load_file(run_of(place) / SELECTED)
    assert set(found.loaded) == {TABLE, "source_embedding.weight"}
    assert torch.equal(model.state_dict()["source_embedding.weight"], selected[TABLE])


def test_a_classifier_takes_a_translator_s_encoder_with_its_table(place, prepared):
    model = build_classifier(Encoder(d_model=32, d_ff=64, heads=2, layers=1), [90], classes=2)
    initial = taken(place, prepared, part="encoder")
    found = load_initial(model, initial, prepared=prepared, store=place[0])
    selected = load_file(run_of(place) / SELECTED)
    assert torch.equal(model.state_dict()["tables.0.weight"], selected[TABLE])
    assert {name for name in selected if name.startswith("encoder.")} < set(found.loaded)
    assert set(found.random) >= {"output.weight", "output.bias"}


def test_a_part_that_the_model_lacks_is_refused_with_those_that_it_has(place, prepared):
    model = build_classifier(Encoder(d_model=32, heads=2), [90], classes=2)
    initial = taken(place, prepared, part="decoder")
    with pytest.raises(ConfigError, match="the model has no decoder; its parts are all, encoder, embeddings"):
        load_initial(model, initial, prepared=prepared, store=place[0])


def test_what_was_loaded_and_what_was_not_is_one_line(place, prepared):
    found, _ = loaded(place, prepared, network(place[1], prepared), part="embeddings", freeze=True)
    assert found.line() == (
        f"tiny, seed 1, best of 2 epochs (update 12) ({found.initial.weights[:12]}):"
        f" 1 ({TABLE}) loaded and frozen; {len(found.random)} ({', '.join(found.random[:3])}, …) random;"
        f" {len(found.left_over)} ({', '.join(found.left_over[:3])}, …) left over"
    )


def test_weights_of_another_shape_are_refused_with_their_number_and_first_names(place, prepared):
    with pytest.raises(DataError, match=r"has 35 tensors of another shape \(target_embedding\.weight \[90, 32\], here"):
        taken(place, prepared, model={"d_model": 64})


def test_weights_of_another_vocabulary_are_refused(place, prepared, tmp_path):
    store, trial = place
    write_tiny_corpus(tmp_path, train=300)
    other = prepare(tiny_data(tmp_path), store, columns=SOURCE_AND_TARGET)
    with pytest.raises(DataError, match=r"another vocabulary than `source` here, and token ids would mean other words"):
        initial_weights(experiment(trial), prepared=other, store=store, run=run_of(place))


def test_a_run_that_has_not_finished_is_refused(place, tmp_path):
    store, trial = place

    def interrupt(update: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, tmp_path / "t", updated=interrupt))
    with pytest.raises(DataError, match="its training has not finished"):
        take_weights(tmp_path / "t", None, store=store)


def test_freezing_all_there_is_is_refused(place, prepared):
    with pytest.raises(ConfigError, match="nothing would be trained"):
        taken(place, prepared, freeze=True)


def test_frozen_weights_stay_and_the_others_learn_whatever_interrupts(place, prepared, tmp_path):
    store, trial = place
    trial = trial.model_copy(update={"initial": taken(place, prepared, part="encoder", freeze=True)})
    notes: list[str] = []

    def halt(update: int, total: int) -> None:
        if update == 9:
            raise KeyboardInterrupt

    fit(trial, Runtime(store, tmp_path / "whole", noted=notes.append))
    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, tmp_path / "halted", updated=halt, noted=notes.append))
    fit(trial, Runtime(store, tmp_path / "halted", noted=notes.append))
    whole, halted = (load_file(tmp_path / name / SELECTED) for name in ("whole", "halted"))
    first = load_file(run_of(place) / SELECTED)
    stayed = {name for name in first if torch.equal(whole[name], first[name])}
    assert stayed == encoder_of(first)
    assert all(torch.equal(whole[name], halted[name]) for name in whole)
    assert len(notes) == 2  # where a training begins, and not where it goes on
    assert len(set(notes)) == 1
    tags = {report.tags["initial_weights"] for report in read_history(tmp_path / "halted" / HISTORY_FILE)}
    assert [f"initial weights: {tag}" for tag in tags] == [*set(notes)]


def test_a_fine_tuning_starts_from_its_baseline_and_keeps_what_is_frozen(place, prepared, tmp_path):
    store, trial = place
    frozen = taken(place, prepared, epoch=1, part="encoder", freeze=True)
    trial = trial.model_copy(update={"initial": frozen, "start": trial.identity})
    fit(trial, Runtime(store, tmp_path / "t"))
    baseline, tuned = load_file(run_of(place) / SELECTED), load_file(tmp_path / "t" / SELECTED)
    stayed = {name for name in baseline if torch.equal(baseline[name], tuned[name])}
    assert stayed == encoder_of(baseline)


def train(trial: Trial, store: Path, directory: Path) -> None:
    torch.set_num_threads(1)
    fit(trial, Runtime(store, directory))


def test_two_ranks_start_from_the_same_weights(place, prepared, tmp_path):
    store, trial = place
    model = trial.model.model_copy(update={"dropout": 0.0})
    initial = taken(place, prepared, part="encoder", freeze=True)
    trial = trial.model_copy(update={"initial": initial, "model": model})
    train(trial, store, tmp_path / "alone")
    in_group(partial(train, trial, store, tmp_path / "together"), processes=2)
    alone, together = (read_history(tmp_path / name / HISTORY_FILE) for name in ("alone", "together"))
    for one, two in zip(alone, together, strict=True):
        assert [two.metrics[name] for name in SUMMED] == pytest.approx([one.metrics[name] for name in SUMMED], rel=1e-4)
    first, trained = load_file(run_of(place) / SELECTED), load_file(tmp_path / "together" / SELECTED)
    assert {name for name in first if torch.equal(first[name], trained[name])} == encoder_of(first)


def test_a_replay_finds_the_weights_by_their_hash_or_says_what_is_missing(place, prepared, tmp_path):
    store, trial = place
    trial = trial.model_copy(update={"initial": taken(place, prepared, epoch=1)})
    fit(trial, Runtime(store, tmp_path / "t"))
    assert read_manifests(tmp_path / "t")[0].initial == trial.initial.weights
    assert replay(Recorded.read(tmp_path / "t", store=store), tmp_path / "again").identical
    kept = layout.weights(store, trial.initial.weights)
    kept.rename(tmp_path / "kept")
    with pytest.raises(StorageError, match=r"the initial weights are missing \(tiny, seed 1, epoch 1\)"):
        Recorded.read(tmp_path / "t", store=store)
    kept.mkdir()
    save_file({TABLE: torch.zeros(1)}, kept / "model.safetensors")
    with pytest.raises(StorageError, match="damaged"):
        Recorded.read(tmp_path / "t", store=store)
    (kept / "model.safetensors").unlink()
    kept.rmdir()
    (tmp_path / "kept").rename(kept)


def test_vectors_of_words_fill_their_pieces_alone_and_their_coverage_is_said(place, prepared, tmp_path):
    pieces = prepared.tokenizer("source").pieces
    words = [piece[1:] for piece in pieces if piece[1:] in ("ape", "bee", "cat", "dog")]
    path = vectors_file(tmp_path, {"unseen": 9.0, **{word: float(number) for number, word in enumerate(words)}})
    model = network(place[1], prepared)
    found, before = loaded(place, prepared, model, experiment=None, path=str(path), freeze=True)
    table = model.state_dict()[TABLE]
    covered = [pieces.index(f"▁{word}") for word in words]
    assert covered
    assert [row.unique().tolist() for row in table[covered]] == [[float(number)] for number in range(len(words))]
    others = [index for index in range(len(pieces)) if index not in covered]
    assert torch.equal(table[others], before[TABLE][others])
    assert found.loaded == (TABLE,)
    assert f": {len(covered)} rows of 1 ({TABLE}) loaded and frozen; " in found.line()
    columns = prepared.split("train").columns.values()
    tokens = np.concatenate([column.tokens for column in columns])
    share = np.isin(tokens, covered).mean()
    assert found.initial.origin == (
        f"vectors.txt: {len(covered)} of 90 pieces ({len(covered) / 90:.1%}), {share:.1%} of the training tokens"
    )


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_frozen_vectors_stay_and_pieces_without_a_vector_learn(optimizer, place, prepared, tmp_path):
    store, trial = place
    pieces = prepared.tokenizer("source").pieces
    covered = [pieces.index(f"▁{word}") for word in ("ape", "bee", "cat", "dog") if f"▁{word}" in pieces]
    path = vectors_file(tmp_path, {pieces[index][1:]: 0.5 for index in covered})
    initial = taken(place, prepared, experiment=None, path=str(path), freeze=True)
    chosen = Optimizer(name=optimizer, learning_rate=5e-3, weight_decay=0.1)
    training = trial.training.model_copy(update={"optimizer": chosen})
    trial = trial.model_copy(update={"initial": initial, "training": training})
    fit(trial, Runtime(store, tmp_path / "t"))
    table = load_file(tmp_path / "t" / SELECTED)[TABLE]
    assert covered
    assert torch.equal(table[covered], torch.full_like(table[covered], 0.5))
    random = network(trial, prepared, seed=trial.seed).state_dict()[TABLE]
    moved = [index for index in range(len(pieces)) if not torch.equal(table[index], random[index])]
    used = {int(token) for column in prepared.split("train").columns.values() for token in column.tokens}
    assert used <= {*moved}


@pytest.mark.parametrize(
    ("initial", "error", "reason"),
    [
        ({"part": "encoder"}, ConfigError, "word vectors, which are embeddings and no encoder"),
        ({"path": "gone.txt"}, DataError, r"gone\.txt: no such file"),
        ({"model": {"d_model": 64}}, DataError, r"vectors\.txt:1: a vector of 32 numbers, but .* have 64"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(initial, error, reason, place, prepared, tmp_path):
    path = str(vectors_file(tmp_path, {"ape": 1.0}))
    with pytest.raises(error, match=reason):
        taken(place, prepared, **{"experiment": None, "path": path, **initial})


def test_weights_are_written_whole_or_not_at_all(place, tmp_path):
    store, weights = tmp_path / "store", run_of(place) / SELECTED
    code = (
        "import os, shutil, signal, sys\nfrom pathlib import Path\nfrom intelligen.training.weights_store import *\n"
        "def killed(source, target):\n    target.write_bytes(b'half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "shutil.copyfile = killed\n"
        "store_weights(Path(sys.argv[1]), Origin('x', {}, []), Path(sys.argv[2]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(store), str(weights)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not [path for path in (store / "weights").iterdir() if not path.name.startswith(".")]
    stored = store_weights(store, Origin("x", {}, []), weights)
    assert stored.path.parent == layout.weights(store, stored.sha256)
    assert stored.path.read_bytes() == weights.read_bytes()


def test_damaged_weights_that_are_there_are_named_where_they_would_be_taken(place, prepared, tmp_path):
    store = tmp_path / "store"
    (store / "prepared").mkdir(parents=True)
    layout.prepared(store, place[1].prepared).symlink_to(prepared.directory)
    taken((store, place[1]), prepared, run=run_of(place))
    (file,) = (store / "weights").glob("*/model.safetensors")
    file.write_bytes(b"half")
    with pytest.raises(StorageError, match=r"model\.safetensors: damaged .*; delete "):
        taken((store, place[1]), prepared, run=run_of(place))


def test_weights_that_are_there_are_not_written_again(place):
    store, weights = place[0], run_of(place) / SELECTED
    before = store_weights(store, Origin("x", {}, []), weights)
    status = before.path.stat()
    assert store_weights(store, Origin("x", {}, []), weights).path.stat() == status
