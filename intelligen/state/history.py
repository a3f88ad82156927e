"""History of a trial: one fsynced JSON line per epoch, each epoch exactly once."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from intelligen.errors import StorageError, writing
from intelligen.state.atomic_files import replace_file, write_synced
from intelligen.state.checksummed_json import seal, unseal

HISTORY_FILE = "history.jsonl"
INITIAL_WEIGHTS = "initial_weights"
"""The tag of reports that says which weights a training began with, unless random ones, and what became of them."""


@dataclass(frozen=True)
class ValidationSample:
    """One validation row with the model's current hypothesis."""

    source: str
    hypothesis: str
    reference: str


@dataclass(frozen=True)
class Report:
    """What is known at the end of one epoch."""

    epoch: int
    """1, 2, …; every report of a trial has its own."""
    update: int
    """Optimizer steps so far."""
    target_tokens: int
    """Target tokens trained on so far."""
    time_ms: int
    """Milliseconds since 1970 at which the report was first written; replays keep it."""
    metrics: Mapping[str, float]
    """`valid/bleu`, `time/epoch_s`, …"""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Words that belong to the metrics, such as `bleu_signature`."""
    samples: tuple[ValidationSample, ...] = ()

    def to_json(self) -> str:
        """One line, with its checksum."""
        return seal(json.dumps(asdict(self), ensure_ascii=False))

    @classmethod
    def from_json(cls, line: str) -> "Report":
        """The inverse of `to_json`."""
        fields = unseal(line)
        fields["samples"] = tuple(ValidationSample(**sample) for sample in fields["samples"])
        return cls(**fields)


class History:
    """The reports of one trial directory, oldest first."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / HISTORY_FILE
        self.reports = read_history(self.path)

    def append(self, report: Report) -> None:
        """Add a report durably; one for an epoch that is there already is dropped, so that replays change nothing."""
        if any(known.epoch == report.epoch for known in self.reports):
            return
        self.reports.append(report)
        self._rewrite() if self._has_torn_end() else self._append_line(report)

    def truncate(self, *, after_epoch: int) -> None:
        """Remove the reports after the checkpoint that training resumes from."""
        kept = [report for report in self.reports if report.epoch <= after_epoch]
        if len(kept) < len(self.reports) or self._has_torn_end():
            self.reports = kept
            self._rewrite()

    def require_epochs(self, last: int) -> None:
        """Refuse to go on after an epoch without the reports of all epochs so far.

        Raises:
            StorageError: Some are missing.

        """
        if missing := sorted({*range(1, last + 1)} - {report.epoch for report in self.reports}):
            raise StorageError(
                f"{self.path}: epoch {missing[0]} is missing, though a checkpoint was written after epoch {last};"
                f" restore the file from a copy, or delete {self.path.parent} and run the same command: the trial"
                " begins anew"
            )

    def _append_line(self, report: Report) -> None:
        line = f"{report.to_json()}\n".encode()
        with writing(self.path, needed=len(line)), self.path.open("ab") as file:
            write_synced(file, line)

    def _rewrite(self) -> None:
        content = "".join(f"{report.to_json()}\n" for report in self.reports).encode()
        with writing(self.path, needed=len(content)):
            replace_file(self.path, content)

    def _has_torn_end(self) -> bool:
        if not self.path.exists() or self.path.stat().st_size == 0:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"


def read_history(path: Path) -> list[Report]:
    """All whole lines of a history file; a last line that a kill cut short does not count.

    Raises:
        StorageError: It is damaged, or cannot be read.

    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; fix it, or restore it from a copy") from error
    return [_report(line, origin=f"{path}:{number}") for number, line in enumerate(text.split("\n")[:-1], start=1)]


def _report(line: str, *, origin: str) -> Report:
    try:
        return Report.from_json(line)
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{origin}: damaged ({type(error).__name__}: {error}); restore the file from a copy; a trial that has not"
            " ended begins anew where its directory is deleted"
        ) from error
