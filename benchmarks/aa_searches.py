"""Studies of searches, simulated in numbers, and real searches of one strategy: the tables of `aa.py --searches`.

A search finds a configuration, which is better or worse than what another search finds. Axes: N studies, K comparisons,
R searches, S seeds of each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Final

import numpy as np
from aa_numbers import NUMBER_TOLERANCE, percent, print_row
from scipy import stats

import intelligen
from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.error_spending import Looks
from intelligen.evaluation.sequential_procedure import SequentialPlan
from intelligen.evaluation.significance import ALPHA
from intelligen.evaluation.simulated_sequences import looked_at, simulated_scores
from intelligen.evaluation.simulated_studies import simulated
from intelligen.evaluation.study_power import Prior, smallest_at_looks, smallest_difference

SEEDS_OF_A_SEARCH: Final = 2
"""That confirm what each search has found."""
ROUNDS: Final = Looks(3, 8)
"""Of searches, where there is a look after each."""
FOUND: Final = (0.75, 0.85)
"""Between which the smallest difference of the plan is to be found: four of five studies."""
SENTENCE_SD: Final = 0.06
FEW: Final = 2
FEW_TOLERANCE: Final = 0.06
"""What wrong claims may be in place of `NUMBER_TOLERANCE` with so few comparisons: their variance is hardly known, and
three searches, or looks at them, were found to make up to 0.8 points more than 5, which docs/statistics.md says."""


@dataclass(frozen=True)
class Spreads:
    """Standard deviations of one arm's scores."""

    run: float
    """Between seeds, of one configuration."""
    configurations: Callable[[int], Floats]
    """Between what searches find, of each of so many comparisons."""

    def of_searches(self, family: int) -> list[float]:
        """Of the comparisons' differences between searches, the seeds of each averaged."""
        variances = 2 * self.configurations(family) ** 2 + 2 * self.run**2 / SEEDS_OF_A_SEARCH
        return [float(one) for one in np.sqrt(variances)]


def alike(configuration: float) -> Callable[[int], Floats]:
    """The same for all comparisons."""
    return lambda family: np.full(family, configuration)


SPREADS: Final = {
    "run 1.04, configuration 0.46": Spreads(1.04, alike(0.46)),
    "run 0.29, configuration 0.25": Spreads(0.29, alike(0.25)),
    "run 0.29, configuration 0.50": Spreads(0.29, alike(0.50)),
    "run 0.29, configuration 0.1 to 0.9": Spreads(0.29, lambda family: np.linspace(0.1, 0.9, family)),
}


def called_a_strategy(spreads: Spreads, *, family: int, seeds: int, studies: int) -> float:
    """How often one search, whose differences are decided over seeds, would make a wrong claim about strategies."""
    rng = np.random.default_rng([20261202, family, seeds])
    found = simulated([sqrt(2) * spreads.run] * family, seeds=seeds, studies=studies, rng=rng, sentence_sd=SENTENCE_SD)
    configured_NK = sqrt(2) * spreads.configurations(family) * rng.normal(size=(studies, family))
    return float(found.different(configured_NK, level=ALPHA / family).any(axis=1).mean())


def over_searches(spreads: Spreads, *, family: int, searches: int, studies: int) -> tuple[float, float]:
    """How often any claim over so many searches is wrong, and how often the smallest difference is found."""
    rng, deviations = np.random.default_rng([20261203, family, searches]), spreads.of_searches(family)
    found = simulated(deviations, seeds=searches, studies=studies, rng=rng, sentence_sd=SENTENCE_SD)
    level = ALPHA / family
    smallest = smallest_difference(_prior(deviations), family=family, seeds=searches)
    wrong = float(found.different(0.0, level=level).any(axis=1).mean())
    return wrong, float(found.better(smallest, level=level).mean())


def in_rounds(spreads: Spreads, *, family: int, studies: int) -> tuple[float, float, float]:
    """The same with a look after each search, and how many searches copies take on average."""
    rng, deviations = np.random.default_rng([20261207, family]), spreads.of_searches(family)
    prior = _prior(deviations)
    plan = SequentialPlan(ROUNDS, family, margin=0.5)
    scores = simulated_scores(deviations, seeds=ROUNDS.at_most, studies=studies, rng=rng, sentence_sd=SENTENCE_SD)
    copies, at_smallest = (looked_at(scores.plus(truth), plan) for truth in (0.0, smallest_at_looks(prior, plan)))
    wrong = float((copies.better_NK | copies.worse_NK).any(axis=1).mean())
    return wrong, float(at_smallest.better_NK.mean()), float(copies.seeds_NK.mean())


def search_row(spreads: Spreads, family: int, studies: int) -> tuple[list[str], float, list[float]]:
    """Cells, the largest share of wrong claims over 3 or more searches, and shares found where deviations are equal."""
    as_strategies = [
        percent(called_a_strategy(spreads, family=family, seeds=seeds, studies=studies)) for seeds in (3, 10)
    ]
    two, *fixed = (
        over_searches(spreads, family=family, searches=searches, studies=studies) for searches in (2, 3, 5, 8)
    )
    wrong, found, taken = in_rounds(spreads, family=family, studies=studies)
    are_equal = len(set(spreads.of_searches(family))) == 1
    shares = [*(share for _, share in fixed), found] if are_equal else []
    rates = [two[0], *(rate for rate, _ in fixed), wrong]
    shown = [percent(shares[2]), percent(shares[3])] if are_equal else ["–", "–"]
    return [str(family), *as_strategies, *map(percent, rates), f"{taken:.1f}", *shown], max(rates[1:]), shares


