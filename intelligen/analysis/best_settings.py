"""Settings of the best trial of each row, as lines that can be pasted into an experiment file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intelligen.config.experiment_lines import flow, settings_lines, settings_words, trial_settings
from intelligen.config.metric_direction import best as best_of
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ChangedError, StorageError
from intelligen.state.redaction import redact
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord

if TYPE_CHECKING:
    from intelligen.analysis.study import StudyResults

HEADING = "settings of the best trials"


@dataclass(frozen=True)
class SweepSettings:
    """What the trials of a sweep vary, and where that is written."""

    sweep: Sweep
    experiment: Mapping[str, Any]
    """The sweep's, as its fingerprint has it."""
    given: Sequence[str] = ()
    """Overrides of the launch."""

    @classmethod
    def read(cls, files: SweepFiles) -> "SweepSettings":
        """Those of a sweep that has been started."""
        launch = files.launch()
        return cls(launch.sweep, files.ledger()[0]["experiment"], launch.given[1:])

    @classmethod
    def recorded(cls, files: SweepFiles) -> "SweepSettings | None":
        """The same; None where another version wrote them, or they are damaged."""
        try:
            return cls.read(files)
        except (ChangedError, StorageError):
            return None

    def best(self, record: TrialRecord, *, label: str, score: str) -> "BestSettings":
        """Those of the best trial of a row."""
        changed = {name: text for name, text in record.schedule().items() if text != record.params[name]}
        return BestSettings(record.row, label, record.id, score, self.of(record), redact(changed))

    def of(self, record: TrialRecord) -> dict[str, Any]:
        """What a trial has other than the experiment, without secrets."""
        rows = {row.id: row.settings for row in self.sweep.variants()}
        given = trial_settings(record.config, self.experiment, row=rows.get(record.row), given=self.given)
        settings: dict[str, Any] = redact(given)
        return settings

    def words(self, record: TrialRecord) -> str:
        """What tells it from the sweep's other trials, in few words: overrides of the launch are the same for all."""
        return settings_words(replace(self, given=()).of(record))

    def text(self, record: TrialRecord) -> str:
        """The same on one line, as a file could have it."""
        return flow(self.of(record)) if record.config else ""

    @property
    def how_to_use(self) -> str:
        """Where lines of these settings can be pasted."""
        path = Path(self.sweep.experiment)
        return f"to train one alone, write its lines below `include: [{path.name}]` in a file beside {_short(path)}"


@dataclass(frozen=True)
class BestSettings:
    """The best trial of a row."""

    row: str
    label: str
    """The row's, for people."""
    trial: str
    score: str
    """`valid/bleu 40.18`."""
    settings: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Parameter → its values over time, where it changed while the trial trained."""

    def columns(self) -> dict[str, Any]:
        """For exports."""
        return {"best_trial": self.trial, "best_settings": flow(self.settings) if self.settings else None}

    @property
    def words(self) -> str:
        """The settings in few words."""
        return settings_words(self.settings)

    def lines(self) -> Iterator[str]:
        """The lines to paste, below a comment that says whose they are."""
        yield f"# {self.label}: {self.trial}, {self.score}"
        yield from (f"# {name} changed: {values}" for name, values in self.changes.items())
        yield from settings_lines(self.settings)


def study_settings(study: "StudyResults") -> list[BestSettings]:
    """The best trial of each row of a study, by validation."""
    settings = _of_study(study)
    found = []
    for row in study.strategies:
        values = {m.record.id: m.value(study.metric) for m in study.searched if m.record.row == row}
        known = {name: value for name, value in values.items() if value is not None}
        if (chosen := best_of(study.metric, known, value=known.__getitem__)) is not None:
            (record,) = (m.record for m in study.searched if m.record.id == chosen)
            score = f"{study.metric} {study.form(study.metric).format(known[chosen])}"
            found.append(settings.best(record, label=study.label(row), score=score))
    return found


def settings_use(study: "StudyResults") -> str:
    """Where they can be pasted."""
    return _of_study(study).how_to_use


def _of_study(study: "StudyResults") -> SweepSettings:
    return SweepSettings(study.sweep, study.fingerprint["experiment"], study.given[1:])


def settings_block(found: Sequence[BestSettings], how: str) -> list[str]:
    """All of them below a heading; nothing where no trial is known."""
    shown = [one for one in found if one.settings]
    return [f"{HEADING} ({how})", *(line for one in shown for line in one.lines())] if shown else []


def markdown_settings(found: Sequence[BestSettings], how: str) -> str:
    """The same for a document; empty where no trial is known."""
    heading, *lines = settings_block(found, how) or [""]
    return f"\n{heading[0].upper()}{heading[1:]}:\n\n```yaml\n" + "\n".join(lines) + "\n```\n" if lines else ""


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
