"""What every task must do with every model and strategy: it trains, or it is refused with what fits."""

import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from comparisons import padded, reversed_rows, run_two_ranks
from task_data import CPU, MODELS, TASKS, Parts, prepare_tasks, task_trial
from test_strategies import ONE_OF_EACH, STRATEGIES, gradient_direction, moment, unclipped, weights
from torch.nn import functional as F

from intelligen.config.schema.decoding import Beam, Greedy, Sample
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.parts_fit import unmet
from intelligen.config.schema.single_strategies import Auxiliary, Standard
from intelligen.config.schema.strategies import Strategy as StrategySettings
from intelligen.config.schema.tasks import TASKS as ALL_TASKS
from intelligen.config.schema.tasks import LanguageModelling
from intelligen.data.labelled_texts import LabelledTexts
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.errors import ConfigError
from intelligen.state.history import History
from intelligen.strategies.auxiliary_lm import AuxiliaryLmCriterion
from intelligen.strategies.base import UpdateContext
from intelligen.tasks import build_task
from intelligen.training.fit import fit
from intelligen.training.memory_measurement import measure
from intelligen.training.report_line import report_line
from intelligen.training.runtime import Runtime
from intelligen.training.timing import Bench
from intelligen.training.trained_model import TrainedModel

LM = {
    "auxiliary, lm": Auxiliary(head="lm", weight=0.5),
    "auxiliary, lm, convex": Auxiliary(head="lm", weight=0.5, combine="convex"),
}
"""Of models that also predict the text that they classify."""
EVERY: dict[str, StrategySettings] = {**STRATEGIES, **LM}
FITTING = [(task, model) for task in TASKS for model in MODELS if not [*unmet(TASKS[task], Standard(), MODELS[model])]]
TRAINED = [
    (*pair, strategy)
    for pair in FITTING
    for strategy in ("standard", *LM)
    if not [*unmet(TASKS[pair[0]], EVERY[strategy], MODELS[pair[1]])]
]
every_fitting = pytest.mark.parametrize(("task", "model"), FITTING, ids=map("-".join, FITTING))
every_trained = pytest.mark.parametrize(("task", "model", "strategy"), TRAINED, ids=map("-".join, TRAINED))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture(scope="session")
def prepared(store: Path) -> dict[str, str]:
    return prepare_tasks(store)


@every_trained
def test_the_loss_falls(task: str, model: str, strategy: str, store: Path, prepared: dict[str, str]) -> None:
    parts = Parts(task_trial(task, model, prepared[task], strategy=EVERY[strategy]), store)
    before = parts.evaluate().metrics["loss"]
    seen = parts.train(1, 40)
    names = {"train/loss"} | ({"train/auxiliary_loss"} if "lm" in strategy else set())
    for name in names:
        assert sum(one[name] for one in seen[-5:]) < 0.85 * sum(one[name] for one in seen[:5])
    assert parts.evaluate().metrics["loss"] < before


@every_trained
def test_padding_neighbours_and_micro_batches_change_no_update(
    task: str, model: str, strategy: str, store: Path, prepared: dict[str, str]
) -> None:
    """Without dropout, whose draws depend on the shape of the batch."""
    ends = []
    for variant in ("plain", "padded", "reversed", "micro-batches"):
        parts = Parts(plain((task, model, strategy), prepared), store, micro=60 if variant == "micro-batches" else None)
        batches = parts.loader.next_update()
        assert (len(batches) > 1) == (variant == "micro-batches")
        batches = [padded(one) if variant == "padded" else one for one in batches]
        batches = [reversed_rows(one) if variant == "reversed" else one for one in batches]
        parts.strategy.train_step(batches, UpdateContext(seed=1, update=1, total_updates=40))
        ends.append(gradient_direction(parts.strategy))
    for other in ends[1:]:
        torch.testing.assert_close(other, ends[0], rtol=1e-4, atol=1e-5)


@every_fitting
def test_neither_neighbours_nor_ranks_change_what_is_measured(
    task: str, model: str, store: Path, prepared: dict[str, str]
) -> None:
    parts = Parts(task_trial(task, model, prepared[task]), store)
    parts.train(1, 20)
    whole = parts.evaluate()
    for other in (parts.evaluate(batch_tokens=1), parts.evaluate(ranks=2), parts.evaluate(batch_tokens=60, ranks=3)):
        assert other.metrics == pytest.approx(whole.metrics, rel=1e-5)
        if task.startswith("language"):
            assert [float(one.split()[0]) for one in other.hypotheses] == pytest.approx(
                [float(one.split()[0]) for one in whole.hypotheses], rel=1e-5
            )
        else:
            assert other.hypotheses == whole.hypotheses
    assert {metric.name for metric in parts.task.metrics} | {"loss"} <= whole.metrics.keys()


