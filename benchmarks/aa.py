"""A/A: how often two copies of one strategy, which differ by their seeds alone, are called different at α = 0.05.

    python benchmarks/aa.py

makes the tables of docs/statistics.md, in some three minutes; `--sentences 300 --resamples 1000` looks closer.

Studies are simulated. A hypothesis is its reference with a share of the tokens changed, dropped or doubled; which share
depends on the sentence, on the baseline of the seed (which both copies start from), on the run, and on chance. In some
settings it also depends on what each copy does well: these copies are equal over all sentences, but not over those of a
test set. The metric's statistics of all hypotheses are counted once, and every study draws from them; `--metric chrf`
takes chrF in place of BLEU.

Beside ours stand what is often done instead: a bootstrap over the sentences of one pair of runs, and Student's t over
the seeds' scores, unpaired and paired. A second table gives the power at true differences, and how often the interval
holds the truth. Exits with 1 where ours is above 5 % by more than chance explains.

    python benchmarks/aa.py --seeds

simulates whole studies of several comparisons in numbers, without sentences, with seeds that are fixed beforehand: how
often any verdict of copies is wrong, how often differences are found, and whether the smallest difference of `plan` is
found in four of five cases. It takes a minute, and exits with 1 likewise.

    python benchmarks/aa.py --sequential

simulates studies with a look after every seed, from 3 to 10: what is wrong or found at any look, how many seeds they
take, and what looks without a correction would claim. It takes some minutes, and exits with 1 likewise.

    python benchmarks/aa.py --searches

simulates studies whose searches find different configurations: how often one search, called a strategy, makes a wrong
claim, how often 3 and more searches do, in rounds too, and whether the smallest difference of `plan` is found. It takes
a minute, and exits with 1 likewise.

    python benchmarks/aa.py --searches --real 20 --place DIRECTORY

searches `standard` on `embedded_small` 20 times under two names, estimates how much searches and seeds differ, and
simulates with that. The same command goes on where it was interrupted.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aa_numbers import numbers, percent, print_row, sequences
from aa_searches import real, searches
from scipy import stats

from intelligen.config.schema.data import EmbeddedCorpus
from intelligen.data.embedded.corpus import sentence_pairs
from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.decision_procedure import Comparison, decide
from intelligen.evaluation.metric import Metric
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.evaluation.significance import ALPHA, difference_of_statistics

SMALL = Path(__file__).parents[1] / "experiments" / "embedded_small.yaml"
SHARES = np.linspace(0.4, 1.0, 25)
"""Of tokens that stay as they are: the levels of quality."""
DRAWS = 3
"""Ways in which each sentence gets worse."""
CHANGES: tuple[Callable[[str, str], list[str]], ...] = (
    *3 * (lambda _, other: [other],),
    lambda _, __: [],
    lambda own, _: [own, own],
)
MIDDLE, DIFFICULTY = 9.0, 3.0
"""Level of an average sentence, and how sentences differ, both copies alike."""
SHIFTS = (0.25, 0.5)
"""By how many levels ours is better where the copies are none."""


@dataclass(frozen=True)
class Setting:
    """Standard deviations of a sentence's level, in levels."""

    baseline: float
    """Between seeds, both copies alike."""
    run: float
    """Between runs: a good run is better in every sentence."""
    taste: float
    """Between sentences, for all runs of a copy alike."""
    chance: float
    """Between sentences, for each run anew."""


SETTINGS = {
    "chance alone": Setting(baseline=0.1, run=0.0, taste=0.0, chance=2.0),
    "runs differ": Setting(baseline=0.1, run=0.1, taste=0.0, chance=2.0),
    "runs differ much": Setting(baseline=0.1, run=0.4, taste=0.0, chance=2.0),
    "taste": Setting(baseline=0.1, run=0.0, taste=3.0, chance=1.0),
    "taste, runs differ": Setting(baseline=0.1, run=0.1, taste=3.0, chance=1.0),
    "taste, runs differ much": Setting(baseline=0.1, run=0.4, taste=3.0, chance=1.0),
}
METRICS: dict[str, Metric[str, str]] = {metric.name: metric for metric in (Bleu(), ChrF())}
METHODS = ("ours", "one pair, sentences", "t over seeds", "paired t over seeds")


