"""Warnings about prepared data: what is probably not meant, and what lets luck decide; each names its setting."""

from collections.abc import Iterator

from intelligen.config.schema.data import EmbeddedCorpus, source_of
from intelligen.config.schema.split_forms import HeldOut
from intelligen.data.data_manifest import Manifest, unknown_share
from intelligen.data.table_files import HEADER_AS_ROW

ENOUGH_ROWS = 100
"""Of an evaluation split: with fewer, one row is more than a point of accuracy."""
LEAST_ROWS = 10
"""The same where a tenth of the training rows are fewer."""
_SWAPPED = 2
"""So many times as many rows as `train` has no test set by intention."""


def data_warnings(manifest: Manifest) -> list[str]:
    """One line each: what, why, the fix as an experiment takes it."""
    return [*_unknown_tokens(manifest), *_headers(manifest), *_small_training_set(manifest), *_few_rows(manifest)]


def _unknown_tokens(manifest: Manifest) -> Iterator[str]:
    """How much of the training texts a pre-trained model's vocabulary does not know, a line for each such column."""
    if manifest.tokenizer is not None:
        return
    for column, report in manifest.splits["train"].columns.items():
        if share := unknown_share(report):
            yield f"{column}: the pre-trained vocabulary does not know {share:.2%} of the training tokens"


def _headers(manifest: Manifest) -> Iterator[str]:
    for name, split in manifest.splits.items():
        if split.notes.get(HEADER_AS_ROW):
            yield (
                f"{name}: the first row looks like names of columns, and is read as text; if it is a header, let it"
                f" name them: -o {_setting(manifest, name)}.columns=null"
            )


def _small_training_set(manifest: Manifest) -> Iterator[str]:
    """Splits that are drawn from `train` or choose the model are a part of it; a test set may be the larger one."""
    train = _training_rows(manifest)
    rows = {name: split.kept for name, split in manifest.splits.items() if name != "train"}
    chosen = [name for name in rows if name == "valid" or _drawn(manifest, name)]
    if sum(rows[name] for name in chosen) > train:
        held_out = " and ".join(f"the {rows[name]:,} of {name}" for name in chosen)
        settings = " or ".join(_setting(manifest, name) + ".rows" * _drawn(manifest, name) for name in chosen)
        yield f"train has {train:,} rows, fewer than {held_out}; hold out fewer with {settings}"
    for name, count in rows.items():
        if name not in chosen and count > _SWAPPED * train:
            yield (
                f"{name} has {count:,} rows and train only {train:,}; check whether {_setting(manifest, 'train')} and"
                f" {_setting(manifest, name)} are interchanged"
            )


def _few_rows(manifest: Manifest) -> Iterator[str]:
    wanted = min(ENOUGH_ROWS, max(LEAST_ROWS, _training_rows(manifest) // 10))
    for name, split in manifest.splits.items():
        if name != "train" and split.kept < wanted:
            count = f"{split.kept} row{'' if split.kept == 1 else 's'}"
            why = "luck chooses the best epoch and trial" if name == "valid" else "its scores are hardly known"
            setting = _setting(manifest, name) + ".rows" * _drawn(manifest, name)
            yield f"{name} has {count}, so {why}; give it {wanted} or more with {setting}"


def _training_rows(manifest: Manifest) -> int:
    """Without the copies of augmentation."""
    train = manifest.splits["train"]
    return train.kept - train.notes.get("augmented", 0)


def _drawn(manifest: Manifest, split: str) -> bool:
    source, _ = source_of(manifest.data.corpus)
    return not isinstance(source, EmbeddedCorpus) and isinstance(source.splits.get(split), HeldOut)


def _setting(manifest: Manifest, split: str) -> str:
    """The key that says what a split has."""
    source, key = source_of(manifest.data.corpus)
    if isinstance(source, EmbeddedCorpus):
        return f"{key}.{split if split in EmbeddedCorpus.model_fields else 'test'}"
    return f"{key}.splits.{split}"
