"""What a sweep's rows start from: runs of other experiments, and weights from elsewhere; known before the launch."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from intelligen.config.base import recorded
from intelligen.config.files.suggested_fixes import fixes_in_initial
from intelligen.config.named_experiments import initial_experiment
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial, stored_trial
from intelligen.config.schema.initial import InitialWeights
from intelligen.data.prepared_data import Prepared
from intelligen.errors import IntelligenError
from intelligen.state import layout
from intelligen.training.weights_store import stored_weights

ALL_ROWS = ""
"""Means all rows where they are strategies."""


@dataclass(frozen=True)
class RowStarts:
    """Row → what it starts from; rows that start from random weights have no place here."""

    pretraining: Mapping[str, Trial] = field(default_factory=dict)
    """The run that `initial.experiment` means, with the search's seed."""
    imported: Mapping[str, InitialWeights] = field(default_factory=dict)
    """The weights that `initial.path` means; they are in the store."""

    @classmethod
    def recorded(cls, fingerprint: Mapping[str, Any], rows: Mapping[str, Experiment]) -> Self:
        """As a sweep was started with them.

        Args:
            fingerprint: Of its ledger.
            rows: Row → its experiment.

        Raises:
            UnavailableError: A package that a run is trained with is not installed here.

        """
        pretraining = fingerprint.get("pretraining", {})
        known = {row: digest for row, digest in fingerprint.get("initial_path_content", {}).items() if row in rows}
        return cls(
            {row: stored_trial(json.dumps(settings)) for row, settings in pretraining.items()},
            {row: _weights(rows[row], digest) for row, digest in known.items()},
        )

    def fingerprint(self) -> dict[str, Any]:
        """What a ledger knows of them: the settings, which another file has, and the content that a path has."""
        return {
            "prepared_pretraining": {row: trial.prepared for row, trial in self.pretraining.items()},
            "pretraining": {row: recorded(trial) for row, trial in self.pretraining.items()},
            "initial_path_content": {row: one.weights for row, one in self.imported.items()},
        }


def pretraining_of(experiment: Experiment, prepare: Callable[[Experiment], Prepared]) -> tuple[Trial, Prepared] | None:
    """The run that an experiment starts from as its file has it now, and its data; none where it names none.

    Args:
        experiment: The one that starts.
        prepare: Finds or makes an experiment's data.

    Raises:
        IntelligenError: The file is wrong, or its data cannot be prepared.

    """
    named = initial_experiment(experiment)
    if named is None:
        return None
    with fixes_in_initial(experiment):
        prepared = prepare(named)
    return baseline_trial(named, prepared=prepared.identity), prepared


def imported_weights(
    experiment: Experiment, *, prepared: Prepared, store: Path, known: InitialWeights | None
) -> InitialWeights | None:
    """The weights that `initial.path` means, which are in the store then; none where it names none.

    Args:
        experiment: The one that starts.
        prepared: Its data.
        store: The runs directory.
        known: What they were when the sweep was started; what the path names is read only where these are gone.

    Raises:
        IntelligenError: As `initial_weights` raises it.

    """
    from intelligen.training.initial_weights import initial_weights

    if experiment.initial is None or experiment.initial.path is None:
        return None
    if known is not None and layout.weights(store, known.weights).exists():
        origin = stored_weights(store, known).origin.text
        return known.model_copy(update={"origin": origin})
    return initial_weights(experiment, prepared=prepared, store=store)


def require_fitting_starts(
    rows: Mapping[str, Experiment],
    starts: RowStarts,
    prepared: Mapping[str, Prepared],
    pretraining: Mapping[str, Prepared],
) -> None:
    """Refuse pre-trainings whose weights will not fit the rows that start from them, before they are trained.

    Args:
        rows: Row → its experiment.
        starts: What they start from.
        prepared: Row → its data.
        pretraining: Row → the data of the run that it starts from.

    Raises:
        ConfigError: A row's model has no such part, or nothing would be trained.
        DataError: The weights will have another shape or vocabulary.

    """
    from intelligen.training.initial_weights import require_fitting

    for row, trial in starts.pretraining.items():
        with naming(row):
            require_fitting(rows[row], prepared=prepared[row], pretraining=trial, its_data=pretraining[row])


@contextmanager
def naming(row: str) -> Iterator[None]:
    """Meanwhile errors that begin with `initial` name the row before it, where rows are variants."""
    try:
        yield
    except IntelligenError as error:
        named = row != ALL_ROWS and str(error).startswith("initial")
        raise type(error)(*(f"row {row}: {line}" if named else line for line in error.args)) from error


def _weights(experiment: Experiment, digest: str) -> InitialWeights:
    initial = experiment.initial
    assert initial is not None, "settings of a sweep are compared before"
    return InitialWeights(weights=digest, part=initial.part, freeze=initial.freeze, origin=str(initial.path))
