"""Populations (PBT): trials pause after each interval until all have come so far.

What a trial has done is in its history, what its population has decided in the ledger: after a kill both are read,
and the intervals go on.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import groupby
from typing import Any, cast

import optuna

from intelligen.config.metric_direction import merit
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.schedulers import Pbt
from intelligen.errors import ConfigError
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.failure_file import FAILURE_FILE
from intelligen.state.history import Report
from intelligen.state.trial_records import Exploit, TrialRecord, TrialState
from intelligen.state.trial_result import read_result
from intelligen.sweep.schedulers.pbt_exploit import PopulationMember, exploits
from intelligen.sweep.search.define_by_run import suggest
from intelligen.sweep.sweep_context import SweepContext
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.train_interval import TrainInterval


class Populations:
    """The populations of a sweep: each row's trials in the order of their numbers, so many at a time.

    Args:
        context: The launch.
        settings: Size of a population, length of an interval, and what is decided after it.

    """

    def __init__(self, context: SweepContext, settings: Pbt) -> None:
        self._context = context
        self._settings = settings
        self._histories = TrialHistories(context.directory)

    def idle(self, busy: Collection[int]) -> dict[int, TrialRecord]:
        """Number → trial under way that nothing works on.

        Args:
            busy: Numbers of those that train now.

        """
        begun = self._begun().items()
        return {number: record for number, record in begun if _is_under_way(record) and number not in busy}

    def due(self, busy: Collection[int], *, complete: Callable[[str], bool]) -> tuple[int, TrialRecord] | None:
        """The first trial whose next interval may begin, and its number.

        Where an interval has ended for a whole population, its exploits are decided first.

        Args:
            busy: Numbers of the trials that train now.
            complete: Whether a row will get no further trial.

        Raises:
            StorageError: A checkpoint cannot be copied, or the decision not be written.

        """
        for population in self._populations():
            if len(population) == self._settings.population or complete(population[0].row):
                for members in _by_interval(population):
                    if all(record.number not in busy and self._is_paused(record) for record in members):
                        self._decide(members)
        return next(((number, one) for number, one in self.idle(busy).items() if not self._is_paused(one)), None)

    def interval(self, record: TrialRecord) -> TrainInterval:
        """The next interval of a trial: its settings, and how far it trains."""
        exploited = record.exploits and record.exploits[-1].epoch == record.turn_epoch
        return TrainInterval(
            self._with(record.params_in(record.turn_epoch + 1)),
            until_epoch=record.next_decision_epoch,
            adopted_update=self._report(record, record.turn_epoch).update if exploited else None,
        )

    def is_paused(self, number: int) -> bool:
        """Whether the trial of this number has come to the end of an interval that is not its last."""
        return self._is_paused(self._begun()[number])

    def _is_paused(self, record: TrialRecord) -> bool:
        epoch = record.next_decision_epoch
        reports, directory = self._histories.reports(record), self._context.directory_of(record)
        return (
            epoch < record.config["training"]["epochs"]
            and bool(reports)
            and reports[-1].epoch >= epoch
            # Neither unhealthy nor out of patience just then.
            and read_result(directory) is None
            and not (directory / FAILURE_FILE).exists()
        )

    def _begun(self) -> dict[int, TrialRecord]:
        trials = self._context.ledger.trials.values()
        numbered = {record.number: record for record in trials if record.number is not None}
        return {number: numbered[number] for number in sorted(numbered)}

    def _populations(self) -> Iterator[list[TrialRecord]]:
        size = self._settings.population
        by_row = sorted(self._begun().values(), key=lambda record: record.row)  # a stable sort
        for _, group in groupby(by_row, key=lambda record: record.row):
            trials = list(group)
            yield from (trials[start : start + size] for start in range(0, len(trials), size))

    def _decide(self, members: list[TrialRecord]) -> None:
        """Copy checkpoints, then record the exploits: after a kill between the two, the same is done again."""
        sweep, epoch = self._context.sweep, members[0].next_decision_epoch
        metric = sweep.objective.metric
        reports = {record.id: self._report(record, epoch) for record in members}
        decided = exploits(
            [
                PopulationMember(one.id, merit(metric, reports[one.id].metrics[metric]), one.params_in(epoch))
                for one in members
            ],
            settings=self._settings,
            space=sweep.searched,
            seed=sweep.search.seed,
            epoch=epoch,
        )
        for trial_id, exploit in decided.items():
            own, donor = (
                self._context.directory_of(self._context.ledger.trials[name]) for name in (trial_id, exploit.donor)
            )
            Checkpoints(own).adopt(Checkpoints(donor), reports[exploit.donor].update)
        allowed = {trial_id: self._allowed(exploit) for trial_id, exploit in decided.items()}
        self._context.ledger.end_interval(epoch, [record.id for record in members], allowed)

    def _allowed(self, exploit: Exploit) -> Exploit:
        """Values that are allowed each, but not together, are not explored: the donor's own are kept."""
        try:
            self._with(exploit.params)
        except ConfigError:
            donor = self._context.ledger.trials[exploit.donor]
            return Exploit(exploit.epoch, exploit.donor, donor.params_in(exploit.epoch))
        return exploit

    def _with(self, params: Mapping[str, Any]) -> Trial:
        # To `suggest` a trial is who answers `suggest_float` and its like.
        fixed_trial = optuna.trial.FixedTrial(dict(params))
        return self._context.rows.trial(suggest(cast(optuna.Trial, fixed_trial), self._context.sweep.searched))

    def _report(self, record: TrialRecord, epoch: int) -> Report:
        return next(report for report in self._histories.reports(record) if report.epoch == epoch)


def _by_interval(population: list[TrialRecord]) -> list[list[TrialRecord]]:
    """Those under way that are in the same interval; a raised budget may add trials to a population that has begun."""
    under_way = sorted(filter(_is_under_way, population), key=lambda record: record.next_decision_epoch)
    return [list(members) for _, members in groupby(under_way, key=lambda record: record.next_decision_epoch)]


def _is_under_way(record: TrialRecord) -> bool:
    return record.state is TrialState.RUNNING
