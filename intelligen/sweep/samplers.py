"""Each trial gets a sampler of its own, seeded by its number, so that no sampler's state has to survive a kill.

What the samplers know they read from the study: TPE and the Gaussian process fit their models anew for every trial,
and NSGA-II keeps its generations in the study. So a sequential sweep that was killed and resumed suggests what an
undisturbed one does, with every one of them; a kill in the milliseconds between a new trial and its first parameter
changes what the Gaussian process and NSGA-II draw.
"""

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from intelligen.config.base import content_hash
from intelligen.config.search import Search


def sampler(search: Search, number: int) -> BaseSampler:
    """The sampler of trial `number`."""
    return TrialSampler(search, number)


class TrialSampler(BaseSampler):
    """What is drawn by itself has a seed of its own, so that a kill between two draws of a trial changes neither.

    Args:
        search: Which sampler, and the search's seed.
        number: Of the trial.

    """

    def __init__(self, search: Search, number: int) -> None:
        self._search, self._number = search, number
        self._together = self._seeded()

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        return self._together.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of the parameters that are drawn together."""
        return self._together.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value of one parameter."""
        return self._seeded(param_name).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """The trial begins."""
        self._together.before_trial(study, trial)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: optuna.trial.TrialState, values: Any) -> None:
        """The trial has ended."""
        self._together.after_trial(study, trial, state, values)

    def _seeded(self, *parameter: str) -> BaseSampler:
        # Hashed: neighbouring seeds draw alike.
        return _sampler(self._search, int(content_hash(f"{self._search.seed}", f"{self._number}", *parameter)[:8], 16))


def _sampler(search: Search, seed: int) -> BaseSampler:
    match search.sampler:
        case "random" | "grid":  # a grid's points are given, and nothing is left to draw
            return optuna.samplers.RandomSampler(seed=seed)
        case "gp":
            return optuna.samplers.GPSampler(
                seed=seed, n_startup_trials=search.startup_trials, warn_independent_sampling=False
            )
        case "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=search.startup_trials)
        case "tpe":
            with warnings.catch_warnings():
                # `group` is marked experimental; without it multivariate TPE cannot model conditional parameters.
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return optuna.samplers.TPESampler(
                    seed=seed, n_startup_trials=search.startup_trials, multivariate=True, group=True, constant_liar=True
                )