def searches(studies: int, spreads: dict[str, Spreads] = SPREADS, families: Sequence[int] = (1, 2, 5, 8)) -> bool:
    """Print the table of studies of searches; whether a share is not what it should be."""
    print_row(
        *("standard deviations", "comparisons", "1 search, 3 seeds", "1 search, 10 seeds", "2 searches", "3", "5", "8"),
        *("3 to 8 in rounds", "searches of copies", "smallest found by 8", "in rounds"),
    )
    print_row("---", *["---:"] * 11)
    bounds = {"few": FEW_TOLERANCE, "more": NUMBER_TOLERANCE}
    most, shares = dict.fromkeys(bounds, 0.0), list[float]()
    for name, one in spreads.items():
        for family in families:
            cells, wrong, found = search_row(one, family, studies)
            group = "few" if family <= FEW else "more"
            most[group], shares = max(most[group], wrong), [*shares, *found]
            print_row(name, *cells)
    low, high = FOUND
    print()
    for words, group in ((f"up to {FEW}", "few"), ("more", "more")):
        shown = f"{percent(most[group])}; {percent(bounds[group])} may be"
        print(f"Most of wrong over 3 searches or more, with {words} comparisons: {shown}.")
    print(f"The smallest difference of plan is found in {percent(min(shares))} to {percent(max(shares))} of cases.")
    return any(most[group] > bounds[group] for group in bounds) or min(shares) < low or max(shares) > high


def _prior(deviations: Sequence[float]) -> Prior:
    return Prior(float(np.sqrt(np.mean(np.square(deviations)))), 6.0, SENTENCE_SD)


SWEEP: Final = """
version: 1
name: {name}
question: How much do searches of one strategy differ, and how much do seeds?
experiment: experiment.yaml  # in its place the one that is asked for
space:
  finetuning.optimizer.learning_rate: {{log_uniform: [1.0e-4, 2.0e-3]}}
  finetuning.label_smoothing: {{uniform: [0.0, 0.2]}}
  strategy: {{choice: {{standard: {{}}, standard_matched: {{updates_ratio: {{const: 1.0}}}}}}}}
search: {{replicates: {searches}}}
budget: {{trials_per_strategy: {trials}}}
scheduler: {{name: none}}
confirm: {{seeds: {seeds}}}
"""


@dataclass(frozen=True)
class Component:
    """A standard deviation, with its interval of 95 %."""

    sd: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """`0.46 (0.10 to 0.92)`."""
        return f"{self.sd:.2f} ({self.low:.2f} to {self.high:.2f})"


def components(differences_RS: Floats) -> tuple[Component, Component]:
    """Standard deviations of one arm between seeds and between searches, of differences of two arms that are copies.

    An analysis of variance with searches as the random factor. The interval between searches is that of Williams 1962.
    """
    searches, seeds = differences_RS.shape
    of_searches, of_seeds = searches - 1, searches * (seeds - 1)
    within = differences_RS.var(axis=1, ddof=1).mean()
    between = seeds * differences_RS.mean(axis=1).var(ddof=1)
    ends = ALPHA / 2, 1 - ALPHA / 2
    run = [sqrt(within / 2), *(sqrt(within * of_seeds / stats.chi2.isf(end, of_seeds) / 2) for end in ends)]
    bounds = (
        of_searches * (between - stats.f.isf(end, of_searches, of_seeds) * within) / stats.chi2.isf(end, of_searches)
        for end in ends
    )
    found = [sqrt(max(0.0, one) / (2 * seeds)) for one in (between - within, *bounds)]
    return Component(*run), Component(*found)


def real_differences(place: Path, *, searches: int, trials: int, seeds: int, experiment: Path) -> Floats:
    """Search `standard` under two names so many times, or the rest of it; (R, S) differences of their test scores.

    The other name is `standard_matched`, without more updates.
    """
    place.mkdir(parents=True, exist_ok=True)
    name = f"searches-{searches}x{trials}x{seeds}"
    text = SWEEP.format(name=name, searches=searches, trials=trials, seeds=seeds)
    (place / "sweep.yaml").write_text(text, encoding="utf-8")
    loaded = intelligen.load_sweep(place / "sweep.yaml", [f"experiment={experiment}"])
    frame = intelligen.run(loaded, runs=place / "runs", tracking_uri=f"sqlite:///{place / 'mlflow.db'}", local=True)
    confirmed = frame[frame["kind"] == "confirm"]
    score = f"test/{loaded.sweep.objective.metric.partition('/')[2]}"
    arms = confirmed.pivot_table(index=["replicate", "seed"], columns="strategy", values=score)
    return np.asarray(arms["standard_matched"] - arms["standard"], dtype=np.float64).reshape(searches, seeds)


def real(place: Path, *, searches_of: int, trials: int, seeds: int, experiment: Path, studies: int) -> bool:
    """Print what real searches show of both standard deviations, and what studies with these would come to."""
    found = real_differences(place, searches=searches_of, trials=trials, seeds=seeds, experiment=experiment)
    run, configuration = components(found)
    print(f"{searches_of} searches of {trials} trials, {seeds} seeds each, of {experiment.stem}")
    print(f"standard deviation of a run between seeds: {run.words}")
    print(f"standard deviation of what searches find: {configuration.words}\n")
    spreads = Spreads(run.sd, alike(configuration.sd))
    return searches(studies, {f"run {run.sd:.2f}, configuration {configuration.sd:.2f}": spreads}, families=(5,))