def ladder(sentences: int, *, metric: Metric[str, str], seed: int) -> Floats:
    """Statistics of every sentence at every level, (sentences, draws, levels, K)."""
    rng = np.random.default_rng(seed)
    pairs = sentence_pairs("test", EmbeddedCorpus(test=sentences))
    references = [german for _, german in pairs]
    words = [word for reference in references for word in reference.split()]

    def hypotheses(reference: str) -> Iterator[str]:
        """From the worst level to the best; what is wrong at one was wrong at those below."""
        tokens = reference.split()
        fates, kinds = rng.random(len(tokens)), rng.integers(5, size=len(tokens))
        others = rng.integers(len(words), size=len(tokens))
        for share in SHARES:
            kept: list[str] = []
            for token, fate, kind, other in zip(tokens, fates, kinds, others, strict=True):
                kept += [token] if fate < share else CHANGES[kind](token, words[other])
            yield " ".join(kept)

    repeated = [text for text in references for _ in range(DRAWS * len(SHARES))]
    found = [text for reference in references for _ in range(DRAWS) for text in hypotheses(reference)]
    return metric.statistics(found, repeated).reshape(len(references), DRAWS, len(SHARES), -1)


def study(
    statistics: Floats, setting: Setting, rng: np.random.Generator, *, seeds: int, sentences: int, shift: float
) -> tuple[Floats, Floats]:
    """The statistics of ours and of its control, (seeds, sentences, K) each; ours is better by so many levels."""
    chosen_M, way_M = rng.integers(len(statistics), size=sentences), rng.integers(DRAWS, size=sentences)
    alike_SM = MIDDLE + rng.normal(0, DIFFICULTY, sentences) + rng.normal(0, setting.baseline, (seeds, 1))
    sides = []
    for better in (shift, 0.0):
        level_SM = alike_SM + better + rng.normal(0, setting.run, (seeds, 1)) + rng.normal(0, setting.taste, sentences)
        level_SM = level_SM + rng.normal(0, setting.chance, (seeds, sentences))
        level_SM = level_SM.round().astype(int).clip(0, len(SHARES) - 1)
        sides.append(statistics[chosen_M, way_M, level_SM])
    return sides[0], sides[1]


def studies(
    statistics: Floats, setting: Setting, *, count: int, seeds: int, sentences: int, shift: float = 0
) -> Iterator[tuple[Floats, Floats]]:
    """So many studies of one setting, always the same ones."""
    for number in range(count):
        rng = np.random.default_rng([number, seeds])
        yield study(statistics, setting, rng, seeds=seeds, sentences=sentences, shift=shift)


def aa_row(
    found: Iterable[tuple[Floats, Floats]], *, metric: Metric[str, str], resamples: int
) -> tuple[list[str], list[float]]:
    """What studies look like to a user, and how often each of the methods calls the copies different."""
    scores, p_values = [], []
    for number, (ours_SMK, control_SMK) in enumerate(found):
        scores.append([metric.value(side_SMK.sum(axis=1)) for side_SMK in (ours_SMK, control_SMK)])
        ours = compared((ours_SMK, control_SMK), metric, resamples, number)
        first = ours_SMK[:1], control_SMK[:1]
        one_pair = difference_of_statistics(*first, metric=metric, resamples=resamples, seed=number)
        found_by_one_pair = abs(one_pair.delta) > one_pair.spread.half_width(ALPHA)
        p_values.append([ours.p_value, 0.0 if found_by_one_pair else 1.0])
    ours_NS, control_NS = np.array(scores).transpose(1, 0, 2)
    by_seeds = [test(ours_NS, control_NS, axis=1).pvalue for test in (stats.ttest_ind, stats.ttest_rel)]
    rates = (np.column_stack([np.array(p_values), *by_seeds]) < ALPHA).mean(axis=0)
    deltas_NS = ours_NS - control_NS
    looks = [control_NS.mean(), deltas_NS.var(axis=1, ddof=1).mean() ** 0.5, deltas_NS.mean(axis=1).std()]
    return [f"{look:.2f}" for look in looks], [float(rate) for rate in rates]


