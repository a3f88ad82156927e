"""Exports a trained model that began as a pre-trained one: a directory that `transformers` loads, with a model card."""

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.errors import CannotCreateError, ConfigError, writing
from intelligen.training.scores_file import read_scores, score_files, scored_split
from intelligen.training.trained_model import TrainedModel

CARD = "README.md"


def export_model(trained: TrainedModel, target: Path, *, adapter: bool = False) -> Path:
    """Write the model's selected weights, configuration, tokenizer, generation configuration and card.

    Args:
        trained: The model; it is of no use for anything else after.
        target: A directory that is not there yet, or empty.
        adapter: Write what LoRA has learnt alone, not merged with the base model.

    Raises:
        CannotCreateError: Something is in the directory, or it may not be written.
        ConfigError: The model is one of ours, or has no adapter.
        DataError: The base model's directory is gone or has changed.
        StorageError: The disk is full or fails.

    """
    settings = trained.trial.model
    if not isinstance(settings, Pretrained):
        raise ConfigError(
            f"{trained.directory} is a model {settings.name}, which other packages do not know; register it in MLflow:"
            " intelligen promote"
        )
    if adapter and settings.lora is None:
        raise ConfigError(f"--adapter: {trained.directory} was trained without model.lora; leave the option out")
    from intelligen.models.pretrained.export import export_network

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CannotCreateError(f"{target}: is there already; name a directory that is not")
    building = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    with writing(target):
        try:
            building.mkdir(parents=True)
            export_network(cast(Any, trained.model), building, search=trained.trial.decoding.test, adapter=adapter)
            (building / CARD).write_text("\n".join(_card(trained, settings)) + "\n", encoding="utf-8")
            building.replace(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return target


def _card(trained: TrainedModel, settings: Pretrained) -> Iterator[str]:
    """A model card: what was trained on what, by which strategy, and what it scores."""
    trial, splits = trained.trial, trained.prepared.manifest.splits
    base = settings.path if settings.revision is None else f"{settings.path} at {settings.revision}"
    yield from ("---", "library_name: transformers", "tags: [intelligen]", "---", "")
    yield f"# {trial.experiment}, {trial.strategy.name}"
    yield ""
    yield f"- Base model: `{Path(base).name if settings.revision is None else base}`, files {settings.found.files}. Its"
    yield "  licence applies to this model as well; see the base model's own card."
    yield f"- Data: {', '.join(f'{report.kept:,} rows of {name}' for name, report in splits.items())}; content hash"
    yield f"  {trained.prepared.identity}."
    prompt = trained.prepared.manifest.data.prompt
    yield f"- Prompt: `{prompt}`" if prompt else "- Prompt: none."
    yield f"- Strategy: {trial.strategy.name}, seed {trial.seed}, {trial.training.epochs} epochs."
    yield f"- Weights: SHA-256 {trained.weights}."
    yield f"- Written by intelligen {version('intelligen')} and transformers {version('transformers')}."
    yield ""
    yield from _scores(trained)


def _scores(trained: TrainedModel) -> Iterator[str]:
    """Of every test set that these weights have decoded, with the 95 % interval and the metric's signature."""
    found = [(scored_split(path), read_scores(path)) for path in score_files(trained.directory)]
    if not found:
        yield "No test set has been scored."
        return
    yield from ("| test set | search | metric | score | 95 % interval | signature |", "|---|---|---|---|---|---|")
    for split, scores in found:
        for name, one in scores.intervals.items():
            signature = scores.signatures.get(f"{name}_signature", "")
            bounds = f"{one.low:.2f} to {one.high:.2f}"
            score = scores.metrics[f"{split}/{name}"]
            how = "none" if scores.search is None else scores.search.name
            yield f"| {split} | {how} | {name} | {score:.2f} | {bounds} | `{signature}` |"
