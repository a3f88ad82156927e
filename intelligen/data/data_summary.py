"""Summary of prepared data in lines: what was read, kept and left out, and what the splits share."""

from collections.abc import Iterator

from intelligen.data.data_manifest import ColumnReport, Manifest, Overlap
from intelligen.data.data_warnings import data_warnings
from intelligen.data.prepared_data import Prepared

_SHOWN = 10
"""Classes that are shown of many."""


def describe(prepared: Prepared) -> list[str]:
    """What was read, kept, left out and odd, in lines for people."""
    manifest = prepared.manifest
    settings, borrowed = manifest.tokenizer, manifest.borrowed
    sizes = {prepared.tokenizer(column).size for column in manifest.tokenizers}
    kind = "pre-trained" if settings is None else f"{'joint' if settings.joint else 'separate'} {settings.model}"
    lines = [
        f"{kind} vocabulary:"
        f" {' and '.join(f'{size:,}' for size in sorted(sizes))} pieces"
        + (f" of the prepared data {borrowed.prepared}" if borrowed else "")
    ]
    if borrowed and borrowed.lowercase != manifest.data.lowercase:
        theirs, ours = ("", "not ") if borrowed.lowercase else ("not ", "")
        fix = f"-o data.lowercase={str(borrowed.lowercase).lower()}"
        lines.append(f"its pieces are of texts that were {theirs}lower-cased, and these were {ours}lower-cased: {fix}")
    for name, split in manifest.splits.items():
        odd = [f"{count:,} {note.replace('_', ' ')}" for note, count in split.notes.items()]
        left_out = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in split.dropped.items()]
        lines.append(
            f"{name}: {split.kept:,} of {split.read:,} rows {'and their copies ' * ('augmented' in split.notes)}kept"
            + (f"; left out: {', '.join(left_out)}" if left_out else "")
            + (f"; noted: {', '.join(odd)}" if odd else "")
        )
        lines += [
            f"  {column}: {_column(report, manifest.classes.get(column))}" for column, report in split.columns.items()
        ]
    return [*lines, *(f"warning: {line}" for line in data_warnings(manifest)), *shared_rows(manifest)]


def _column(report: ColumnReport, classes: tuple[str, ...] | None) -> str:
    if classes is None:
        return (
            f"{report.tokens:,} tokens, {report.unknown / max(report.tokens, 1):.2%} unknown, longest {report.longest}"
        )
    counts = [f"{label} in {rows:,} rows" for label, rows in zip(classes, report.of_classes or (), strict=True)]
    more = [f"{len(counts) - _SHOWN:,} more"] if len(counts) > _SHOWN else []
    return f"{len(classes):,} classes: " + ", ".join([*counts[:_SHOWN], *more])


def shared_rows(manifest: Manifest) -> list[str]:
    """What the splits share and what repeats within one, a line each."""
    if manifest.overlaps is None:
        return ["rows in several splits: not counted, because an earlier version prepared the data"]
    return [*map(_overlap, manifest.overlaps), *_duplicates(manifest)] or [
        "no input is in two splits, and no split has duplicate rows"
    ]


def leaks(manifest: Manifest) -> list[str]:
    """Whole rows that are in two splits, a line for every two."""
    return [_overlap(overlap) for overlap in manifest.overlaps or () if overlap.pairs]


def _overlap(overlap: Overlap) -> str:
    return (
        f"in two splits: {overlap.pairs:,} of the {overlap.rows:,} rows of {overlap.split} are in {overlap.other} too,"
        f" and {overlap.sources:,} of its inputs"
        + (f" ({overlap.distinct:,} different ones)" if overlap.distinct else "")
    )


def _duplicates(manifest: Manifest) -> Iterator[str]:
    for name, split in manifest.splits.items():
        if split.duplicates:
            yield f"duplicates: {split.duplicates:,} of {split.kept:,} rows of {name} repeat an earlier one"
