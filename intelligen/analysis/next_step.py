"""Next step after a verdict: in words, with the command to paste where there is one."""

from dataclasses import dataclass

from intelligen.analysis.comparisons import HeldAgainst, planned_seeds
from intelligen.analysis.study import StudyResults
from intelligen.analysis.suggested_command import command_line, run_again
from intelligen.config.schema.declarations import MATCHED
from intelligen.config.schema.own_controls import unfit_for_own_controls
from intelligen.config.schema.replicates import MOST_REPLICATES
from intelligen.config.schema.schedulers import Pbt
from intelligen.config.schema.stages_after_search import MOST_SEEDS
from intelligen.evaluation.decision_procedure import LEAST_UNITS
from intelligen.evaluation.study_power import WANTED, Power
from intelligen.state.trial_records import TrialState
from intelligen.tasks.base import AnyMetric


@dataclass(frozen=True)
class Step:
    """What to do next."""

    words: str = ""
    command: str = ""
    """As a shell takes it; empty where there is none to paste."""

    def __str__(self) -> str:
        """Both, for a sentence."""
        return ": ".join(filter(None, (self.words, self.command)))


@dataclass(frozen=True)
class NextStep:
    """Of one study."""

    study: StudyResults

    def to_rank(self) -> Step:
        """What lets rows be ranked where none is: seeds that confirm, and the controls that a ranking needs."""
        study = self.study
        if study.sweep.confirm is not None:
            return self.to_end()
        if isinstance(study.sweep.scheduler, Pbt):
            return Step(
                "search with another scheduler and `confirm`, as another sweep: a population's trials cannot be"
                " repeated with other seeds"
            )
        seeds = f"confirm.seeds={LEAST_UNITS}"
        lacking = study.compared.missing_controls(study.strategies)
        if lacking and not study.compared.variants and self._may_have_own_controls():
            changes = {"name": f"{study.sweep.name}-confirmed", "controls": "own", "confirm.seeds": LEAST_UNITS}
            words = "another sweep that trains controls, and then the best of each with other seeds"
            return Step(words, run_again(study.given, changes))
        words = f"train the best of each {study.compared.word} again with {LEAST_UNITS} other seeds"
        return Step(words, f"{command_line('extend', study.directory)} -o {seeds}")

    def _may_have_own_controls(self) -> bool:
        sweep = self.study.sweep
        unfit = unfit_for_own_controls(sweep.strategies(), control=sweep.control)
        return sweep.controls is None and unfit is None and not isinstance(sweep.scheduler, Pbt)

    def after_gain(self, own: HeldAgainst) -> Step:
        """An equal cost, where a ratio that the sweep file names can bring it about; else searches, or other data."""
        if own.cost_ratio is None or not own.cost_differs or own.control != MATCHED:
            return self._on_other_data() if self.study.units.are_searches else self._search_again()
        configs = [one.record.config for one in self.study.confirmations if one.record.row == MATCHED]
        ratio = float(configs[0]["strategy"]["updates_ratio"])
        return Step(f"train {MATCHED} with updates_ratio {max(1.0, ratio * own.cost_ratio):.1f} instead of {ratio:g}")

    def _search_again(self) -> Step:
        """Several searches show whether the strategy wins, or the configuration that this one has found."""
        sweep = self.study.sweep
        changes = self._new_seeds()
        if not sweep.space:
            command = run_again(self.study.given, {"name": f"{sweep.name}-again", **changes})
            return Step("repeat it with other seeds", command)
        changes |= self._as_searches(LEAST_UNITS)
        command = run_again(self.study.given, {"name": f"{sweep.name}-{LEAST_UNITS}-searches", **changes})
        return Step(f"search {LEAST_UNITS} times, to say it of the {self.study.compared.word}", command)

    def _as_searches(self, count: int) -> dict[str, object]:
        """The overrides that make it a sweep of so many searches, without what these cannot have."""
        search, confirm = self.study.sweep.search, self.study.sweep.confirm
        changes: dict[str, object] = {"search.replicates": count}
        if search.warm_start is not None:
            changes["search.warm_start"] = "null"
        if confirm is not None and confirm.until is not None:
            changes["confirm"] = f"{{seeds: {confirm.at_least}, margin: {confirm.counts_as_none:g}}}"
        elif confirm is not None and confirm.prior is not None:
            changes["confirm.prior"] = "null"  # how much seeds differ says nothing of searches
        return changes

    def _on_other_data(self) -> Step:
        return Step("repeat it on other data or with another model, of which these searches say nothing")

    def to_find_less(self, power: Power, metric: AnyMetric) -> Step | None:
        """A new study for the next smaller difference, by the upper end of the seeds; None where none is enough.

        Below the least of `WANTED` that is half of what the study finds.
        """
        asked = self.study.sweep.confirm
        margin = None if asked is None else asked.counts_as_none
        smallest = power.smallest().high
        found_already = power.sequential is not None and margin is not None and margin >= smallest
        smaller = next((one for one in sorted(WANTED, reverse=True) if one < smallest), float(f"{smallest / 2:.1g}"))
        wanted = smaller if margin is None or found_already else margin
        seeds = power.seeds_for(wanted)[1] if wanted else None
        units = self.study.units
        if seeds is None or seeds > (MOST_REPLICATES if units.are_searches else MOST_SEEDS):
            return None
        most = "" if power.sequential is None else "at most "
        key = "confirm.seeds" if power.sequential is None else "confirm.seeds.at_most"
        key = "search.replicates" if units.are_searches else key
        name = f"{self.study.sweep.name}-{seeds}-{units.word}"
        changes = {"name": name, key: seeds, **self._new_seeds()}
        command = run_again(self.study.given, changes)
        return Step(f"to find {wanted:g} {metric.label}, plan a new study of {most}{seeds} {units.word}", command)

    def to_end(self) -> Step:
        """What takes the next look."""
        return Step(command=command_line("resume", self.study.directory))

    def after_refusal(self, name: str, own: HeldAgainst) -> Step:
        """What lets a row be judged."""
        study = self.study
        if own.comparison is not None and own.seeds == own.due:
            words = "add `controls: own` to the sweep file, as another sweep"
            changes = {"name": f"{study.sweep.name}-again", "controls": "own", **self._new_seeds()}
            return Step(words, run_again(study.given, changes) if self._may_have_own_controls() else "")
        if own.control not in study.strategies:
            return Step(f"add {study.label(own.control)} to the sweep file, as another sweep")
        if study.units.are_searches and len(study.units.searches) < LEAST_UNITS:
            name = f"{study.sweep.name}-{LEAST_UNITS}-searches"
            changes = {"name": name, "search.replicates": LEAST_UNITS, **self._new_seeds()}
            return Step(f"plan a new study of {LEAST_UNITS} searches", run_again(study.given, changes))
        if len(planned_seeds(study)) < LEAST_UNITS:
            return Step(command=command_line("extend", study.directory) + f" -o confirm.seeds={LEAST_UNITS}")
        both = (one.record for one in study.searched + study.confirmations if one.record.row in (name, own.control))
        failed = any(record.state is TrialState.FAILED for record in both)
        return Step(command=command_line("resume", study.directory) + (" --failed" if failed else ""))

    def _new_seeds(self) -> dict[str, object]:
        """Above all that the study has used, for trials and for searches: of other seeds, nothing is known yet."""
        sweep = self.study.sweep
        seeds: dict[str, object] = {"experiment.seed": max(member.record.seed for member in self.study.members) + 1}
        return {**seeds, "search.seed": sweep.search.next_seed} if sweep.space else seeds
