"""A task's metrics are what its settings say; the loop, tests and predictions know a task by its base alone."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import torch
from conftest import tiny_trial
from labelling import LABELS, Labelling, LabellingSettings

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.declarations import TaskSettings
from intelligen.config.schema.decoding import Greedy
from intelligen.config.schema.single_strategies import StandardMatched
from intelligen.config.schema.tasks import Translation
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import open_prepared
from intelligen.evaluation import Shard
from intelligen.evaluation.metric import Accuracy, ExactMatch, Perplexity
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.optimization import MetricSums
from intelligen.state import layout
from intelligen.state.history import History
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task
from intelligen.tasks.translation import TranslationTask as TranslationTask
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.fit import fit
from intelligen.training.loop import train
from intelligen.training.progress import Progress
from intelligen.training.report_line import report_line
from intelligen.training.resume import resume
from intelligen.training.runtime import Runtime
from intelligen.training.timing import Bench, time_epoch, time_validation
from intelligen.training.training_setup import Setup
from intelligen.training.trial_memory import TrialMemory
from intelligen.training.validation import SHOWN_SAMPLES


@pytest.mark.parametrize(
    ("selection", "reported"),
    [("valid/bleu", (Bleu("zh"),)), ("valid/chrf", (ChrF(), Bleu("zh"))), ("valid/loss", (Bleu("zh"),))],
)
def test_translation_ranks_by_what_selected_the_weights_and_always_reports_bleu(selection, reported):
    task = build_task(Translation(selection_metric=selection, bleu_tokenizer="zh"))
    assert task.reported == reported
    assert task.ranking == reported[0]
    assert (task.metrics, task.watched) == ((Bleu("zh"), ChrF()), ChrF())


class CountingSettings(Translation):
    metrics = ("bleu", "chrf", "exact_match")
    selection_metric: str = "valid/exact_match"


def test_a_translation_is_scored_by_a_metric_that_sacrebleu_lacks():
    class Counting(TranslationTask):
        def __init__(self, settings):
            self._translation = settings
            super(TranslationTask, self).__init__(settings, [Bleu(), ChrF(), ExactMatch()])

    shard = Shard({0: "a b c d", 1: "no"}, MetricSums())
    plain, more = (
        task.score([shard], ["a b c d", "yes"]) for task in (build_task(Translation()), Counting(CountingSettings()))
    )
    assert more.metrics == plain.metrics | {"exact_match": 50.0}


class Distance(Accuracy):
    name = "distance"
    higher_is_better = False


class MeasuredBy(Labelling):
    def __init__(self, metric, *, named=None):
        class Measured(TaskSettings):
            columns = SOURCE_AND_TARGET
            needs = ()
            metrics = (named or metric.name,)
            watched = metrics[0]

            name: Literal["measured"] = "measured"
            selection_metric: str = "valid/loss"

        super(Labelling, self).__init__(Measured(), [metric])


def test_a_metric_that_points_another_way_than_its_name_is_refused():
    with pytest.raises(TypeError, match="metric distance: higher_is_better is False, and its name says otherwise"):
        MeasuredBy(Distance())
    assert MeasuredBy(Perplexity()).ranking == Perplexity()
    with pytest.raises(TypeError, match="metrics must be perplexity, as the settings say, got accuracy"):
        MeasuredBy(Accuracy(), named="perplexity")


def labelling(store: Path, identity: str, directory: Path) -> Setup:
    """What `fit` sets up for a translation."""
    trial, task, runtime = tiny_trial(identity), Labelling(LabellingSettings()), Runtime(store, directory)
    prepared = open_prepared(layout.prepared(store, identity))
    model = task.build_model(trial.model, prepared, seed=1)
    loader = Loader(task.examples(prepared.split("train"), prepared), batch_tokens=300, micro_batch_tokens=100, seed=1)
    strategy = build_strategy(
        trial.model_copy(update={"task": LabellingSettings()}),
        model=model,
        wrap=runtime.wrap,
        decode=partial(task.written, prepared),
        loss=partial(task.loss, label_smoothing=0.0),
        total_updates=12,
        world_size=1,
    )
    directory.mkdir(exist_ok=True)
    checkpoints, history = Checkpoints(directory), History(directory)
    return Setup(
        trial, task, runtime, prepared, model, loader, strategy, 6, checkpoints, history, memory=TrialMemory(runtime)
    )


def test_a_task_that_writes_nothing_trains_pauses_resumes_and_ends(tiny_store, tmp_path):
    whole, rested = labelling(*tiny_store, tmp_path / "whole"), labelling(*tiny_store, tmp_path / "rested")
    result = train(whole, Progress(), until_epoch=2)
    assert train(rested, Progress(), until_epoch=1) is None
    resumed = labelling(*tiny_store, tmp_path / "rested")
    assert train(resumed, resume(resumed, adopted_update=None)[0], until_epoch=2) == result
    first, last = whole.reports
    assert last.metrics["valid/loss"] < first.metrics["valid/loss"]
    assert {sample.hypothesis for sample in last.samples} <= {*LABELS}
    assert [sample.reference for sample in last.samples] == whole.task.references(whole.prepared.split("valid"))[
        :SHOWN_SAMPLES
    ]
    assert {name for name in last.metrics if name.startswith("valid/")} == {"valid/loss", "valid/accuracy"}
    assert f"accuracy {last.metrics['valid/accuracy']:.2f} %" in report_line(last, whole.task.metrics)


def test_an_installed_task_that_writes_nothing_has_a_baseline_a_finetuning_and_a_price(
    tiny_store, tmp_path, monkeypatch
):
    metadata = tmp_path / "labelling-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: labelling\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[intelligen.tasks]\nlabelling = labelling:TASK\n")
    monkeypatch.syspath_prepend(tmp_path)
    store, identity = tiny_store
    baseline = tiny_trial(identity, task=LabellingSettings())
    assert baseline.strategy.name == "standard"
    directory = layout.baseline(store, baseline.identity)
    assert fit(baseline, Runtime(store, directory)).metrics["valid/accuracy"] > 50
    matched = baseline.model_copy(update={"strategy": StandardMatched(updates_ratio=2), "start": baseline.identity})
    assert fit(matched, Runtime(store, tmp_path / "matched")).metrics["valid/accuracy"] > 50
    assert History(tmp_path / "matched").reports[-1].update == 2 * History(directory).reports[-1].update

    bench = Bench(open_prepared(layout.prepared(*tiny_store)), torch.device("cpu"), 1, None)
    assert time_epoch(matched, bench).high > 0
    validation = time_validation(matched, bench)
    assert validation.low == validation.high  # trained weights take as long as random ones


def test_a_rank_without_rows_of_a_task_that_writes_nothing_learns_nothing(tiny_store):
    prepared = open_prepared(layout.prepared(*tiny_store))
    examples = Labelling(LabellingSettings()).examples(prepared.split("valid"), prepared)
    updates = [Loader(examples, batch_tokens=1, seed=1, rank=rank, world_size=2).next_update() for rank in (0, 1)]
    (real,), (empty,) = updates
    assert (real.num_targets, empty.num_targets) == (1, 0)
    assert {batch.update_targets for batch in (real, empty)} == {1}


def test_shards_of_a_task_that_writes_nothing_score_as_the_whole(tiny_store, tmp_path):
    setup = labelling(*tiny_store, tmp_path)
    task, valid = setup.task, setup.prepared.split("valid")
    how = {"prepared": setup.prepared, "search": Greedy(), "decoding": setup.trial.decoding, "seed": 1}
    shards = [
        task.evaluate(setup.model, valid, **how, device=torch.device("cpu"), rank=rank, world_size=ranks)
        for ranks in (1, 2)
        for rank in range(ranks)
    ]
    references = task.references(valid)
    whole, shared = task.score(shards[:1], references), task.score(shards[1:], references)
    assert whole.hypotheses == shared.hypotheses
    assert whole.metrics == pytest.approx(shared.metrics)
    assert whole.metrics["accuracy"] == Accuracy().score(whole.hypotheses, references)
    assert not whole.signatures
    assert [*task.summary(whole.metrics)] == [f"loss {whole.metrics['loss']:.4f}"]


def test_a_strategy_that_rewards_text_is_refused_where_there_is_none(tiny_store, tmp_path):
    setup = labelling(*tiny_store, tmp_path)
    with pytest.raises(TypeError, match="Labelling: its models write no text that a strategy could reward"):
        setup.task.written(setup.prepared, [[4, 5]])
    predicted = setup.task.predict(
        setup.model.eval(),
        ["ape bee", "cat"],
        prepared=setup.prepared,
        search=Greedy(),
        decoding=setup.trial.decoding,
        device=torch.device("cpu"),
        notes=Counter(),
    )
    assert {*predicted} <= {*LABELS}
    assert len(predicted) == 2
