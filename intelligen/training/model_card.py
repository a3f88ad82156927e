"""Model card of an exported model: what it began as, what it was trained on and by, and what it scores."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from intelligen.config.pretrained_directory import holds_weights
from intelligen.config.schema.decoding import Beam, ByLength
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.training.scores_file import read_scores, score_files, scored_split
from intelligen.training.trained_model import TrainedModel


def card_lines(trained: TrainedModel, settings: Pretrained, *, form: str, difference: str | None) -> Iterator[str]:
    """The card, in Markdown.

    Args:
        trained: The model.
        settings: Of its network.
        form: What of it is in the directory.
        difference: What `transformers` does not decode as it was scored; none where it does.

    """
    trial, manifest = trained.trial, trained.prepared.manifest
    yield from ("---", "library_name: transformers", "tags: [intelligen]", "---", "")
    yield from (f"# {trial.experiment}, {trial.strategy.name}", "")
    yield from ("## Base model", "", *_base(settings), "")
    yield from ("## Training", "")
    splits = ", ".join(f"{report.kept:,} rows of {name}" for name, report in manifest.splits.items())
    yield f"- Data: {splits}; content hash {trained.prepared.identity}."
    yield f"- Prompt: `{manifest.data.prompt}`" if manifest.data.prompt else "- Prompt: none."
    yield from _answer_begins(trained, settings)
    yield f"- Strategy: {trial.strategy.name}, seed {trial.seed}, {trial.training.epochs} epochs."
    yield f"- Weights: {form}, SHA-256 of the training's file {trained.weights}."
    yield f"- Written by intelligen {version('intelligen')} and transformers {version('transformers')}."
    yield from ("", "## Decoding", "", *_decoding(trained, difference), "")
    yield from ("## Scores", "", *_scores(trained))


def _base(settings: Pretrained) -> Iterator[str]:
    """Where it is from, without this machine's folders; its licence, and the hashes of its weights."""
    found, name = settings.found, Path(settings.path).name
    place = f"the directory `{name}`" if settings.revision is None else f"`{settings.path}` at {settings.revision}"
    yield f"- From: {place}, a model of type {found.family}."
    licence = found.licence or "not stated"
    yield f"- Licence of the base model, which applies to this one as well: {licence}."
    yield f"- Content hash of its files: {found.files}."
    yield from (f"- SHA-256 of {file}: {sha256}" for file, sha256 in found.sha256.items() if holds_weights(file))


def _answer_begins(trained: TrainedModel, settings: Pretrained) -> Iterator[str]:
    """What a prompt's last token must be."""
    if settings.kind == "causal":
        order = cast(Any, trained.model).order
        first = order.eos if order.start is None else order.start
        yield (
            f"- Input: the tokens of the text that is read, without an end, and behind them the token {first}, from"
            " which the answer goes on. Without it the model was not trained to answer."
        )


def _decoding(trained: TrainedModel, difference: str | None) -> Iterator[str]:
    search, decoding = trained.trial.decoding.test, trained.trial.decoding
    size = f" of size {search.size}, length penalty {_penalty(search)}" if isinstance(search, Beam) else ""
    yield (
        f"Scored by {search.name} search{size}; what was written had at most {decoding.max_length_ratio:g} × the"
        f" source's tokens + {decoding.max_length_offset} tokens. The generation configuration has the search, and one"
        " bound for all sources."
    )
    if difference is not None:
        yield from ("", f"{difference[0].upper()}{difference[1:]}.")


def _penalty(search: Beam) -> str:
    by = search.length_penalty
    return f"|Y|^{by.alpha:g}" if isinstance(by, ByLength) else f"{by:g}"


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
