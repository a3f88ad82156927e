"""What a trial's weights made of a split: a file `scores/SPLIT-SEARCH.json` in the trial's directory."""

import json
from pathlib import Path

from pydantic import BaseModel, ValidationError

from intelligen.config.decoding import Search
from intelligen.errors import StorageError
from intelligen.evaluation import Interval
from intelligen.training.result import write_atomically

SCORES = "scores"


class Scores(BaseModel):
    """How a split was decoded, and what came out."""

    search: Search
    metrics: dict[str, float]
    """`test/bleu`, …, after the split."""
    bleu: Interval
    """With the 95 % interval over sentences."""
    resamples: int = 0
    """Of the sentences, whose percentiles the bounds are. 0 in files of the first revisions: theirs lie symmetrically
    about the resamples' mean, and may leave the scale."""
    signatures: dict[str, str]
    hypotheses: tuple[str, ...]
    """In the split's order."""


def write_scores(directory: Path, split: str, scores: Scores) -> None:
    """Keep what came out of a split, over what an earlier decoding by the same search left."""
    folder = directory / SCORES
    folder.mkdir(exist_ok=True)
    text = json.dumps(scores.model_dump(), ensure_ascii=False, indent=1)
    write_atomically(folder / f"{split}-{scores.search.name}.json", text)


def score_files(directory: Path) -> list[Path]:
    """Of every split and search that a trial's weights have decoded."""
    return sorted((directory / SCORES).glob("*.json"))


def read_scores(path: Path) -> Scores:
    """What one of these files holds.

    Raises:
        StorageError: It is damaged, or cannot be read.

    """
    try:
        return Scores.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; mend it, or restore a copy") from error
    except ValidationError as error:
        first = error.errors()[0]
        what = " ".join([*(f"{part}:" for part in first["loc"]), first["msg"]])
        raise StorageError(f"{path}: damaged ({what}); restore a copy, or decode the split again") from error
