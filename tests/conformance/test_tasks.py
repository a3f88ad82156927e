"""What every task must do with every model and strategy: it trains, or it is refused with what fits."""

import io
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from task_data import MODELS, TASKS, prepare_tasks, task_trial
from test_strategies import STRATEGIES, gradient_direction, moment, plain_trial, weights

from intelligen.config.schema.decoding import Beam, Greedy, Sample
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.parts_fit import unmet
from intelligen.config.schema.single_strategies import Auxiliary, Standard
from intelligen.config.schema.strategies import Strategy as StrategySettings
from intelligen.config.schema.tasks import TASKS as ALL_TASKS
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.data.special_tokens import PAD
from intelligen.errors import ConfigError
from intelligen.evaluation import Evaluation
from intelligen.state import layout
from intelligen.state.history import History
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import AnyTask, build_task
from intelligen.training.fit import fit
from intelligen.training.report_line import report_line
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel

CPU = torch.device("cpu")
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


class Parts:
    """What `fit` trains a trial with."""

    def __init__(self, trial: Trial, store: Path, *, micro: int | None = None) -> None:
        self.trial = trial
        self.prepared: Prepared = open_prepared(layout.prepared(store, trial.prepared))
        self.task: AnyTask = build_task(trial.task)
        self.model = self.task.build_model(trial.model, self.prepared, seed=trial.seed)
        self.strategy: Strategy[Any, Any] = build_strategy(
            trial,
            model=self.model,
            wrap=lambda module: module,
            decode=partial(self.task.written, self.prepared),
            loss=partial(self.task.loss, label_smoothing=trial.training.label_smoothing),
            total_updates=40,
            world_size=1,
        )
        examples = self.task.examples(self.prepared.split("train"), self.prepared)
        self.loader: Loader[Any] = Loader(examples, batch_tokens=300, micro_batch_tokens=micro, seed=3)

    def train(self, first: int, last: int) -> list[dict[str, float]]:
        return [
            self.strategy.train_step(
                self.loader.next_update(), UpdateContext(seed=1, update=update, total_updates=40)
            ).means()
            for update in range(first, last + 1)
        ]

    def evaluate(self, *, batch_tokens: int = 4096, ranks: int = 1, split: str = "valid") -> Evaluation:
        data = self.prepared.split(split)
        decoding = self.trial.decoding.model_copy(update={"batch_tokens": batch_tokens})
        how: dict[str, Any] = {"prepared": self.prepared, "search": Greedy(), "decoding": decoding, "device": CPU}
        shards = [
            self.task.evaluate(self.model, data, **how, seed=1, rank=rank, world_size=ranks) for rank in range(ranks)
        ]
        return self.task.score(shards, self.task.references(data))


@every_trained
def test_the_loss_falls(task: str, model: str, strategy: str, store: Path, prepared: dict[str, str]) -> None:
    parts = Parts(task_trial(task, model, prepared[task], strategy=EVERY[strategy]), store)
    before = parts.evaluate().metrics["loss"]
    seen = parts.train(1, 40)
    names = {"train/loss"} | ({"train/auxiliary_loss"} if "lm" in strategy else set())
    for name in names:
        assert sum(one[name] for one in seen[-5:]) < 0.85 * sum(one[name] for one in seen[:5])
    assert parts.evaluate().metrics["loss"] < before


def padded(batch: Any, columns: int = 3) -> Any:
    """The same rows, with more padding behind each."""
    wider = {
        one.name: torch.nn.functional.pad(tensor, (0, columns), value=PAD)
        for one in fields(batch)
        if isinstance(tensor := getattr(batch, one.name), torch.Tensor) and tensor.dim() == 2 and tensor.size(1)
    }
    return replace(batch, **wider)


def turned_round(batch: Any) -> Any:
    """The same rows, the last one first."""
    tensors = {
        one.name: tensor.flip(0)
        for one in fields(batch)
        if isinstance(tensor := getattr(batch, one.name), torch.Tensor)
    }
    return replace(batch, **tensors, rows=batch.rows[::-1].copy())


@every_trained
def test_padding_neighbours_and_micro_batches_change_no_update(
    task: str, model: str, strategy: str, store: Path, prepared: dict[str, str]
) -> None:
    """Without dropout, whose draws depend on the shape of the batch."""
    ends = []
    for variant in ("plain", "padded", "turned round", "micro-batches"):
        trial = plain_trial(prepared[task], EVERY[strategy]).model_copy(
            update={"task": TASKS[task], "model": MODELS[model].model_copy(update={"dropout": 0.0})}
        )
        parts = Parts(trial, store, micro=60 if variant == "micro-batches" else None)
        batches = parts.loader.next_update()
        assert (len(batches) > 1) == (variant == "micro-batches")
        batches = [padded(one) if variant == "padded" else one for one in batches]
        batches = [turned_round(one) if variant == "turned round" else one for one in batches]
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
    trials = [plain(combination, prepared) for combination in TRAINED]
    (directory / "trials.jsonl").write_text("".join(trial.model_dump_json() + "\n" for trial in trials))
    script = Path(__file__).with_name("two_ranks.py")
    processes = [
        subprocess.Popen([sys.executable, script, directory, store, str(rank)], stderr=subprocess.PIPE)
        for rank in (0, 1)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()
    return directory


def plain(combination: Sequence[str], prepared: dict[str, str]) -> Trial:
    """Without dropout, and with gradients of any norm."""
    task, model, strategy = combination
    without = MODELS[model].model_copy(update={"dropout": 0.0})
    return plain_trial(prepared[task], EVERY[strategy]).model_copy(update={"task": TASKS[task], "model": without})


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
        assert (len(said), notes["cut"]) == (3, 1)


@pytest.mark.parametrize(
    ("task", "model"), [(task, model) for task in TASKS for model in MODELS if (task, model) not in FITTING]
)
def test_a_model_that_does_not_fit_is_refused_with_those_that_do(task: str, model: str) -> None:
    (line,) = unmet(TASKS[task], Standard(), MODELS[model])
    assert line.startswith(f"task.name {TASKS[task].name} needs a model that offers ")
    assert all(other in line.partition("take ")[2] for own, other in FITTING if own == task)


SMALL = ["standard, R-Drop", "auxiliary, decoder", "recurrent, argmax", "generative, one in two", "seqgan", *LM]
"""What CI tries of all strategies; the others are like them."""
MATRIX = [
    pytest.param(task, model, strategy, marks=() if strategy in SMALL and model != "seq2seq" else pytest.mark.extended)
    for task, model in FITTING
    for strategy in EVERY
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
