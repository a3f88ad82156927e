"""The discriminator learns what texts say, cannot learn how they end, and replays as many rounds as configured."""

import io
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toy import VOCABULARY, batch_of, select, toy_model, without_targets

from intelligen.config.schema.single_strategies import Discriminator
from intelligen.config.schema.training import Training
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import EOS, PAD
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.discriminator import DiscriminatorTrainer, Pairs, bare, build_discriminator

torch.set_num_threads(1)
SMALL = Discriminator(head_width=8, d_ff=24, heads=2, layers=1, learning_rate=3e-3)
BOUND = 4


def trainer_of(
    settings: Discriminator = SMALL, *, training: Training | None = None, **options: object
) -> DiscriminatorTrainer:
    discriminator = build_discriminator(settings, toy_model(), seed=3)
    return DiscriminatorTrainer(
        discriminator, settings, wrap=lambda module: module, training=training or Training(), world_size=1, **options
    )


def step_of(update: int) -> UpdateContext:
    return UpdateContext(seed=1, update=update, total_updates=100)


def learn(trainer: DiscriminatorTrainer, fresh: Sequence[Pairs], update: int) -> dict[str, float]:
    step = step_of(update)
    step.seed_dropout()
    return trainer.learn(fresh, step).means()


def random_rows(count: int, *, seed: int, first: int | None = None) -> list[list[int]]:
    """Texts of 0 to 5 words and EOS; more than half of them fit into the bound."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0 if first is None else 1, 6, (count,), generator=generator).tolist()
    rows = [torch.randint(4, VOCABULARY, (length,), generator=generator).tolist() for length in lengths]
    return [([first, *row[1:]] if first is not None else row) + [EOS] for row in rows]


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])


def pairs_of(references: list[list[int]], generated: list[list[int]]) -> Pairs:
    """Generated rows are cut to the bound, as a rollout is."""
    batch = batch_of([[4, EOS]] * len(references), references)
    bounds_B = torch.full((len(references),), BOUND)
    return Pairs.of(batch, padded([row[:BOUND] for row in generated]), bounds_B=bounds_B)


def test_neither_end_nor_bound_nor_width_shows_in_a_text():
    ended, cut, longer = [4, 5, 4, 5, EOS], [4, 5, 4, 5], [4, 5, 4, 5, 5, 5, EOS]
    bounds_N = torch.tensor([BOUND])
    texts = [bare(torch.tensor([row]), bounds_N) for row in (ended, cut, longer, [*ended, PAD, PAD])]
    assert [text[text != PAD].tolist() for text in texts] == [[4, 5, 4, 5]] * 4
    pairs = pairs_of([ended, longer, [5, EOS]], [cut, cut, [5, EOS]])
    source_NS, text_NT, label_N, _ = pairs.labelled()
    assert label_N.tolist() == [1, 1, 1, 0, 0, 0]
    assert torch.equal(text_NT[:3], text_NT[3:])
    assert not (text_NT == EOS).any()
    trainer = trainer_of()
    assert torch.equal(*(trainer.score(*side) for side in ((source_NS[:3], text_NT[:3]), (source_NS[3:], text_NT[3:]))))


def test_separable_texts_open_the_gate():
    trainer = trainer_of()
    accuracies = []
    for update in range(1, 41):
        assert trainer.pretrains
        fresh = pairs_of(random_rows(32, seed=2 * update, first=4), random_rows(32, seed=2 * update + 1, first=5))
        accuracies.append(learn(trainer, [fresh], update)["train/discriminator_accuracy"])
        if not trainer.pretrains:
            break
    assert update < 40, "the gate opens before the phase's end"
    assert accuracies[-1] > SMALL.accuracy_gate
    # Open stays open, even where the discriminator is fooled afterwards.
    for later in range(41, 61):
        learn(trainer, [pairs_of(random_rows(8, seed=later, first=5), random_rows(8, seed=later, first=5))], later)
    assert not trainer.pretrains


def test_texts_from_the_same_writer_leave_it_at_chance():
    trainer = trainer_of(replace_settings(pretraining_updates=200))
    right = 0.0
    count, updates, measured = 64, 60, 20
    for update in range(1, updates + 1):
        fresh = pairs_of(random_rows(count, seed=2 * update), random_rows(count, seed=2 * update + 1))
        accuracy = learn(trainer, [fresh], update)["train/discriminator_accuracy"]
        right += 2 * count * accuracy * (update > updates - measured)
    scored = 2 * count * measured
    print(f"accuracy {right / scored:.4f} of {scored}, standard error {0.5 / math.sqrt(scored):.4f}")
    assert abs(right - scored / 2) < 4 * math.sqrt(scored) / 2
    assert trainer.pretrains, "and the gate stays closed"


def test_the_phase_ends_though_the_gate_stays_closed():
    trainer = trainer_of(replace_settings(pretraining_updates=3, accuracy_gate=1.0))
    for update in range(1, 4):
        assert trainer.pretrains
        learn(trainer, [pairs_of(random_rows(4, seed=1), random_rows(4, seed=1))], update)
    assert not trainer.pretrains


def test_a_frozen_discriminator_is_never_updated():
    trainer = trainer_of(frozen=True)
    assert not trainer.pretrains
    assert not any(trainer.is_due(number) for number in range(1, 20))


def test_the_discriminator_is_updated_at_every_nth_update():
    trainer = trainer_of(replace_settings(every=3))
    assert [number for number in range(1, 10) if trainer.is_due(number)] == [3, 6, 9]


def test_a_round_of_the_discriminator_has_as_many_updates_as_asked_for():
    trainer = trainer_of(replace_settings(steps=3))
    learn(trainer, [pairs_of(random_rows(4, seed=1), random_rows(4, seed=2))], 1)
    assert {state["step"].item() for state in trainer.state_dict()["updater"]["optimizer"]["state"].values()} == {3.0}


def test_references_alone_are_smoothed():
    settings = replace_settings(dropout=0.0, label_smoothing=0.25)
    trainer = trainer_of(settings)
    references, generated = random_rows(6, seed=1), random_rows(12, seed=2)
    fresh = pairs_of(references, references)
    fresh = replace(fresh, generated_NT=bare(padded(generated), torch.full((12,), BOUND)))
    source_NS, text_NT, _, _ = fresh.labelled()
    judged_N = trainer.score(source_NS, text_NT)
    real_B, fake_N = judged_N[:6], judged_N[6:]
    of_real = -(0.75 * real_B.log() + 0.25 * (1 - real_B).log()).mean()
    expected = (of_real - (1 - fake_N).log().mean()) / 2
    assert learn(trainer, [fresh], 1)["train/discriminator_loss"] == pytest.approx(expected.item(), rel=1e-5)


def first_moment(trainer: DiscriminatorTrainer) -> Tensor:
    """The gradient of the first update, up to a factor."""
    state = trainer.state_dict()["updater"]["optimizer"]["state"]
    return torch.cat([state[index]["exp_avg"].flatten() for index in sorted(state)])


def some_batch() -> Batch:
    return batch_of([[4, 5, EOS], [5, EOS], [4, 4, EOS]], [[5, 4, EOS], [4, EOS], [EOS]])


def some_pairs(batch: Batch) -> Pairs:
    generated_NT = padded([[4, EOS], [5, 5, 5, 5], [EOS]])[batch.rows]
    return Pairs.of(batch, generated_NT, bounds_B=torch.full((len(batch.rows),), BOUND))


def test_rows_that_keep_a_rank_company_weigh_nothing_and_micro_batches_add_up():
    ends, reports = [], []
    batch = some_batch()
    company = without_targets(select(batch, [1]))
    for parts in ([batch], [select(batch, [2, 0]), select(batch, [1])], [batch, company]):
        trainer = trainer_of(replace_settings(dropout=0.0))
        reports.append(learn(trainer, [some_pairs(part) for part in parts], 1))
        ends.append(first_moment(trainer))
    for moment, report in zip(ends[1:], reports[1:], strict=True):
        torch.testing.assert_close(moment, ends[0], rtol=1e-5, atol=1e-8)
        assert report == pytest.approx(reports[0], rel=1e-6)


def test_ranks_share_a_remembered_round_row_by_row():
    pairs = some_pairs(some_batch())
    shards = [pairs.shard(rank, 2) for rank in (0, 1)]
    assert [shard.source_BS.size(0) for shard in shards] == [2, 1]
    assert sorted(row for shard in shards for row in shard.reference_BT.tolist()) == sorted(pairs.reference_BT.tolist())
    nothing = pairs.shard(3, 4)
    assert nothing.source_BS.size(0) == 1
    assert not nothing.counts_B.any()
    assert nothing.counting() == []
    assert replace(pairs, counts_B=torch.tensor([True, False, True])).counting()[0].source_BS.size(0) == 2


def test_the_last_rounds_are_remembered_and_drawn_from():
    trainer = trainer_of(replace_settings(replay=3, steps=4))
    seen = Seen(trainer.discriminator)
    for update in range(1, 31):
        seen.texts = set()
        rows = [[*(4 + int(bit) for bit in f"{update:05b}"[-BOUND:]), EOS]] * 4
        fresh = pairs_of(rows, rows)
        learn(trainer, [fresh], update)
        newest = tuple(bare(torch.tensor(rows[:1]), torch.tensor([BOUND]))[0].tolist())
        seen.history.append(newest)
        assert seen.texts <= set(seen.history[-3:])
        seen.others += seen.texts != {newest}
    assert seen.others > 10, "a remembered turn is drawn time and again"
    assert len(trainer.state_dict()["replay"]) == 3


class Seen:
    """Which texts pass through a module while it trains."""

    def __init__(self, module: nn.Module) -> None:
        self.texts: set[tuple[int, ...]] = set()
        self.history: list[tuple[int, ...]] = []
        self.others = 0
        module.register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
        if module.training:
            self.texts |= {tuple(F.pad(row, (0, BOUND + 1 - len(row)))[: BOUND + 1].tolist()) for row in inputs[1]}


@pytest.mark.parametrize("dropout", [0.0, 0.2], ids=["calm", "dropout by row"])
@pytest.mark.parametrize(("rows_at_once", "at_most"), [(None, 6), (6, 6), (4, 4), (1, 1)])
def test_a_remembered_round_is_learnt_in_parts_that_the_update_under_way_keeps_to(rows_at_once, at_most, dropout):
    rounds = [pairs_of(random_rows(6, seed=seed), random_rows(6, seed=seed + 9)) for seed in range(2)]
    longest = max(rounds[0].source_BS.size(1), rounds[0].reference_BT.size(1))
    settings, training = replace_settings(replay=2, steps=6, dropout=dropout), Training(dropout_by_row=dropout > 0)
    whole, parts = (trainer_of(settings, training=training) for _ in range(2))
    for trainer in (whole, parts):
        learn(trainer, rounds[:1], 1)
    sizes: list[int] = []
    parts.discriminator.register_forward_hook(lambda module, inputs, _: sizes.append(len(inputs[0]) * module.training))
    whole.learn([rounds[1]], step_of(2))
    fresh = [*rounds[1].cut(rows_at_once and rows_at_once * longest, 1)]
    parts.learn(fresh, replace(step_of(2), part_tokens=rows_at_once and rows_at_once * longest))
    assert max(sizes) == 2 * at_most, "references and as many generated texts"
    exact = at_most == 6
    torch.testing.assert_close(
        first_moment(parts), first_moment(whole), rtol=0 if exact else 1e-4, atol=0 if exact else 1e-6
    )


def test_each_rank_s_share_of_a_remembered_round_keeps_to_the_bound():
    pairs = some_pairs(some_batch())
    longest = max(pairs.source_BS.size(1), pairs.reference_BT.size(1))
    assert [*pairs.cut(2 * longest, 2)] == [pairs]
    cut = [*pairs.cut(longest, 2)]
    assert [part.shard(rank, 2).source_BS.size(0) for part in cut for rank in (0, 1)] == [1, 1, 1, 1]
    assert [part.source_BS.size(0) for part in pairs.cut(1, 1)] == [1, 1, 1], "a row is never cut"


def test_without_replay_nothing_is_kept():
    trainer = trainer_of()
    learn(trainer, [some_pairs(some_batch())], 1)
    assert trainer.state_dict()["replay"] == []


def test_a_resumed_discriminator_learns_bit_for_bit_the_same():
    settings = replace_settings(replay=2, steps=2)
    fresh = [pairs_of(random_rows(6, seed=seed), random_rows(6, seed=seed + 9)) for seed in range(5)]
    trainer, resumed = trainer_of(settings), trainer_of(settings)
    for update in (1, 2, 3):
        learn(trainer, [fresh[update]], update)
    resumed.load_state_dict(round_trip(trainer.state_dict()))
    for continued in (trainer, resumed):
        learn(continued, [fresh[4]], 4)
    assert_same(trainer.state_dict(), resumed.state_dict())


def round_trip(state: dict) -> dict:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def assert_same(one: object, other: object) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_scoring_leaves_no_trace():
    trainer = trainer_of()
    trainer.discriminator.train()
    before = {name: tensor.clone() for name, tensor in trainer.discriminator.state_dict().items()}
    source_NS, text_NT, _, _ = some_pairs(some_batch()).labelled()
    first, second = (trainer.score(source_NS, text_NT) for _ in range(2))
    assert torch.equal(first, second), "no dropout"
    assert not first.requires_grad
    assert trainer.discriminator.training
    assert_same(dict(trainer.discriminator.state_dict()), before)


def test_the_seed_alone_decides_the_weights_and_torch_s_own_draws_go_on_undisturbed():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = build_discriminator(SMALL, toy_model_without_reseeding(), seed=3)
    assert torch.equal(torch.rand(3), expected)
    again, other = (build_discriminator(SMALL, toy_model(), seed=seed) for seed in (3, 4))
    assert_same(dict(first.state_dict()), dict(again.state_dict()))
    assert not torch.equal(first.output.weight, other.output.weight)


def toy_model_without_reseeding() -> nn.Module:
    with torch.random.fork_rng():
        return toy_model()


def replace_settings(**changes: object) -> Discriminator:
    return SMALL.model_copy(update=changes)
