"""Initial weights: taken from a finished run, or imported from elsewhere, into the runs directory; by their hash."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.initial import Initial, InitialWeights
from intelligen.config.schema.model import Model
from intelligen.config.schema.tasks import Task
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.data.pretrained_shape import shape_alone
from intelligen.data.word_vectors import Vector, read_word_vectors
from intelligen.errors import ConfigError, DataError, writing
from intelligen.state import layout
from intelligen.state.trial_result import read_result, read_trial
from intelligen.tasks import build_task
from intelligen.training.initial_loading import PIECES, VECTORS, fitting, token_tables
from intelligen.training.kept_weights import kept_weights
from intelligen.training.reproducibility_manifest import require_same_data
from intelligen.training.selected_weights import selected_weights
from intelligen.training.weights_store import Origin, StoredWeights, store_weights, stored_weights

_SPACE = "▁"
"""With which a piece begins where a word does (SentencePiece)."""


def initial_weights(
    experiment: Experiment, *, prepared: Prepared, store: Path, run: Path | None = None
) -> InitialWeights | None:
    """What `experiment.initial` comes to: the weights are in the store then, and fit the experiment's model.

    Args:
        experiment: Complete settings.
        prepared: Its data.
        store: The runs directory.
        run: Directory of the finished baseline of `initial_experiment(experiment)`, where it names one.

    Raises:
        ConfigError: `initial` has a part that the model or the file lacks, or freezes all there is.
        DataError: The run has not finished or has no such epoch, the file is malformed, or the weights have another
            vocabulary or shape than the model.
        StorageError: Something is damaged, or the disk is full.

    """
    initial = experiment.initial
    if initial is None:
        return None
    model = _on_meta(experiment.task, experiment.model, prepared)
    if initial.path is None or Path(initial.path).is_dir():
        directory = run if initial.path is None else Path(initial.path)
        assert directory is not None, "the named experiment has not been trained"
        try:
            stored = take_weights(directory, initial.epoch, store=store)
        except DataError as error:
            raise DataError(f"initial: {error}") from error
    else:
        if initial.part not in ("all", "embeddings"):
            raise ConfigError(
                f"initial.part: {initial.path} is a file of word vectors, which are embeddings and no {initial.part};"
                " set it to embeddings"
            )
        tables = token_tables(model)
        if not tables:
            raise ConfigError(f"initial.path: the model {experiment.model.name} has no table of embeddings to fill")
        width = model.state_dict()[tables[0]].size(1)
        stored = import_word_vectors(Path(initial.path), prepared=prepared, width=width, store=store)
    found = InitialWeights(weights=stored.sha256, part=initial.part, freeze=initial.freeze, origin=stored.origin.text)
    whole = stored_weights(store, found)  # which may have lain there
    fitting(model, found, whole.origin, load_file(whole.path), prepared=prepared)
    return found


def require_fitting(experiment: Experiment, *, prepared: Prepared, pretraining: Trial, its_data: Prepared) -> None:
    """Refuse a pre-training whose weights will not fit, before it is trained.

    Args:
        experiment: Starts from its weights.
        prepared: The experiment's data.
        pretraining: Settings of the run.
        its_data: That run's data.

    Raises:
        ConfigError: `initial` has a part that the model lacks, or freezes all there is.
        DataError: The weights will have another vocabulary or shape than the model.

    """
    assert experiment.initial is not None
    source = _on_meta(pretraining.task, pretraining.model, its_data)
    expected = expected_weights(experiment.initial, pretraining)
    origin = Origin(expected.origin, its_data.vocabulary_hashes, token_tables(source))
    model = _on_meta(experiment.task, experiment.model, prepared)
    fitting(model, expected, origin, source.state_dict(), prepared=prepared)


def expected_weights(initial: Initial, pretraining: Trial) -> InitialWeights:
    """Represent weights that are yet to be trained, those of each run and epoch under a hash of their own."""
    digest = hashlib.sha256(f"{pretraining.identity} {initial.epoch}".encode()).hexdigest()
    return InitialWeights(weights=digest, part=initial.part, freeze=initial.freeze, origin=pretraining.experiment)


def _on_meta(task: Task, settings: Model, prepared: Prepared) -> nn.Module:
    """A network of names and shapes alone: no memory is taken for it, and nothing is drawn."""
    with shape_alone(settings, prepared) as shape, torch.random.fork_rng(devices=[]), torch.device("meta"):
        model: nn.Module = build_task(task).build_model(shape, prepared, seed=0)
    return model


def take_weights(run: Path, epoch: int | None, *, store: Path) -> StoredWeights:
    """Copy a finished run's weights into the store.

    Args:
        run: Directory of a trial, in this runs directory or in another.
        epoch: One of those that its `training.keep_epochs` kept; none = its selected weights.
        store: The runs directory.

    Raises:
        DataError: It is no trial's directory, its training has not finished, or it has not kept that epoch.
        StorageError: Its weights or its data are damaged, or the disk is full.

    """
    trial = read_trial(run)
    if epoch is not None:
        weights, which = kept_weights(run, epoch).path, f"epoch {epoch}"
    elif (result := read_result(run)) is not None:
        weights, which = selected_weights(run), result.selected
    else:
        raise DataError(f"{run}: its training has not finished, so that no weights are selected; train it to its end")
    its_store = layout.store_with(trial.prepared, above=run, default=store)
    prepared = open_prepared(layout.prepared(its_store, trial.prepared))
    require_same_data(run, prepared)
    model = _on_meta(trial.task, trial.model, prepared)
    origin = Origin(
        text=f"{trial.experiment}, seed {trial.seed}, {which}",
        vocabularies=prepared.vocabulary_hashes,
        tables=token_tables(model),
    )
    return store_weights(store, origin, weights)


def import_word_vectors(path: Path, *, prepared: Prepared, width: int, store: Path) -> StoredWeights:
    """Put the vectors of those words into the store that are pieces of the vocabulary: `▁good` is the word `good`.

    Args:
        path: word2vec's text format, plain or `.gz`, or `.npz` with the arrays `words` and `vectors`.
        prepared: The data, whose columns share one vocabulary.
        width: Of the model's embeddings.
        store: The runs directory.

    Raises:
        ConfigError: The columns have several vocabularies.
        DataError: There is no such file, it is malformed, its vectors have another width, or no word is a piece.
        StorageError: It cannot be read, or the disk is full.

    """
    vocabularies = prepared.vocabulary_hashes
    if len(set(vocabularies.values())) > 1:
        raise ConfigError("initial.path: word vectors need one vocabulary for all columns: data.tokenizer.joint: true")
    if not path.exists():
        raise DataError(f"initial.path: {path}: no such file or directory; check the path")
    pieces = prepared.tokenizer(next(iter(vocabularies))).pieces
    words = {piece[1:]: index for index, piece in enumerate(pieces) if piece.startswith(_SPACE) and piece != _SPACE}
    vectors = dict(sorted(read_word_vectors(path, words=words, width=width).items()))
    covered, tokens = len(vectors) / len(pieces), _share_of_tokens(prepared, vectors, pieces=len(pieces))
    coverage = f"{len(vectors):,} of {len(pieces):,} pieces ({covered:.1%}), {tokens:.1%} of the training tokens"
    origin = Origin(text=f"{path.name}: {coverage}", vocabularies=vocabularies, tables=None)
    tensors = {PIECES: torch.tensor(list(vectors)), VECTORS: torch.from_numpy(np.stack([*vectors.values()]))}
    with TemporaryDirectory() as folder:
        file = Path(folder) / VECTORS
        with writing(file):
            file.write_bytes(save(tensors))
        return store_weights(store, origin, file)


def _share_of_tokens(prepared: Prepared, vectors: Mapping[int, Vector], *, pieces: int) -> float:
    """How many of the training split's tokens have a vector."""
    counts = np.zeros(pieces, dtype=np.int64)
    split = prepared.split("train")
    for column in prepared.manifest.tokenizers:
        counts += np.bincount(split.columns[column].tokens, minlength=pieces)
    return float(counts[list(vectors)].sum() / max(1, counts.sum()))