@every_trained
def test_the_memory_of_its_updates_is_measured(
    task: str, model: str, strategy: str, store: Path, prepared: dict[str, str]
) -> None:
    trial = task_trial(task, model, prepared[task], strategy=EVERY.get(strategy, Standard()))
    parts = Parts(trial, store)
    use = measure(trial, Bench(parts.prepared, CPU, 1, None), rows=2)
    weights_and_moments = 3 * sum(weight.nbytes for weight in parts.model.parameters())
    assert weights_and_moments <= use.state_bytes < use.memory_bytes


@every_trained
def test_a_resumed_run_continues_bit_for_bit(
    task: str, model: str, strategy: str, store: Path, prepared: dict[str, str]
) -> None:
    trial = task_trial(task, model, prepared[task], strategy=EVERY[strategy])
    whole, resumed = Parts(trial, store), Parts(trial, store)
    whole.train(1, 3)
    buffer = io.BytesIO()
    torch.save([weights(whole.strategy), whole.strategy.state_dict(), whole.loader.state_dict()], buffer)
    buffer.seek(0)
    whole.train(4, 6)
    model_state, strategy_state, position = torch.load(buffer, weights_only=True)
    resumed.model.load_state_dict(model_state)
    resumed.strategy.load_state_dict(strategy_state)
    resumed.loader.load_state_dict(position)
    resumed.train(4, 6)
    ends = [weights(one.strategy).values() for one in (whole, resumed)]
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


