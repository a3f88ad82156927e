"""An unhealthy fine-tuning is found by its metrics, each sign by its own bound, and nothing else is."""

import math

import pytest

from intelligen.config.schema.single_strategies import SeqGan, StandardMatched
from intelligen.config.schema.training import Health
from intelligen.evaluation.metric import Perplexity
from intelligen.evaluation.sacrebleu_metrics import ChrF
from intelligen.training.health import unhealthy_reason

START = {"valid/chrf": 45.2, "valid/distinct_2": 0.8, "valid/length_ratio": 1.01, "valid/bleu": 20.0}
HEALTHY = {
    **START,
    "train/discriminator_reward": 0.5,
    "train/discriminator_accuracy": 0.8,
    "train/advantage_std": 0.1,
    "train/pretraining_pct": 0.0,
}
HACKED = {"train/discriminator_reward": 0.625, "valid/chrf": 43.6}
SIGNS = {
    "collapse": {"valid/distinct_2": 0.39},
    "length drift": {"valid/length_ratio": 1.52},
    "reward hacking": HACKED,
    "discriminator saturation": {"train/discriminator_accuracy": 0.96},
    "frozen reward": {"train/advantage_std": 0.0},
}
READS = {
    "collapse": {"valid/distinct_2"},
    "length drift": {"valid/length_ratio"},
    "reward hacking": {"train/discriminator_reward", "valid/chrf"},
    "discriminator saturation": {"train/discriminator_accuracy"},
    "frozen reward": {"train/discriminator_reward", "train/advantage_std"},
}
each_sign = pytest.mark.parametrize(("name", "changes"), SIGNS.items(), ids=SIGNS)


def find(*epochs: dict[str, float], start: dict[str, float] = START, **settings: float | None) -> str | None:
    """Of epochs that are healthy but for what is given."""
    return unhealthy_reason(
        Health.model_validate(settings), start, [HEALTHY | epoch for epoch in epochs], watched=ChrF(), strategy=SeqGan()
    )


def without(metrics: dict[str, float], *names: str) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in names}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            SIGNS["collapse"],
            "collapse: 0.390 of the hypotheses' bigrams are distinct, at the start 0.800, for 2 epochs;"
            " raise mle_weight or lower the learning rate",
        ),
        (
            SIGNS["length drift"],
            "length drift: hypotheses are 1.52 of the references' length, at the start 1.01, for 2 epochs;"
            " raise mle_weight or lower the learning rate",
        ),
        (
            HACKED,
            "reward hacking: the discriminator's reward is 0.625, at first 0.500,"
            " while chrF is 43.60, at the start 45.20, for 2 epochs; lower adversarial_weight or raise kl_weight",
        ),
        (
            SIGNS["discriminator saturation"],
            "discriminator saturation: its accuracy is 0.960, above 0.95, for 2 epochs;"
            " lower discriminator.learning_rate or raise discriminator.every",
        ),
        (
            SIGNS["frozen reward"],
            "frozen reward: the advantages' standard deviation is 0, below 0.0001, for 2 epochs;"
            " raise temperature or choose another baseline",
        ),
    ],
    ids=SIGNS,
)
def test_a_sign_is_reported_with_its_numbers_and_its_fix(changes, said):
    assert find({}, changes, changes) == said


@pytest.mark.parametrize("name", ["collapse", "length drift"])
def test_a_fix_names_only_settings_that_the_strategy_has(name):
    epochs = [HEALTHY, *[HEALTHY | SIGNS[name]] * 2]
    found = unhealthy_reason(Health(), START, epochs, watched=ChrF(), strategy=StandardMatched())
    assert found is not None
    assert found.endswith("for 2 epochs; lower the learning rate")


def test_a_healthy_fine_tuning_goes_on():
    assert find({}, {}, {}) is None


@each_sign
def test_a_sign_must_hold_for_so_many_epochs_in_a_row(name, changes):
    assert find({}, changes) is None
    assert find({}, changes, {}, changes) is None
    assert find({}, changes, changes, {}) is None
    assert find({}, changes, changes, patience=3) is None
    assert find({}, changes, changes, changes, patience=3).startswith(name)


@each_sign
def test_one_epoch_is_enough_where_no_more_patience_is_asked(name, changes):
    assert find({}, changes, patience=1).startswith(name)
    assert ", for 1 epoch; " in find({}, changes, patience=1)


@each_sign
def test_no_sign_counts_without_patience(name, changes):
    assert find({}, changes, changes, changes, patience=None) is None


def test_different_signs_do_not_add_up():
    assert find({}, SIGNS["collapse"], SIGNS["length drift"]) is None


@pytest.mark.parametrize(
    ("metric", "unhealthy", "healthy", "bound"),
    [
        ("valid/distinct_2", 0.59, 0.61, {"least_distinct": 0.75}),
        ("valid/length_ratio", 1.12, 1.1, {"length_drift": 0.1}),
        ("valid/length_ratio", 0.9, 0.92, {"length_drift": 0.1}),
        ("train/discriminator_accuracy", 0.61, 0.6, {"most_discriminator_accuracy": 0.6}),
        ("train/advantage_std", 1e-5, 1e-3, {}),
    ],
)
def test_each_sign_has_its_bound(metric, unhealthy, healthy, bound):
    assert find({metric: unhealthy}, {metric: unhealthy}, **bound) is not None
    assert find({metric: healthy}, {metric: healthy}, **bound) is None


