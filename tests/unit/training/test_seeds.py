"""Seeds share nothing but what they start from: weights, order of the data and draws are each seed's own."""

from pathlib import Path

import pytest
import torch
from conftest import tiny_trial
from safetensors.torch import load_file

from intelligen.config.schema.decoding import Greedy, Sample
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.training import Optimizer
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.trial_result import SELECTED
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

STILL = Optimizer(learning_rate=1e-12)
WHOLE = 100_000
"""Tokens of an update that has all the data: there its order is nothing but rounding."""


def seeded(trial: Trial, seed: int, **training: object) -> Trial:
    """One epoch of it without dropout."""
    model = trial.model.model_copy(update={"dropout": 0.0})
    settings = trial.training.model_copy(update={"epochs": 1, **training})
    return trial.model_copy(update={"seed": seed, "model": model, "training": settings})


@pytest.fixture(scope="module")
def start(tiny_store: tuple[Path, str]) -> Trial:
    """A trial that goes on from a baseline."""
    store, identity = tiny_store
    trial = seeded(tiny_trial(identity), 1, epoch_updates=1)
    fit(trial, Runtime(store, store / "baselines" / trial.identity))
    return trial.model_copy(update={"start": trial.identity})


def loss(trial: Trial, store: Path, directory: Path, name: str) -> float:
    fit(trial, Runtime(store, directory))
    (report,) = read_history(directory / HISTORY_FILE)
    return report.metrics[name]


def test_each_seed_begins_with_weights_of_its_own(tiny_store, tmp_path):
    store, identity = tiny_store
    begun = []
    for seed in (1, 2):
        fit(seeded(tiny_trial(identity), seed, epoch_updates=1, optimizer=STILL), Runtime(store, tmp_path / f"{seed}"))
        begun.append(load_file(tmp_path / f"{seed}" / SELECTED))
    matrices = [name for name, weight in begun[0].items() if weight.dim() > 1]
    assert matrices
    assert not any(torch.allclose(begun[0][name], begun[1][name]) for name in matrices)


def test_each_seed_reads_the_data_in_an_order_of_its_own(tiny_store, start, tmp_path):
    def first_update(seed: int, batch_tokens: int) -> float:
        trial = seeded(start, seed, epoch_updates=1, batch_tokens=batch_tokens)
        return loss(trial, tiny_store[0], tmp_path / f"{seed}-{batch_tokens}", "train/loss")

    assert abs(first_update(1, 300) - first_update(2, 300)) > 1e-3
    assert first_update(1, WHOLE) == pytest.approx(first_update(2, WHOLE), abs=1e-5), "it is the order, and not more"


def test_each_seed_draws_rollouts_of_its_own(tiny_store, start, tmp_path):
    def first_update(seed: int, temperature: float) -> float:
        strategy = Generative(probability=ProbabilitySchedule(start=1.0), temperature=temperature)
        trial = seeded(start, seed, epoch_updates=1, batch_tokens=WHOLE).model_copy(update={"strategy": strategy})
        return loss(trial, tiny_store[0], tmp_path / f"{seed}-{temperature}", "train/generative_loss")

    assert abs(first_update(1, 1.0) - first_update(2, 1.0)) > 1e-3
    assert first_update(1, 0.0) == pytest.approx(first_update(2, 0.0), abs=1e-5), "greedy rollouts draw nothing"


def test_each_seed_draws_validation_hypotheses_of_its_own(tiny_store, start, tmp_path):
    def hypotheses(seed: int, search: Greedy | Sample) -> list[str]:
        trial = seeded(start, seed, epoch_updates=1, optimizer=STILL)
        trial = trial.model_copy(update={"decoding": trial.decoding.model_copy(update={"validation": search})})
        fit(trial, Runtime(tiny_store[0], tmp_path / f"{seed}-{search.name}"))
        (report,) = read_history(tmp_path / f"{seed}-{search.name}" / HISTORY_FILE)
        return [sample.hypothesis for sample in report.samples]

    assert hypotheses(1, Sample()) != hypotheses(2, Sample())
    assert hypotheses(1, Greedy()) == hypotheses(2, Greedy()), "the weights are the same"
