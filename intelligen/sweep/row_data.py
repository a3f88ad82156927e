"""Data and starts of a sweep's rows: prepared once for all rows that share them, and known by what they are."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intelligen.config.files.suggested_fixes import ANOTHER_SWEEP, fixes_for_sweep
from intelligen.config.load import row_experiments
from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.sweep import Sweep
from intelligen.data.preparation import OnProgress
from intelligen.data.preparation import prepare as prepare_data
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import ChangedError, DataError
from intelligen.state import layout
from intelligen.sweep.row_starts import (
    ALL_ROWS,
    RowStarts,
    imported_weights,
    naming,
    pretraining_of,
    require_fitting_starts,
)

_Prepare = Callable[[Experiment, str | None], Prepared]
"""Experiment, and the identity that its data had → its data."""
Counting = Callable[[], AbstractContextManager[OnProgress]]
"""Opened while data are prepared: what hears how far that is."""


@dataclass(frozen=True)
class DataOfRows:
    """Identities of a sweep's prepared data, and what its rows start from."""

    shared: str
    """Of the experiment, or of the row that differences are against."""
    by_row: Mapping[str, str] = field(default_factory=dict)
    """Row → its own; empty where rows are strategies, which share one."""
    starts: RowStarts = field(default_factory=RowStarts)

    def of(self, row: str | None) -> str:
        """The data of a row; none = of all, where rows are strategies."""
        return self.shared if row is None else self.by_row[row]


@dataclass(frozen=True)
class PreparedRows:
    """A sweep's prepared data."""

    shared: Prepared
    """Of the experiment, or of the row that differences are against."""
    by_row: Mapping[str, Prepared]
    """Row → its own; empty where rows are strategies."""
    pretraining: Mapping[str, Prepared]
    """Row → those of the run that it starts from; of rows that are strategies under the empty name."""
    starts: RowStarts = field(default_factory=RowStarts)

    def each_once(self) -> Iterator[Prepared]:
        """All data that the sweep uses."""
        every = (self.shared, *self.by_row.values(), *self.pretraining.values())
        yield from {one.identity: one for one in every}.values()

    def identities(self) -> DataOfRows:
        """What they are known by."""
        by_row = {row: one.identity for row, one in self.by_row.items()}
        return DataOfRows(self.shared.identity, by_row, self.starts)


def prepare_rows(sweep: Sweep, experiment: Experiment, store: Path, counting: Counting) -> PreparedRows:
    """Find the data of all rows and of what they start from, or make them; import weights that a path names.

    Raises:
        DataError: A row is tested on other rows of data than the control, so they cannot be compared; or the weights
            that it starts from have another shape or vocabulary, or will have.
        IntelligenError: As `prepare` raises it.

    """

    def prepared(one: Experiment, recorded: str | None) -> Prepared:
        with fixes_for_sweep():
            return _prepared(one, store, counting)

    return _all_rows(sweep, experiment, store, prepared, DataOfRows(""))


def prepare_again(
    sweep: Sweep,
    experiment: Experiment,
    store: Path,
    counting: Counting,
    *,
    fingerprint: Mapping[str, Any],
    where: Path,
) -> PreparedRows:
    """The data of a sweep that was started: as they were, or made anew from the same content.

    Args:
        sweep: Its settings.
        experiment: Its experiment.
        store: The runs directory.
        counting: What hears how far preparation is.
        fingerprint: Of its ledger.
        where: Its directory, for messages.

    Raises:
        ChangedError: What they are made from has changed.
        StorageError: They are damaged.

    """

    def prepared(one: Experiment, recorded: str | None) -> Prepared:
        return _as_it_was(one, store, counting, recorded, where)

    return _all_rows(sweep, experiment, store, prepared, _recorded(fingerprint, sweep, experiment))


def _all_rows(sweep: Sweep, experiment: Experiment, store: Path, prepared: _Prepare, known: DataOfRows) -> PreparedRows:
    experiments = row_experiments(sweep, experiment)
    by_row = {row: prepared(one, known.by_row.get(row)) for row, one in experiments.items()}
    shared = by_row[sweep.control] if by_row else prepared(experiment, known.shared or None)
    _require_same_test_sets(by_row, control=sweep.control)
    rows, data = experiments or {ALL_ROWS: experiment}, by_row or {ALL_ROWS: shared}
    recorded, runs, imported = known.starts, {}, {}
    for row, one in rows.items():
        if (run := _pretraining(one, store, prepared, recorded.pretraining.get(row))) is not None:
            runs[row] = run
        before = recorded.imported.get(row)
        with naming(row):
            weights = imported_weights(one, prepared=data[row], store=store, known=before)
        if weights is not None:
            imported[row] = weights
    starts = RowStarts({row: trial for row, (trial, _) in runs.items()}, imported)
    pretraining = {row: its_data for row, (_, its_data) in runs.items()}
    require_fitting_starts(rows, starts, data, pretraining)
    return PreparedRows(shared, by_row, pretraining, starts)


def _pretraining(
    experiment: Experiment, store: Path, prepared: _Prepare, known: Trial | None
) -> tuple[Trial, Prepared] | None:
    """The run that a row starts from, and its data: as they were recorded, as long as the data are there."""
    if known is not None and (directory := layout.prepared(store, known.prepared)).exists():
        return known, _verified(directory)
    return pretraining_of(experiment, lambda named: prepared(named, None if known is None else known.prepared))


def _recorded(fingerprint: Mapping[str, Any], sweep: Sweep, experiment: Experiment) -> DataOfRows:
    """What a sweep was started with."""
    rows = row_experiments(sweep, experiment) or {ALL_ROWS: experiment}
    starts = RowStarts.recorded(fingerprint, rows)
    return DataOfRows(fingerprint["prepared"], fingerprint.get("prepared_rows", {}), starts)


def _verified(directory: Path) -> Prepared:
    prepared = open_prepared(directory)
    prepared.verify()  # damage shows before anything is trained
    return prepared


def _prepared(experiment: Experiment, store: Path, counting: Counting) -> Prepared:
    with counting() as on_progress:
        return prepare_data(experiment.data, store, columns=experiment.task.columns, on_progress=on_progress)


def _as_it_was(experiment: Experiment, store: Path, counting: Counting, identity: str | None, where: Path) -> Prepared:
    directory = None if identity is None else layout.prepared(store, identity)
    if directory is not None and directory.exists():
        prepared = _verified(directory)
    else:
        with fixes_for_sweep("intelligen run FILE "):
            prepared = _prepared(experiment, store, counting)
    if prepared.identity != (identity or prepared.identity):
        raise ChangedError(
            f"{where}: the data have changed since the sweep started: {identity} → {prepared.identity}; restore them,"
            f" or {ANOTHER_SWEEP}"
        )
    return prepared


def _require_same_test_sets(found: Mapping[str, Prepared], *, control: str) -> None:
    if not found:
        return
    theirs = _evaluation_texts(found[control])
    for row, prepared in found.items():
        for split in sorted(theirs.keys() | (own := _evaluation_texts(prepared)).keys()):
            if own.get(split) != theirs.get(split):
                raise DataError(
                    f"rows: split `{split}` of row {row} holds other texts than that of {control}, so their scores"
                    " cannot be compared; vary only what is trained on, or how it is read"
                )


def _evaluation_texts(prepared: Prepared) -> dict[str, str]:
    """Split → SHA-256 of its raw texts."""
    files = {split: prepared.split(split).texts_path for split in prepared.splits}
    return {split: prepared.file_hash(path.name) for split, path in files.items() if path is not None}