@pytest.mark.parametrize(("before", "now", "unhealthy"), [(1.8, 1.02, False), (0.5, 0.95, False), (0.9, 0.5, True)])
def test_a_poor_length_that_is_fixed_is_no_drift(before, now, unhealthy):
    epoch = {"valid/length_ratio": now}
    assert (find(epoch, epoch, start=START | {"valid/length_ratio": before}) is not None) == unhealthy


def test_reward_hacking_takes_both_a_risen_reward_and_a_fallen_chrf():
    risen, fallen = {"train/discriminator_reward": 0.625}, {"valid/chrf": 43.6}
    assert find({}, risen, risen) is None
    assert find({}, fallen, fallen) is None
    assert find({}, risen | fallen, risen | fallen, reward_hacking=1.7) is None
    assert find({}, risen | fallen, risen | fallen) is not None


def test_a_hacked_reward_that_has_stopped_rising_is_still_hacked():
    falling = HACKED | {"train/discriminator_reward": 0.6}
    assert find({}, HACKED, falling, falling).startswith("reward hacking")


def test_a_reward_is_compared_with_its_first_epoch_in_the_game():
    before_the_game = {"train/discriminator_reward": 0.9, "train/pretraining_pct": 100.0}
    assert find(before_the_game, {}, HACKED, HACKED).startswith("reward hacking")
    assert find(before_the_game, HACKED, HACKED) is None


def test_the_reason_has_the_newest_epoch_s_numbers():
    assert "are 1.60 of" in find({"valid/length_ratio": 1.52}, {"valid/length_ratio": 1.6})


@pytest.mark.parametrize("name", ["reward hacking", "discriminator saturation", "frozen reward"])
def test_epochs_before_the_adversarial_game_do_not_count(name):
    pretraining = SIGNS[name] | {"train/pretraining_pct": 100.0}
    assert find({}, pretraining, pretraining) is None
    assert find({}, pretraining, SIGNS[name]) is None
    partly = SIGNS[name] | {"train/pretraining_pct": 99.0}
    assert find({}, partly, partly).startswith(name)


@each_sign
@pytest.mark.parametrize("missing", sorted(HEALTHY))
def test_a_missing_metric_is_no_sign_and_takes_no_other_away(name, changes, missing):
    epochs = [without(HEALTHY | epoch, missing) for epoch in ({}, changes, changes)]
    found = unhealthy_reason(Health(), START, epochs, watched=ChrF(), strategy=SeqGan())
    assert found is None if missing in READS[name] else found.startswith(name)


@each_sign
def test_a_missing_metric_interrupts_a_row(name, changes):
    silent = without(HEALTHY | changes, *READS[name])
    assert (
        unhealthy_reason(
            Health(), START, [HEALTHY, HEALTHY | changes, silent, HEALTHY | changes], watched=ChrF(), strategy=SeqGan()
        )
        is None
    )


@each_sign
def test_a_number_that_is_none_is_no_sign(name, changes):
    none = dict.fromkeys(changes, math.nan)
    assert find({}, none, none) is None
    assert find(none, none, start=START | none) is None


def test_a_strategy_without_a_discriminator_shows_only_what_validation_shows():
    epoch = {name: value for name, value in HEALTHY.items() if name.startswith("valid/")}
    assert unhealthy_reason(Health(), START, [epoch] * 3, watched=ChrF(), strategy=SeqGan()) is None
    assert unhealthy_reason(
        Health(), START, [epoch | SIGNS["collapse"]] * 2, watched=ChrF(), strategy=SeqGan()
    ).startswith("collapse")


def test_a_constant_reward_is_not_called_frozen():
    constant = without(HEALTHY, "train/discriminator_reward", "train/discriminator_accuracy")
    assert (
        unhealthy_reason(Health(), START, [constant | SIGNS["frozen reward"]] * 3, watched=ChrF(), strategy=SeqGan())
        is None
    )


def test_an_empty_start_or_history_is_healthy():
    assert find() is None
    assert find({}, {}, start={}) is None


def test_another_task_is_watched_by_its_own_metric_whichever_way_that_points():
    start = {**HEALTHY, "valid/perplexity": 8.0}
    epochs = [{**start, "train/discriminator_reward": reward} for reward in (0.5, 0.6, 0.7)]
    worse = [epoch | {"valid/perplexity": 8.0 + 2 * rank} for rank, epoch in enumerate(epochs)]
    better = [epoch | {"valid/perplexity": 8.0 - 2 * rank} for rank, epoch in enumerate(epochs)]
    reason = unhealthy_reason(Health(patience=2), start, worse, watched=Perplexity(), strategy=SeqGan())
    assert reason is not None
    assert "while perplexity is 12.00, at the start 8.00" in reason
    assert unhealthy_reason(Health(patience=2), start, better, watched=Perplexity(), strategy=SeqGan()) is None
