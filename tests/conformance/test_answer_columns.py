"""Ways to answer side by side: a model that copies what its decoder reads is found out, and so is a mere look-up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from task_data import CPU, MODELS, Parts, prepare_tasks, task_trial
from torch import Tensor

from intelligen.cli.score_lines import score_document, score_lines
from intelligen.config.schema.decoding import Decoding, Greedy
from intelligen.data.batches import Batch, Rows, SentencePairs, evaluation_batches
from intelligen.data.loader import Loader
from intelligen.data.nearest_rows import nearest_rows
from intelligen.data.prepared_data import Prepared, Split
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.evaluation import Evaluation
from intelligen.evaluation.answer_columns import AnswerColumn, read_both_ways
from intelligen.models.losses import token_losses
from intelligen.tasks.question_answering import QuestionAnsweringTask
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    store = tmp_path_factory.mktemp("answers")
    return Parts(task_trial("question_answering", "seq2seq", prepare_tasks(store)["question_answering"]), store)


class Unshifted(SentencePairs):
    """The decoder reads the label itself, as in the code of which this project's friend is the successor."""

    def batch(self, rows: Rows, *, update_targets: int, update_rows: int) -> Batch:
        found = super().batch(rows, update_targets=update_targets, update_rows=update_rows)
        return replace(found, target_in_BT=found.target_out_BT)


class CopyingTask(QuestionAnsweringTask):
    def examples(self, split: Split, prepared: Prepared) -> SentencePairs:
        return Unshifted(split, source=self.source, target=self.target)


def columns_of(task: QuestionAnsweringTask, parts: Parts) -> tuple[Evaluation, dict[str, AnswerColumn]]:
    how = {"prepared": parts.prepared, "search": Greedy(), "decoding": Decoding(), "device": CPU, "seed": 1}
    test = parts.prepared.split("test")
    found = task.score([task.evaluate(parts.model, test, **how)], task.references(test))
    return found, {column.name: column for column in task.answer_columns(parts.model, test, found, **how)}


def test_a_model_that_copies_its_decoders_input_is_right_in_the_teacher_forced_column_alone(parts: Parts) -> None:
    task = CopyingTask(parts.task.settings)
    parts.model = task.build_model(MODELS["seq2seq"], parts.prepared, seed=1)
    optimizer = torch.optim.Adam(parts.model.parameters(), lr=5e-3)
    loader = Loader(task.examples(parts.prepared.split("train"), parts.prepared), batch_tokens=600, seed=1)
    for _ in range(80):
        (batch,) = loader.next_update()
        logits_BTV = parts.model(batch.source_BS, batch.target_in_BT)
        loss = token_losses(logits_BTV, batch.target_out_BT, label_smoothing=0.0).sum() / batch.num_targets
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _, columns = columns_of(task, parts)
    forced, own = columns["teacher_forced"].scores, columns["autoregressive"].scores
    assert forced["token_accuracy"] > 0.9
    assert own["token_accuracy"] < 0.5
    assert forced["chrf"] > own["chrf"] + 40
    assert forced["exact_match"] > own["exact_match"] + 40
    assert forced["loss"] < 0.5 < own["loss"]


def test_columns_agree_with_the_evaluation_and_with_reading_token_by_token(parts: Parts) -> None:
    parts.model = parts.task.build_model(MODELS["seq2seq"], parts.prepared, seed=2)
    parts.train(1, 15)
    found, columns = columns_of(parts.task, parts)
    forced, own = columns["teacher_forced"], columns["autoregressive"]
    assert own.answers == found.hypotheses
    assert forced.scores["loss"] == pytest.approx(found.metrics["loss"], rel=1e-5)
    assert forced.scores["token_accuracy"] == pytest.approx(found.metrics["teacher_forced_accuracy"])
    assert own.scores["token_accuracy"] == pytest.approx(found.metrics["free_running_accuracy"])
    nats, said = _token_by_token(parts)
    assert own.scores["loss"] == pytest.approx(nats, rel=1e-4)
    assert tuple(forced.answers) == tuple(parts.prepared.tokenizer("answer").decode(said))


