"""Copies of one strategy are seldom called different, whatever makes runs differ, and a real difference is found."""

from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from conftest import REPOSITORY

from intelligen.evaluation.decision_procedure import decide
from intelligen.evaluation.metric import Metric
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.evaluation.significance import ALPHA, difference_of_statistics

STUDIES = 150
BLEU = Bleu()


@pytest.fixture(scope="module")
def aa() -> ModuleType:
    """The benchmark that does the same at length."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(REPOSITORY / "benchmarks"))
        return import_module("aa")


@pytest.fixture(scope="module")
def statistics(aa: ModuleType) -> np.ndarray:
    return aa.ladder(40, metric=BLEU, seed=1)


def called_different(
    aa: ModuleType, statistics: np.ndarray, setting: str, *, metric: Metric[str, str] = BLEU, shift: float = 0.0
) -> float:
    studies = aa.studies(statistics, aa.SETTINGS[setting], count=STUDIES, seeds=3, sentences=80, shift=shift)
    found = [
        decide([difference_of_statistics(*sides, metric=metric, resamples=200, seed=number)], family=1)[0].p_value
        for number, sides in enumerate(studies)
    ]
    return float(np.mean(np.asarray(found) < ALPHA))


@pytest.mark.parametrize("setting", ["chance alone", "runs differ much", "taste", "taste, runs differ much"])
def test_copies_of_a_strategy_are_seldom_called_different(aa, statistics, setting):
    # Of 150 studies, a true 5 % is above 11 % once in a thousand times.
    assert called_different(aa, statistics, setting) <= 0.11


@pytest.mark.parametrize("setting", ["chance alone", "taste"])
def test_a_large_difference_is_found(aa, statistics, setting):
    assert called_different(aa, statistics, setting, shift=3.0) >= 0.8


def test_another_metric_is_compared_alike(aa):
    metric = ChrF()
    statistics = aa.ladder(40, metric=metric, seed=1)
    assert called_different(aa, statistics, "runs differ much", metric=metric) <= 0.11
    assert called_different(aa, statistics, "chance alone", metric=metric, shift=3.0) >= 0.8
