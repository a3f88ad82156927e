"""A trial is drawn from what its sampler may learn from, and nothing else."""

import optuna
import pytest
from searches import SPACE, sweep

from intelligen.config.schema.sweep import Sweep
from intelligen.sweep.search.ask import ask_trial
from intelligen.sweep.search.define_by_run import suggest

LEARNING_RATE = "finetuning.optimizer.learning_rate"
VALUES = (1.0, 4.0, 2.0, 3.0, 0.5, 2.5)


def searched(settings: Sweep, *strategies: str | None) -> list[float]:
    """Learning rates of the first of the strategies, which take turns with opposite fortunes; None = there are none."""
    study = optuna.create_study(direction="maximize")
    rates = []
    for number, value in enumerate(VALUES):
        for strategy in strategies:
            given = {} if strategy is None else {"strategy": strategy}
            study.add_trial(ask_trial(study, settings, number=number, given=given, attributes={}))
            trial = study.ask()
            suggest(trial, settings.space)
            study.tell(trial, value if strategy == strategies[0] else 10.0 - value)
            if strategy == strategies[0]:
                rates.append(trial.params[LEARNING_RATE])
    return rates


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2"])
def test_in_round_robin_every_strategy_is_searched_as_if_it_were_alone(sampler):
    search = {"sampler": sampler, "startup_trials": 2}
    among = sweep(search=search, budget={"trials_per_strategy": 6})
    alone = sweep(search=search, budget={"trials": 6}, space={LEARNING_RATE: SPACE[LEARNING_RATE]})
    rates = searched(among, "standard", "generative")
    assert rates == searched(alone, None)
    assert len(set(rates)) > 3


def test_where_the_sampler_chooses_the_strategy_it_learns_from_all():
    choosing = sweep(search={"startup_trials": 2}, budget={"trials": 12})
    assert searched(choosing, "standard", "generative") != searched(choosing, "standard")


def test_a_drawn_trial_has_all_its_parameters_and_what_the_sampler_notes():
    settings = sweep(search={"sampler": "nsga2", "startup_trials": 2})
    study = optuna.create_study(direction="maximize")
    trial = ask_trial(study, settings, number=0, given={"strategy": "generative"}, attributes={"point": 3})
    assert study.trials == []
    assert set(trial.system_attrs["fixed_params"]) == {LEARNING_RATE, "strategy", "generative/probability.start"}
    assert trial.system_attrs["NSGAIISampler:generation"] == 0
    assert (trial.state.name, trial.user_attrs) == ("WAITING", {"point": 3})