@torch.no_grad()
def _token_by_token(parts: Parts) -> tuple[float, list[list[int]]]:
    """Mean nats after the model's own prefix, and the most probable token after each of the reference's prefixes."""
    model, nats, said = parts.model.eval(), [], []
    test = parts.prepared.split("test")
    for row in range(len(test)):
        batch = SentencePairs(test, source="question", target="answer").batch(
            np.array([row]), update_targets=1, update_rows=1
        )
        memory, target = model.encode(batch.source_BS), batch.target_out_BT[0].tolist()
        bound = torch.tensor([parts.trial.decoding.max_length_offset + 2 * batch.source_BS.size(1)])
        own = generate(model, batch.source_BS, Greedy(), max_lengths_B=bound).tokens_NT[0].tolist()

        def after(prefix: list[int], memory=memory) -> Tensor:
            return model.decode(torch.tensor([[BOS, *prefix]]), memory)[0, -1].log_softmax(dim=-1)

        for place, token in enumerate(target[: len(own)]):
            nats.append(-float(after(own[:place])[token]))
        words = []
        for place in range(len(target)):
            logits_V = after(target[:place])
            logits_V[[PAD, BOS]] = -torch.inf
            words.append(int(logits_V.argmax()))
        said.append(words[: words.index(EOS)] if EOS in words else words)
    return sum(nats) / len(nats), said


def test_readings_do_not_depend_on_the_batches(parts: Parts) -> None:
    examples = parts.task.examples(parts.prepared.split("test"), parts.prepared)
    how = {"vocabulary": parts.prepared.tokenizer("answer"), "search": Greedy(), "device": CPU, "seed": 1}
    one, other = (
        read_both_ways(parts.model, examples, decoding=Decoding(batch_tokens=tokens), **how) for tokens in (50, 4096)
    )
    assert len([*evaluation_batches(examples, batch_tokens=50)]) > 1
    assert one.forced == other.forced
    assert one.sums.means() == pytest.approx(other.sums.means(), rel=1e-4)


def test_test_shows_the_columns_with_three_samples_and_json_has_them(parts: Parts, tmp_path: Path) -> None:
    store = parts.prepared.directory.parents[1]
    fit(parts.trial, Runtime(store, tmp_path / "t"))
    trained = TrainedModel.load(tmp_path / "t", store=store, device=CPU)
    assert trained.score("test").columns == ()
    found = trained.score("test", compared=True)
    shown = list(score_lines(found, tmp_path / "t"))
    start = next(number for number, line in enumerate(shown) if "teacher-forced  " in line)
    assert shown[start].split("  ")[-1].strip() == "nearest training question"
    assert "(reads the answer's own prefix; no use score)" in shown[start + 1]
    assert "(what a user gets)" in shown[start + 1]
    rows = [line.split("  ")[0] for line in shown[start + 2 : start + 8]]
    assert rows == ["token accuracy", "loss (nats/token)", "exact match", "token F1", "chrF", "BLEU"]
    assert sum(line.startswith("question ") for line in shown) == 3
    document = score_document(found)
    assert [*document["columns"]] == ["teacher_forced", "autoregressive", "nearest_training_question"]
    assert document["columns"]["autoregressive"]["chrf"] == document["metrics"]["chrf"]
    assert len(document["samples"]) == 3
    assert document["samples"][0].keys() == {"question", "reference", *document["columns"]}


def test_the_nearest_text_shares_the_rarest_characters_in_their_order() -> None:
    known = ["where are you", "you are here", "no", "", "what is it?", "What is it?"]
    asked = ["where are you", "here you are", "is it", "zzz", ""]
    assert nearest_rows(known, asked).tolist() == [0, 1, 4, 0, 3]
    assert nearest_rows(known, []).tolist() == []
    assert nearest_rows([""], ["a"]).tolist() == [0]


def test_words_are_found_whatever_their_endings() -> None:
    assert nearest_rows(["학교에 갔어요", "집에 갔어요", "밥을 먹었어"], ["학교로 간다", "밥 먹자"]).tolist() == [0, 2]
