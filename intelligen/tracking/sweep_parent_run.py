"""The sweep's own MLflow run: leaderboard, plots, report and provenance, up to the last ended trial."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intelligen.analysis.best_settings import BestSettings, SweepSettings, markdown_settings
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.leaderboard import LeaderboardEntry, leaderboard_csv, leaderboard_markdown, ranked_entries
from intelligen.analysis.verdicts import RowVerdict, kept_answer, kept_verdicts
from intelligen.config.base import content_hash
from intelligen.config.schema.tasks import task_settings
from intelligen.state.cached_file import CachedFile
from intelligen.state.layout import REPORT_FILE
from intelligen.state.provenance_files import DIFF, PACKAGES, read_provenance
from intelligen.state.redaction import redact, redact_text
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import Closing, TrialRecord
from intelligen.tracking import mlflow_mapping
from intelligen.tracking.mlflow_mapping import INTERNAL
from intelligen.tracking.mlflow_run_writer import MirroredRun, Points
from intelligen.tracking.search_plots import plots
from intelligen.tracking.sweep_description import sweep_ending, sweep_note

SCORES_FILE = "scores.json"
DIFF_FILE, PACKAGES_FILE = f"code/{DIFF}", f"environment/{PACKAGES}"

# The first release wrote these tags where everybody saw them.
_FORMER = ("closing", "leaderboard", "plots", "report")
# They say of what the artifacts are.
_CLOSING, _LEADERBOARD, _PLOTS, _REPORT = (INTERNAL + name for name in _FORMER)

_OF_AN_END, _VERDICT = ("stop_reason", "answer"), "verdict/"

# Drawing takes up to a second of the launcher's time: at most every five minutes, and when the sweep has ended.
_DRAWING_PAUSE_S = 300.0
# A table of all trials for every one of thousands would cost their square.
_RANKED_AT_ONCE = 100


class SweepSummary:
    """What the sweep's run shows. Tags are written after their artifacts, so they say what is there."""

    def __init__(self, run: MirroredRun, *, directory: Path, fingerprint: Mapping[str, Any]) -> None:
        self._run = run
        self._directory = directory
        self._fingerprint = fingerprint
        self._metric: str = fingerprint["sweep"]["objective"]["metric"]
        compared, task = ComparedRows.recorded(fingerprint), task_settings(fingerprint["experiment"])
        self._word = compared.word
        self._scores = task.reported_scores
        self._leading = task.metrics if compared.variants or task.leads_mlflow_run else ()
        self._report = CachedFile(directory / REPORT_FILE, _read_page)
        self._shown: object = None
        self._entries: list[LeaderboardEntry] = []
        self._ranked: tuple[list[LeaderboardEntry], Mapping[str, RowVerdict]] = [], {}
        self._drawn_at = time.monotonic()

    def update(
        self,
        trials: Mapping[str, TrialRecord],
        closing: Closing | None,
        *,
        values: Mapping[str, float],
        entries: Mapping[str, LeaderboardEntry],
        metrics: Mapping[str, Mapping[str, float]],
        comparison: str | None = None,
    ) -> None:
        """Make the run equal what is known.

        Args:
            trials: All of them.
            closing: How the last launch ended, if it did.
            values: The objective of each trial that counts: of the weights that would be tested, or of its best epoch.
            entries: What came of each trial that has ended.
            metrics: Trial → the metrics of its run.
            comparison: The path of the prepared comparison in MLflow's interface, where it is there.

        """
        now = (trials, closing, self._report.now(), comparison)
        # What a trial reports does not change it: that would be a second request for each one.
        if now != self._shown:
            self._entries = [entries[name] for name in trials if name in entries]
            self._describe()
            if closing is not None:
                self._lead(closing, metrics)
            self._tell(closing, sweep_note(self._fingerprint, trials.values(), values, closing, comparison=comparison))
            self._shown = now
        self._draw(closing)

    def _describe(self) -> None:
        if "mlflow.source.name" in self._run.tags:
            return
        files = {f"config/{part}.json": as_json(redact(self._fingerprint[part])) for part in ("sweep", "experiment")}
        for file, name in ((DIFF_FILE, DIFF), (PACKAGES_FILE, PACKAGES)):
            text = read_provenance(self._directory, name)
            files |= {file: text} if text else {}
        self._run.put_files(files)
        shown = {"host": self._fingerprint.get("host"), "question": self._fingerprint["sweep"]["question"]}
        versions = {f"version/{name}": version for name, version in self._fingerprint.get("versions", {}).items()}
        origin = mlflow_mapping.pretrained_tags(self._fingerprint["experiment"])
        origin |= mlflow_mapping.source_tags(self._fingerprint)
        self._run.write(tags=origin | mlflow_mapping.as_tags(shown | versions))

    def _tell(self, closing: Closing | None, note: str) -> None:
        ending = sweep_ending(closing)
        tags = {"mlflow.note.content": note}
        tags |= self._rank(closing) | self._put_page() | {"state": ending.state}
        if closing is not None:
            tags |= self._conclude(closing)
        else:
            for name in [name for name in self._run.tags if name in _OF_AN_END or name.startswith(_VERDICT)]:
                self._run.drop_tag(name)
        self._run.write(tags=tags)
        for name in _FORMER:
            self._run.drop_tag(name)
        self._run.set_status(ending.status, ending.end_ms)

    def _conclude(self, closing: Closing) -> dict[str, str]:
        tags = {"stop_reason": str(closing.status), _CLOSING: str(closing.seq)}
        tags |= {
            mlflow_mapping.mlflow_key(f"{_VERDICT}{row}"): one.words for row, one in kept_verdicts(closing).items()
        }
        tags |= {"answer": said[: mlflow_mapping.MAX_TAG]} if (said := redact_text(kept_answer(closing))) else {}
        if self._run.tags.get(_CLOSING) == tags[_CLOSING]:
            return tags
        table, scores = closing.summary.get("table_markdown"), mlflow_mapping.finite(closing.summary)
        if table is not None:
            self._run.put_files({"results.md": redact_text(table)})
        if scores:
            # As a file: as metrics of one point they would be hundreds of charts before those of the trials.
            rows = {"columns": ["score", "value"], "data": [list(pair) for pair in scores.items()]}
            self._run.put_files({SCORES_FILE: as_json(rows)})
            tags |= mlflow_mapping.shown_as_table(SCORES_FILE)
        return tags

    def _lead(self, closing: Closing, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """Write which row is the best, and its scores: sorted by one, the sweep is beside its best trial."""
        ended = [one for one in self._entries if one.record.kind == "trial"]
        leader = next(iter(ranked_entries(ended, metric=self._metric)), None)
        if not self._leading or leader is None or leader.value is None:
            return
        record = leader.record
        scores = mlflow_mapping.leading_metrics(record, metrics[record.id], closing, scores=self._leading)
        changed = {name: value for name, value in scores.items() if self._run.metrics.get(name) != value}
        # Of several launches MLflow shows the last step: the ledger's.
        points = [Points(changed, closing.seq, closing.time_ms)] if changed else []
        self._run.write(points=points, tags={"best_row": record.row, "best_trial": record.id})

    def _put_page(self) -> dict[str, str]:
        """Write the sweep's report where one has been made that is not there yet."""
        page = self._report.now()
        if page is None:
            return {}
        tag = {_REPORT: content_hash(page)}
        if not tag.items() <= self._run.tags.items():
            self._run.put_files({REPORT_FILE: page})
        return tag

    def _rank(self, closing: Closing | None) -> dict[str, str]:
        """Write the leaderboard where it has changed; a long one when a hundredth has been added, and at the end."""
        verdicts, ranked = kept_verdicts(closing), self._ranked[0]
        grown = len(self._entries) - len(ranked)
        few = closing is None and grown < len(ranked) // _RANKED_AT_ONCE
        if (self._entries, verdicts) == self._ranked or few:
            return {}
        self._ranked = self._entries, verdicts
        table = leaderboard_csv(
            self._entries, metric=self._metric, scores=self._scores, word=self._word, verdicts=verdicts
        )
        tag = {_LEADERBOARD: content_hash(table)}
        if not tag.items() <= self._run.tags.items():
            self._run.put_files({"leaderboard.csv": table, "leaderboard.md": self._markdown()})
        return tag

    def _markdown(self) -> str:
        settings = SweepSettings.recorded(SweepFiles(self._directory))
        table = leaderboard_markdown(
            self._entries,
            metric=self._metric,
            scores=self._scores,
            word=self._word,
            settings=None if settings is None else settings.text,
        )
        return table if settings is None else table + markdown_settings(self._best(settings), settings.how_to_use)

    def _best(self, settings: SweepSettings) -> list[BestSettings]:
        """The best trial of each row, the best row first."""
        best: dict[str, LeaderboardEntry] = {}
        for one in ranked_entries(self._entries, metric=self._metric):
            if one.record.kind == "trial" and one.value is not None:
                best.setdefault(one.record.row, one)
        return [
            settings.best(one.record, label=row, score=f"{self._metric} {one.value:.4g}") for row, one in best.items()
        ]

    def _draw(self, closing: Closing | None) -> None:
        """Draw the plots where the leaderboard has changed, now and then and at the end."""
        tags = self._run.tags
        if tags.get(_PLOTS) == tags.get(_LEADERBOARD):
            return
        if closing is None and time.monotonic() - self._drawn_at < _DRAWING_PAUSE_S:
            return
        for file, figure in plots(self._entries, metric=self._metric).items():
            self._run.put_figure(figure, file)
        self._run.write(tags={_PLOTS: tags[_LEADERBOARD]})
        self._drawn_at = time.monotonic()


def _read_page(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def as_json(content: Any) -> str:
    """For people to read."""
    return json.dumps(content, ensure_ascii=False, indent=1)