def compared(sides: tuple[Floats, Floats], metric: Metric[str, str], resamples: int, seed: int) -> Comparison:
    """The only comparison of a study."""
    (found,) = decide([difference_of_statistics(*sides, metric=metric, resamples=resamples, seed=seed)], family=1)
    return found


def power_row(found: Iterable[tuple[Floats, Floats]], *, metric: Metric[str, str], resamples: int) -> list[str]:
    """The true difference, how often it is found, and how often the interval holds it."""
    ours = [compared(sides, metric, resamples, number) for number, sides in enumerate(found)]
    truth = float(np.mean([one.delta for one in ours]))
    power = np.mean([one.p_value < ALPHA for one in ours])
    held = np.mean([one.low <= truth <= one.high for one in ours])
    return [f"{truth:.2f}", percent(power), percent(held)]


def tolerance(count: int) -> float:
    """How many in 100 a true 5 in 100 may look like in so many studies, but for one simulation in 100."""
    return float(stats.binom.ppf(0.99, count, ALPHA)) / count


def main() -> int:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--studies", type=int, default=2000, help="of each setting; a quarter of them for the power")
    options.add_argument("--seeds", action="store_true", help="whole studies in numbers, with fixed seeds")
    options.add_argument("--sequential", action="store_true", help="the same, with a look after every seed")
    options.add_argument("--searches", action="store_true", help="studies of several searches, in numbers")
    options.add_argument("--real", type=int, metavar="SEARCHES", help="with --searches: real ones, so many")
    options.add_argument("--place", type=Path, default=Path("aa-searches"), help="of the real ones")
    options.add_argument("--trials", type=int, default=8, help="of each real search, for each of both names")
    options.add_argument("--experiment", type=Path, default=SMALL, help="of the real ones")
    options.add_argument("--with-seeds", type=int, nargs="+", default=[3, 5], help="of a study of sentences")
    options.add_argument("--sentences", type=int, default=100, help="of a test set")
    options.add_argument("--resamples", type=int, default=300)
    options.add_argument("--only", action="append", choices=list(SETTINGS), help="may be given again")
    options.add_argument("--metric", choices=list(METRICS), default="bleu")
    options.add_argument("--part", choices=["aa", "power"], help="instead of both")
    arguments = options.parse_args()
    if arguments.seeds:
        return numbers(max(arguments.studies, 10_000))
    if arguments.sequential:
        return sequences(max(arguments.studies, 10_000))
    if arguments.searches:
        count = max(arguments.studies, 10_000)
        if arguments.real is None:
            return searches(count)
        place, experiment = arguments.place.absolute(), arguments.experiment.absolute()
        return real(
            place, searches_of=arguments.real, trials=arguments.trials, seeds=3, experiment=experiment, studies=count
        )
    metric = METRICS[arguments.metric]
    statistics = ladder(400, metric=metric, seed=1)
    cases = [(name, seeds) for name in arguments.only or SETTINGS for seeds in arguments.with_seeds]
    most = 0.0
    if arguments.part != "power":
        print_row("setting", "seeds", metric.label, "sd of a pair's difference", "sd of the mean difference", *METHODS)
        print_row("---", *["---:"] * (4 + len(METHODS)))
    for name, seeds in cases if arguments.part != "power" else []:
        found = studies(statistics, SETTINGS[name], count=arguments.studies, seeds=seeds, sentences=arguments.sentences)
        looks, rates = aa_row(found, metric=metric, resamples=arguments.resamples)
        most = max(most, rates[0])
        print_row(name, str(seeds), *looks, *map(percent, rates))
    if arguments.part != "aa":
        print()
        print_row("setting", "seeds", "true difference", "found", "interval holds it")
        print_row("---", *["---:"] * 4)
    for name, seeds in cases if arguments.part != "aa" else []:
        for shift in SHIFTS:
            found = studies(
                statistics,
                SETTINGS[name],
                count=max(1, arguments.studies // 4),
                seeds=seeds,
                sentences=arguments.sentences,
                shift=shift,
            )
            print_row(name, str(seeds), *power_row(found, metric=metric, resamples=arguments.resamples))
    print(f"\nMost of ours in A/A: {percent(most)}; 5 % may look like {percent(tolerance(arguments.studies))}.")
    return most > tolerance(arguments.studies)


if __name__ == "__main__":
    sys.exit(main())
