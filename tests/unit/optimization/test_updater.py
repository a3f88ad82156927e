"""The updater: accumulation equals one batch, schedules follow their formulas, clipping clips."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from intelligen.config.schema.training import Optimizer, Schedule, Training
from intelligen.optimization import Loss, MetricSums, Updater, learning_rate


def rates(schedule: Schedule, total: int = 100) -> list[float]:
    return [learning_rate(schedule, peak=2.0, update=update, total_updates=total) for update in range(1, total + 1)]


def test_inverse_sqrt_is_the_paper_s_formula_scaled_to_its_peak():
    found = rates(Schedule(name="inverse_sqrt", warmup_updates=10))
    paper = [min(step**-0.5, step * 10**-1.5) for step in range(1, 101)]
    assert found == pytest.approx([2.0 * value / paper[9] for value in paper])


def test_cosine_falls_from_the_peak_to_its_final_share():
    found = rates(Schedule(name="cosine", warmup_updates=10, final_ratio=0.1))
    assert found[9] == pytest.approx(2.0)
    assert found[54] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert found[-1] == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["inverse_sqrt", "cosine", "constant", "linear"])
def test_a_warm_up_may_be_a_share_of_all_updates(name):
    assert rates(Schedule(name=name, warmup_ratio=0.1)) == rates(Schedule(name=name, warmup_updates=10))
    assert rates(Schedule(name=name, warmup_ratio=0.0)) == rates(Schedule(name=name, warmup_updates=0))


def test_linear_falls_evenly_from_the_peak_to_its_final_share():
    found = rates(Schedule(name="linear", warmup_updates=10, final_ratio=0.1))
    assert found[:10] == pytest.approx([0.2 * update for update in range(1, 11)])
    assert found[54] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert found[-1] == pytest.approx(0.2)


def reported_rates(schedule: Schedule, *, epochs: int, updates: int) -> list[float]:
    model = nn.Linear(3, 1)
    settings = Training(epochs=epochs, schedule=schedule, optimizer=Optimizer(learning_rate=2.0))
    updater = Updater(model, settings, total_updates=updates, world_size=1)
    loss = partial(square_error, model, torch.ones(2, 3), of=2)
    return [updater.update([loss], update=n).means()["train/learning_rate"] for n in range(1, updates + 1)]


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_every_cycle_of_a_schedule_is_that_of_a_training_of_its_length(name):
    alone = reported_rates(Schedule(name=name, warmup_updates=3), epochs=2, updates=14)
    for warm_up in ({"warmup_updates": 3}, {"warmup_ratio": 0.2}):
        cycles = reported_rates(Schedule(name=name, **warm_up, cycle_epochs=2), epochs=6, updates=42)
        assert alone[-1] == 0.0
        assert cycles == alone * 3


def test_constant_stays_after_its_warm_up():
    assert rates(Schedule(name="constant", warmup_updates=4))[:6] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])


def square_error(model: nn.Linear, rows: torch.Tensor, *, of: int) -> Loss:
    summed = (model(rows) - rows.sum(dim=1, keepdim=True)).square().sum()
    return Loss(summed / of, MetricSums({"train/loss": (summed, len(rows))}))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_accumulated_micro_batches_make_the_update_of_one_batch(precision):
    rows, ends = torch.randn(8, 3, generator=torch.Generator().manual_seed(1)), []
    for cuts in ([8], [2, 6], [1, 3, 4]):
        torch.manual_seed(2)
        model = nn.Linear(3, 1)
        updater = Updater(model, Training(precision=precision), total_updates=5, world_size=1)
        parts = rows.split(cuts)
        sums = updater.update([partial(square_error, model, part, of=8) for part in parts], update=1)
        ends.append((updater.state_dict()["optimizer"]["state"][0]["exp_avg"].clone(), sums.means()["train/loss"]))
    for moment, loss in ends[1:]:
        torch.testing.assert_close(moment, ends[0][0], rtol=1e-2 if precision == "bf16" else 1e-5, atol=1e-4)
        assert loss == pytest.approx(ends[0][1], rel=1e-2 if precision == "bf16" else 1e-6)


def test_the_gradient_is_clipped_and_its_norm_reported_unclipped():
    model = nn.Linear(3, 1)
    settings = Training(optimizer=Optimizer(clip_norm=0.5))
    updater = Updater(model, settings, total_updates=5, world_size=1)
    rows = 100 * torch.ones(4, 3)
    sums = updater.update([lambda: square_error(model, rows, of=4)], update=1)
    moments = updater.state_dict()["optimizer"]["state"].values()
    clipped = math.sqrt(sum((state["exp_avg"] / 0.1).square().sum().item() for state in moments))
    assert sums.means()["train/gradient_norm"] > 100
    assert clipped == pytest.approx(0.5, rel=1e-3)


def test_biases_and_norms_do_not_decay():
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    optimizer = Optimizer(name="adamw", weight_decay=0.5, learning_rate=0.1)
    updater = Updater(model, Training(optimizer=optimizer), total_updates=5, world_size=1)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    updater.update([lambda: Loss(sum(p.sum() for p in model.parameters()) * 0.0)], update=400)
    after = dict(model.named_parameters())
    assert not torch.equal(after["0.weight"], before["0.weight"])
    assert all(torch.equal(after[name], before[name]) for name in before if name != "0.weight")


def test_adamw_decays_weights_by_themselves_and_not_through_the_moments():
    """Without a gradient a weight shrinks by the factor 1 − rate·decay (Loshchilov & Hutter 2019, algorithm 2)."""
    model = nn.Linear(3, 3)
    optimizer = Optimizer(name="adamw", weight_decay=0.5, learning_rate=0.1)
    still = Training(optimizer=optimizer, schedule=Schedule(name="constant", warmup_updates=0))
    before = model.weight.clone()
    updater = Updater(model, still, total_updates=5, world_size=1)
    updater.update([lambda: Loss(model.weight.sum() * 0.0 + model.bias.sum() * 0.0)], update=1)
    torch.testing.assert_close(model.weight, before * (1 - 0.1 * 0.5))


def test_sums_divide_once():
    total = MetricSums({"loss": (10.0, 2)})
    total.add(MetricSums({"loss": (2.0, 4), "reward": (1.0, 1)}))
    total.add(MetricSums({"empty": (0.0, 0)}))
    assert total.means() == {"loss": 2.0, "reward": 1.0}
    assert MetricSums.from_lists(total.to_lists()).means() == total.means()


def test_sums_survive_a_checkpoint_to_the_last_digit():
    pairs = {"a": [0.1, 16_777_217.0]}
    assert MetricSums.from_lists(pairs).to_lists() == pairs


def scaled_sum(model: nn.Linear, steepness: float) -> Loss:
    """In fp16 its gradient is steepness × loss scale, which overflows above 65,504."""
    return Loss(model(torch.full((1, 3), 1e-3)).float().sum() * steepness)


def half_updater(model: nn.Linear, *, scale: float = 2.0**16) -> Updater:
    updater = Updater(model, Training(precision="fp16"), total_updates=100, world_size=1)
    state = updater.state_dict()
    state["scaler"]["scale"] = scale
    updater.load_state_dict(state)
    return updater


def updates_until_divergence(updater: Updater, model: nn.Linear, steepness: float, *, most: int = 60) -> int | None:
    for update in range(1, most + 1):
        updater.update([partial(scaled_sum, model, steepness)], update=update)
        if updater.divergence() is not None:
            return update
    return None


def test_fp16_finds_its_loss_scale_by_sixteen_skipped_updates_and_then_learns():
    model = nn.Linear(3, 1)
    updater, before, norms = half_updater(model), model.weight.clone(), []
    for update in range(1, 31):
        # At a scale of 1 the first gradient that is finite.
        norms.append(updater.update([partial(scaled_sum, model, 60_000.0)], update=update).means())
        assert updater.divergence() is None
        assert torch.equal(model.weight, before) == (update <= 16)
    assert ["train/gradient_norm" in sums for sums in norms] == [False] * 16 + [True] * 14
    assert all(math.isfinite(value) for sums in norms for value in sums.values())


def test_fp16_diverges_where_its_loss_scale_falls_below_one():
    model = nn.Linear(3, 1)
    updater = half_updater(model)
    assert updates_until_divergence(updater, model, 70_000.0) == 17
    assert "loss scale to 0.5" in updater.divergence()


def test_fp16_diverges_after_25_skipped_updates_in_a_row_and_not_after_24():
    model = nn.Linear(3, 1)
    updater = half_updater(model, scale=2.0**40)
    assert updates_until_divergence(updater, model, 70_000.0) == 25
    assert "skipped 25 updates in a row" in updater.divergence()
    # What follows does not hide it until somebody asks.
    updater.update([partial(scaled_sum, model, 1e-3)], update=26)
    assert "skipped 25 updates in a row" in updater.divergence()
    assert updates_until_divergence(half_updater(model, scale=2.0**24), model, 60_000.0) is None


@pytest.mark.parametrize("halt", [1, 12, 24])
def test_a_resumed_updater_has_not_forgotten_the_skipped_updates(halt):
    model = nn.Linear(3, 1)
    updater = half_updater(model, scale=2.0**40)
    assert updates_until_divergence(updater, model, 70_000.0, most=halt) is None
    resumed = Updater(model, Training(precision="fp16"), total_updates=100, world_size=1)
    resumed.load_state_dict(updater.state_dict())
    assert updates_until_divergence(resumed, model, 70_000.0) == 25 - halt


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_a_loss_scale_one_gradient_that_is_not_finite_is_divergence(precision):
    model = nn.Linear(3, 1)
    updater = Updater(model, Training(precision=precision), total_updates=5, world_size=1)
    updater.update([partial(scaled_sum, model, math.inf)], update=1)
    assert updater.divergence() == "gradient norm not finite"