@pytest.fixture(scope="session")
def two_ranks(store: Path, prepared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two gloo processes make two updates of every task with every model that fits."""
    directory = tmp_path_factory.mktemp("two_ranks")
    run_two_ranks([plain(combination, prepared) for combination in TRAINED], store, directory)
    return directory


def plain(combination: Sequence[str], prepared: dict[str, str]) -> Trial:
    """Without dropout, and with gradients of any norm."""
    task, model, strategy = combination
    trial = task_trial(task, model, prepared[task], strategy=EVERY[strategy])
    return unclipped(trial.model_copy(update={"model": MODELS[model].model_copy(update={"dropout": 0.0})}))


@pytest.mark.parametrize("combination", TRAINED, ids=map("-".join, TRAINED))
def test_ranks_together_make_the_update_of_one(
    combination: tuple[str, str, str], two_ranks: Path, store: Path, prepared: dict[str, str]
) -> None:
    index = TRAINED.index(combination)
    first, second = (torch.load(two_ranks / f"{index}-2-{rank}.pt", weights_only=True) for rank in (0, 1))
    torch.testing.assert_close(moment(first), moment(second), rtol=0, atol=0)
    alone = Parts(plain(combination, prepared), store)
    alone.train(1, 1)
    first = torch.load(two_ranks / f"{index}-1-0.pt", weights_only=True)
    torch.testing.assert_close(moment(first), gradient_direction(alone.strategy), rtol=1e-4, atol=1e-5)


@every_fitting
def test_a_trial_is_fitted_scored_and_asked(
    task: str, model: str, store: Path, prepared: dict[str, str], tmp_path: Path
) -> None:
    trial = task_trial(task, model, prepared[task])
    result = fit(trial, Runtime(store, tmp_path))
    assert trial.task.selection_metric in result.metrics
    reports = History(tmp_path).reports
    trained = TrainedModel.load(tmp_path, store=store, device=CPU)
    line = report_line(reports[-1], trained.task.metrics)
    assert all(metric.label in line for metric in trained.task.metrics)
    assert len(reports[-1].samples) == 8
    scored = trained.score(trained.prepared.splits[-1])
    for name, interval in scored.intervals.items():
        assert interval.low <= scored.evaluation.metrics[name] <= interval.high
    assert all(trained.task.summary(scored.evaluation.metrics))
    for search in (Greedy(), Beam(size=2), Sample()):
        said = trained.task.predict(
            trained.model,
            ["ape bee", "cat", "dog " * 50],
            prepared=trained.prepared,
            search=search,
            decoding=trial.decoding,
            device=CPU,
            notes=(notes := Counter()),
        )
        assert (len(said), notes.total()) == (3, 1)


@pytest.mark.parametrize(
    ("task", "model"), [(task, model) for task in TASKS for model in MODELS if (task, model) not in FITTING]
)
def test_a_model_that_does_not_fit_is_refused_with_those_that_do(task: str, model: str) -> None:
    (line,) = unmet(TASKS[task], Standard(), MODELS[model])
    assert line.startswith(f"task.name {TASKS[task].name} needs a model that offers ")
    assert all(other in line.partition("take ")[2] for own, other in FITTING if own == task)


def in_ci(task: str, model: str, strategy: str) -> bool:
    """All refusals, and what is trained neither in the file of strategies nor in that of generators, by one of each."""
    refused = [*unmet(TASKS[task], EVERY[strategy], MODELS[model])]
    return bool(refused) or (task != "translation" and model != "seq2seq" and strategy in (*ONE_OF_EACH, *LM))


MATRIX = [
    pytest.param(*one, marks=() if in_ci(*one) else pytest.mark.extended)
    for one in ((task, model, strategy) for task, model in FITTING for strategy in EVERY)
]


@pytest.mark.parametrize(("task", "model", "strategy"), MATRIX)
def test_a_strategy_trains_a_task_or_is_refused_with_those_that_do(
    task: str, model: str, strategy: str, store: Path, prepared: dict[str, str]
) -> None:
    trial = task_trial(task, model, prepared[task], strategy=EVERY[strategy])
    if lines := [*unmet(trial.task, trial.strategy, trial.model)]:
        with pytest.raises(ConfigError) as refused:
            Parts(trial, store)
        assert str(refused.value) == "\n".join(lines)
        assert all("take " in line or "there are standard" in line for line in lines)
        return
    parts = Parts(trial, store)
    before = weights(parts.strategy)
    parts.train(1, 3)
    assert parts.strategy.divergence() is None
    assert any(not torch.equal(before[name], now) for name, now in weights(parts.strategy).items())


def test_the_conformance_suite_covers_every_task() -> None:
    assert {settings.name for settings in TASKS.values()} == {*ALL_TASKS.options()}


def lm_loss(parts: Parts, split: str) -> tuple[float, int]:
    """Of a whole split in one batch, by torch alone: documents from BOS to EOS, if they fit into a window."""
    column = parts.prepared.split(split).columns["text"]
    framed = [torch.tensor([BOS, *column[row].astype(int).tolist(), EOS]) for row in range(len(column))]
    token_BT = torch.nn.utils.rnn.pad_sequence(framed, batch_first=True, padding_value=PAD)
    logits_BTV = parts.model.eval()(token_BT[:, :0], token_BT[:, :-1])
    total = F.cross_entropy(logits_BTV.flatten(0, 1), token_BT[:, 1:].flatten(), ignore_index=PAD, reduction="sum")
    return total.item(), int((token_BT[:, 1:] != PAD).sum())


@pytest.mark.parametrize("packing", [False, True])
def test_perplexity_is_that_of_the_whole_split_in_one_batch(packing, store, prepared):
    longer = MODELS["decoder_only"].model_copy(update={"max_positions": 256})
    trial = task_trial("language_modelling", "decoder_only", prepared["language_modelling"])
    whole = LanguageModelling(n_seq=256, packing=packing)
    parts = Parts(trial.model_copy(update={"task": whole, "model": longer}), store)
    parts.train(1, 10)
    # In double precision nothing is left but the order of additions: sums are divided once, and no mean is averaged.
    for dtype, rounding in ((torch.float32, 1e-6), (torch.float64, 1e-13)):
        parts.model.to(dtype)
        nats, tokens = lm_loss(parts, "valid")
        for found in (parts.evaluate(), parts.evaluate(batch_tokens=30, ranks=2)):
            assert found.metrics["perplexity"] == pytest.approx(math.exp(nats / tokens), rel=rounding)
            assert found.metrics["loss"] == pytest.approx(nats / tokens, rel=rounding)


def test_the_windows_of_documents_are_scored_after_what_they_read(store, prepared):
    parts = Parts(task_trial("language_modelling", "decoder_only", prepared["language_modelling"]), store)
    column = parts.prepared.split("valid").columns["text"]
    found = parts.evaluate()
    for row in range(len(column)):
        framed = [BOS, *column[row].astype(int).tolist(), EOS]
        nats = 0.0
        for start in range(0, len(framed) - 1, 8):
            read, predicted = framed[:-1][start : start + 8], framed[1:][start : start + 8]
            logits_1TV = parts.model.eval()(torch.empty(1, 0).long(), torch.tensor([read]))
            nats += F.cross_entropy(logits_1TV[0], torch.tensor(predicted), reduction="sum").item()
        assert found.hypotheses[row].endswith(" nats")
        assert float(found.hypotheses[row].split()[0]) == pytest.approx(nats, rel=1e-5)
    assert parts.task.references(parts.prepared.split("valid"))[0] == f"{len(column[0]) + 1} tokens"


@torch.no_grad()
def test_documents_of_a_packed_window_are_read_as_if_each_had_its_own(store, prepared):
    name = "language_modelling, packed"
    parts = Parts(task_trial(name, "decoder_only", prepared[name]), store)
    examples = parts.task.examples(parts.prepared.split("train"), parts.prepared)
    batch = examples.batch(np.arange(200), update_targets=1600, update_rows=200)
    logits_BTV = parts.model.eval()(batch.source_BS, batch.target_in_BT)
    several = 0
    for row, read in enumerate(batch.target_in_BT.tolist()):
        starts = [0, *(place for place, token in enumerate(read) if token == BOS and place)]
        several += len(starts) > 1
        for start, end in zip(starts, [*starts[1:], len(read)], strict=True):
            alone = parts.model(torch.empty(1, 0).long(), torch.tensor([read[start:end]]))
            torch.testing.assert_close(alone[0], logits_BTV[row, start:end])
    assert several > 10


@pytest.mark.parametrize(("combine", "of_classes"), [("add", 1.0), ("convex", 0.7)])
def test_the_lm_head_adds_the_loss_of_each_token_after_those_before_it(combine, of_classes, store, prepared):
    strategy = Auxiliary(head="lm", weight=0.3, combine=combine)
    parts = Parts(plain(("classification", "decoder_only", "standard"), prepared), store)
    criterion = AuxiliaryLmCriterion(strategy, label_smoothing=0.0)
    step = UpdateContext(seed=1, update=1, total_updates=1)
    batch, rest = parts.loader.next_update()[0], parts.loader.next_update()[0]
    criterion.prepare([batch, rest], step)
    found = criterion(parts.model, batch, step)
    logits_BC, states_BTD = parts.model.classify_and_predict(batch.token_BT)
    classes = F.cross_entropy(logits_BC, batch.label_B)
    logits_BTV = parts.model.project(states_BTD)
    # What comes after the last token of the longest row, nothing says; BOS is read, and never predicted.
    following = batch.token_BT.roll(-1, dims=1).index_fill(1, torch.tensor([batch.token_BT.size(1) - 1]), PAD)
    tokens = F.cross_entropy(logits_BTV.flatten(0, 1), following.flatten(), ignore_index=PAD, reduction="sum")
    update_tokens = sum(int((one.token_BT != PAD).sum()) - len(one.rows) for one in (batch, rest))
    torch.testing.assert_close(found.total, of_classes * classes + 0.3 * tokens / update_tokens)
    means = found.sums.means()
    assert means["train/loss"] == pytest.approx(classes.item())
    assert means["train/auxiliary_loss"] == pytest.approx((tokens / (batch.token_BT[:, 1:] != PAD).sum()).item())


def test_a_row_without_a_class_teaches_no_token(store, prepared):
    parts = Parts(task_trial("classification", "decoder_only", prepared["classification"]), store)
    criterion = AuxiliaryLmCriterion(Auxiliary(head="lm"), label_smoothing=0.1)
    step = UpdateContext(seed=1, update=1, total_updates=1)
    (batch,) = parts.loader.next_update()
    empty = LabelledTexts(parts.prepared.split("train"), text="text", label="label").without_targets(batch)
    criterion.prepare([batch, empty], step)
    loss = criterion(parts.model, empty, step)
    assert loss.total.item() == 0
    assert loss.sums.means() == {}


def test_a_classifier_answers_with_labels_and_its_accuracy_is_of_rows(store, prepared):
    parts = Parts(task_trial("classification", "decoder_only", prepared["classification"]), store)
    parts.train(1, 30)
    valid = parts.prepared.split("valid")
    found, references = parts.evaluate(batch_tokens=17), parts.task.references(valid)
    assert {*found.hypotheses} <= {"early", "late", "middle"}
    right = sum(one == other for one, other in zip(found.hypotheses, references, strict=True))
    assert found.metrics["accuracy"] == 100 * right / len(references)
    texts = parts.task.inputs(valid)
    how = {"prepared": parts.prepared, "search": Greedy(), "decoding": parts.trial.decoding, "device": CPU}
    assert parts.task.predict(parts.model.eval(), texts, **how, notes=Counter()) == [*found.hypotheses]


def test_an_accuracy_that_says_little_is_warned_of():
    task = build_task(TASKS["classification"])
    assert task.caution("test", ["a"] * 79 + ["b"] * 21) is None
    assert "80.0 % of the rows of test are of class a" in (task.caution("test", ["a"] * 8 + ["b"] * 2) or "")
