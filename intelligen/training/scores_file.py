"""Scores files of a trial, `scores/NAME-SEARCH.json`: its scores and hypotheses on a test set.

Of models that write no text, which nothing searches for, it is `scores/NAME.json`.
"""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import (
    BaseModel,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.config.schema.stages_after_search import SearchName, search_label
from intelligen.errors import StorageError
from intelligen.evaluation import Interval
from intelligen.state.atomic_files import write_atomically
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.trial_result import SELECTED
from intelligen.training.selected_weights import selected_sha256

SCORES = "scores"
_AGAIN = "restore a copy, or decode the split again"
_SEARCHED = re.compile(rf"(?P<name>.+)-(?:{'|'.join(get_args(SearchName))})(?:_.+)?")


class Scores(BaseModel):
    """How a test set was decoded, and what came out."""

    search: DecodingSearch | None
    """None where the models write no text."""
    metrics: dict[str, float]
    """`test/bleu`, …, after the split."""
    intervals: dict[str, Interval]
    """Metric → its score with the 95 % interval over rows; in the file each has a key of its own, `bleu`, …"""
    resamples: int = 0
    """Of the rows, whose percentiles the bounds are. 0 in files of the first revisions: theirs lie symmetrically
    about the resamples' mean, and may leave the scale."""
    signatures: dict[str, str]
    hypotheses: tuple[str, ...]
    """In the test set's order."""
    weights: str | None = None
    """SHA-256 of the weights that decoded it; none in files of earlier versions."""
    files: dict[str, str] | None = None
    """File → SHA-256 of what it held, of a new test set; none where it is a split of the prepared data."""

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, stored: Any) -> Any:
        """The intervals of a file are all that has no other meaning."""
        if not isinstance(stored, dict) or "intervals" in stored:
            return stored
        known = {name: value for name, value in stored.items() if name in cls.model_fields}
        return {**known, "intervals": {name: value for name, value in stored.items() if name not in known}}

    @model_serializer(mode="wrap")
    def _spread(self, usual: SerializerFunctionWrapHandler) -> dict[str, Any]:
        stored: dict[str, Any] = usual(self)
        spread: dict[str, Any] = {}
        for name, value in stored.items():
            spread |= value if name == "intervals" else {name: value}
        return spread


def write_scores(directory: Path, name: str, scores: Scores, *, decoding: Decoding) -> Path:
    """Write the scores of a test set, in place of those of an earlier decoding by the same search.

    Args:
        directory: The trial's.
        name: Of the split or of the new test set.
        scores: What came out.
        decoding: The trial's.

    """
    path = score_file(directory, name, scores.search, decoding=decoding)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, seal(json.dumps(scores.model_dump(), ensure_ascii=False, indent=1)))
    return path


def score_file(directory: Path, name: str, search: DecodingSearch | None, *, decoding: Decoding) -> Path:
    """Where `write_scores` keeps what a search found, or what models say that write no text."""
    return directory / SCORES / f"{name if search is None else f'{name}-{search_label(search, decoding)}'}.json"


def score_files(directory: Path) -> list[Path]:
    """Of every split and search that a trial's weights have decoded; those of new test sets are not among them."""
    return [path for path in sorted((directory / SCORES).glob("*.json")) if _is_of_split(path)]


def current_score_files(directory: Path) -> list[Path]:
    """Those of the weights that are selected now: a trial that has gone on since a decoding has others.

    Raises:
        StorageError: One is damaged.

    """
    files = score_files(directory)
    now = selected_sha256(directory) if files else None
    return [path for path in files if read_scores(path).weights in (None, now)]


def scored_split(path: Path) -> str:
    """The split of such a file; a search's settings may have a hyphen, such as `beam_length_penalty1e-05`."""
    found = _SEARCHED.match(path.stem)
    return path.stem if found is None else found["name"]


def read_scores(path: Path) -> Scores:
    """What one of these files holds.

    Raises:
        StorageError: It is damaged, or cannot be read.

    """
    try:
        return Scores.model_validate_json(json.dumps(unseal(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; {_AGAIN}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(path, " ".join([*(f"{part}:" for part in first["loc"]), first["msg"]])) from error
    except (TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def require_scored(directory: Path, recorded: Mapping[str, float], *, own_search: str | None) -> None:
    """Refuse a trial whose recorded scores have lost the hypotheses that they are of.

    Args:
        directory: The trial's, which has finished.
        recorded: Its scores under their names: `test/bleu`, `test-greedy/bleu`, …
        own_search: Name of the search by which scores are called after their split alone; None where there is none.

    Raises:
        StorageError: A file is missing, damaged or of other weights.

    """
    for name in dict.fromkeys(score.partition("/")[0] for score in recorded):
        path = _scores_of(directory, name, own_search)
        try:
            if read_scores(path).weights not in (None, selected_sha256(directory)):
                raise StorageError(f"{path}: of other weights than {directory / SELECTED}; {_AGAIN}")
        except StorageError as error:
            again = ["intelligen", "test", str(directory), "--split", scored_split(path)]
            searched = [] if own_search is None else _search_options(path.stem)
            raise StorageError(f"{error}: {shlex.join([*again, *searched])}") from error


def _scores_of(directory: Path, name: str, own_search: str | None) -> Path:
    """The file of the scores that are called so."""
    folder = directory / SCORES
    if own_search is None:
        # Before scores of models that write no text had a name without a search, it was the one that others would use.
        earlier = [path for path in score_files(directory) if scored_split(path) == name]
        return earlier[-1] if earlier else folder / f"{name}.json"
    path = folder / f"{name}-{own_search}.json"
    return folder / f"{name}.json" if _SEARCHED.fullmatch(name) and not path.exists() else path  # by another search


def _search_options(stem: str) -> list[str]:
    """Of the command that decodes such a file again: the test stage has no other settings than sizes of a beam."""
    name, _, size = stem.rpartition("-")[2].partition("_size")
    return ["--search", name, *(["--beam-size", size] if size else [])]


def _damaged(path: Path, what: str) -> StorageError:
    return StorageError(f"{path}: damaged ({what}); {_AGAIN}")


def _is_of_split(path: Path) -> bool:
    """Not of a new test set. Of a damaged file it is unknown; `read_scores` says what is wrong with it."""
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return True
    if not isinstance(stored, dict):
        return True
    return stored.get("files") is None and (_SEARCHED.match(path.stem) is not None or stored.get("search", "") is None)
