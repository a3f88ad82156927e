"""Samplers: one per trial, seeded by its number, so that none has a state to keep.

What the samplers know they read from the trials: TPE and the Gaussian process fit their models anew for every one, and
NSGA-II notes in each which generation it is of. So a sequential sweep that was killed and resumed suggests what an
undisturbed one does, with every one of them.
"""

import warnings

import optuna

from intelligen.config.base import content_hash
from intelligen.config.schema.search import Search


def sampler(search: Search, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of trial `number`."""
    # Hashed: neighbouring seeds draw alike.
    seed = int(content_hash(f"{search.seed}", f"{number}")[:8], 16)
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
