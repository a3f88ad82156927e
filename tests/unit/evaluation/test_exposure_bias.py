"""The exposure measures equal a slow computation, token by token and row by row, whatever the batches and ranks."""

import logging
import math
import warnings
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial
from torch import Tensor

from intelligen.config.schema.decoding import Beam, Decoding, DecodingSearch, Greedy, Sample
from intelligen.data.batches import SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.evaluation import Evaluation, evaluate_shard, score
from intelligen.evaluation.exposure_bias import PREFIXES, prefix_switch, rightly_predicted, token_accuracy
from intelligen.models.losses import token_log_probs, token_losses
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.tracking.mlflow_mapping import mlflow_key

A, B, C = 4, 5, 6
BUCKETS = {"01": (1, 1), "02": (2, 2), "03-04": (3, 4), "05-08": (5, 8)}


@pytest.fixture(scope="module")
def prepared(tiny_store: tuple[Path, str]) -> Prepared:
    store, identity = tiny_store
    return open_prepared(store / "prepared" / identity)


@pytest.fixture(scope="module")
def model(prepared: Prepared) -> Seq2SeqTransformer:
    """Half trained: right often, wrong often."""
    torch.manual_seed(1)
    size = prepared.tokenizer("target").size
    model = Seq2SeqTransformer(tiny_trial("").model, source_vocabulary=size, target_vocabulary=size)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loader = Loader(SentencePairs(prepared.split("train")), batch_tokens=300, seed=1)
    for _ in range(60):
        (batch,) = loader.next_update()
        logits_BTV = model(batch.source_BS, batch.target_in_BT)
        loss = token_losses(logits_BTV, batch.target_out_BT, label_smoothing=0.0).sum() / batch.num_targets
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def evaluate(
    model: Seq2SeqTransformer,
    prepared: Prepared,
    *,
    search: DecodingSearch | None = None,
    batch_tokens: int = 4096,
    world_size: int = 1,
) -> Evaluation:
    shards = [
        evaluate_shard(
            model,
            prepared.split("valid"),
            vocabulary=prepared.tokenizer("target"),
            search=search or Greedy(),
            decoding=Decoding(batch_tokens=batch_tokens),
            device=torch.device("cpu"),
            seed=3,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]
    return score(shards, prepared.split("valid").texts("target"))


@torch.no_grad()
def next_logits(model: Seq2SeqTransformer, source: list[int], prefix: list[int]) -> Tensor:
    logits_1TV = model(torch.tensor([source]), torch.tensor([[BOS, *prefix]]))
    return logits_1TV[0, -1]


def greedy_choice(logits_V: Tensor) -> int:
    return max((token for token in range(len(logits_V)) if token not in (PAD, BOS)), key=lambda token: logits_V[token])


def slowly(model: Seq2SeqTransformer, prepared: Prepared) -> dict[str, float]:
    """The measures of greedy search from their definitions: one row, one prefix, one token at a time."""
    split = prepared.split("valid")
    shares, nats = defaultdict(list), defaultdict(list)
    for row in range(len(split)):
        source, target = ([*split.columns[side][row].tolist(), EOS] for side in ("source", "target"))
        own: list[int] = []
        while EOS not in own and len(own) < int(1.5 * len(source)) + 10:
            own.append(greedy_choice(next_logits(model, source, own)))
        for position, token in enumerate(target, start=1):
            (bucket,) = (name for name, (first, last) in BUCKETS.items() if first <= position <= last)
            forced = greedy_choice(next_logits(model, source, target[: position - 1])) == token
            free = position <= len(own) and own[position - 1] == token
            for name, right in (("teacher_forced_accuracy", forced), ("free_running_accuracy", free)):
                shares[name].append(right)
                shares[f"{name}_at/{bucket}"].append(right)
        k = PREFIXES[row % len(PREFIXES)]
        if len(target) > k and len([token for token in own if token != EOS]) >= k:
            for name, prefix in (("model", own[:k]), ("reference", target[:k])):
                for position in range(k, len(target)):
                    log_probs_V = next_logits(model, source, prefix + target[k:position]).log_softmax(-1)
                    nats[f"prefix_switch/{k:02}_{name}"].append(-log_probs_V[target[position]].item())
    found = {name: sum(values) / len(values) for name, values in (shares | nats).items()}
    found["exposure_gap"] = found["teacher_forced_accuracy"] - found["free_running_accuracy"]
    sides = [[x for name, values in nats.items() if name.endswith(side) for x in values] for side in ("el", "ence")]
    found["prefix_switch_gap"] = (sum(sides[0]) - sum(sides[1])) / len(sides[0])
    return found


def exposure(metrics: dict[str, float]) -> dict[str, float]:
    prefixes = ("teacher_forced", "free_running", "exposure", "prefix_switch")
    return {name: value for name, value in metrics.items() if name.startswith(prefixes)}


@pytest.mark.parametrize("batch_tokens", [4096, 40])
def test_the_measures_equal_a_computation_token_by_token(batch_tokens, model, prepared):
    found = exposure(evaluate(model, prepared, batch_tokens=batch_tokens).metrics)
    expected = slowly(model, prepared)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert {"prefix_switch/01_model", "prefix_switch/04_reference", "free_running_accuracy_at/05-08"} <= found.keys()
    assert 0.1 < found["exposure_gap"] < 0.9
    assert found["prefix_switch_gap"] > 0.01


def test_after_no_token_of_its_own_a_model_is_as_good_as_after_the_references(model, prepared):
    metrics = evaluate(model, prepared).metrics
    assert metrics["free_running_accuracy_at/01"] == metrics["teacher_forced_accuracy_at/01"]


@pytest.mark.parametrize("search", [Greedy(), Beam(size=3), Sample()], ids=lambda search: search.name)
def test_ranks_and_batches_change_no_measure(search, model, prepared):
    alone = evaluate(model, prepared, search=search, batch_tokens=60)
    shared = evaluate(model, prepared, search=search, batch_tokens=60, world_size=2)
    other_batches = evaluate(model, prepared, search=search, batch_tokens=200)
    assert alone.hypotheses == shared.hypotheses == other_batches.hypotheses
    assert shared.metrics == pytest.approx(alone.metrics, rel=1e-12)
    assert other_batches.metrics == pytest.approx(alone.metrics, rel=1e-5)


def test_a_rank_without_a_batch_adds_nothing(model, prepared):
    assert evaluate(model, prepared, world_size=3).metrics == evaluate(model, prepared).metrics


def test_the_prefix_switch_is_of_greedy_prefixes_whatever_the_search(model, prepared):
    greedy, beam = (evaluate(model, prepared, search=search).metrics for search in (Greedy(), Beam(size=3)))
    switches = [name for name in greedy if name.startswith("prefix_switch")]
    assert {name: beam[name] for name in switches} == pytest.approx({name: greedy[name] for name in switches}, rel=1e-6)


@pytest.mark.parametrize("search", [Greedy(), Beam(size=3), Sample()], ids=lambda search: search.name)
def test_each_batch_is_encoded_once(search, model, prepared, monkeypatch):
    rows, encode = [], Seq2SeqTransformer.encode

    def recording(self, source_BS):
        rows.append(len(source_BS))
        return encode(self, source_BS)

    monkeypatch.setattr(Seq2SeqTransformer, "encode", recording)
    evaluate(model, prepared, search=search, batch_tokens=200)
    assert sum(rows) == len(prepared.split("valid"))


def test_every_name_is_allowed_in_mlflow_and_the_former_ones_stay(model, prepared):
    metrics = evaluate(model, prepared).metrics
    assert all(mlflow_key(name) == name for name in metrics)
    assert {"bleu", "chrf", "loss", "length_ratio", "unfinished_pct"} <= metrics.keys()


def test_hypotheses_without_a_token_are_measured_without_a_warning(model, prepared, caplog):
    mute = Seq2SeqTransformer(
        tiny_trial("").model, source_vocabulary=(size := prepared.tokenizer("target").size), target_vocabulary=size
    )
    with torch.no_grad():
        mute.decoder_norm.weight.zero_()
        mute.decoder_norm.bias.copy_(9 * mute.target_embedding.weight[EOS])
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        evaluation = evaluate(mute, prepared)
    assert not caplog.records
    assert set(evaluation.hypotheses) == {""}
    assert all(math.isfinite(value) for value in evaluation.metrics.values())
    assert evaluation.metrics["empty_pct"] == 100
    zero = ("bleu", "repetition_pct", "copy_pct", "overlong_pct", "distinct_1", "distinct_2", "free_running_accuracy")
    assert {name: evaluation.metrics[name] for name in zero} == dict.fromkeys(zero, 0)
    assert not any(name.startswith("prefix_switch") for name in evaluation.metrics)


def test_token_accuracy_counts_the_references_tokens_at_their_positions():
    target_BT = torch.tensor([[A, B, C, EOS], [A, EOS, PAD, PAD]])
    right_BT = torch.tensor([[True, True, False, True], [True, False, False, False]])
    hypotheses_NT = torch.tensor([[A, C, EOS], [A, EOS, PAD]])
    assert token_accuracy(right_BT, hypotheses_NT, target_BT).means() == {
        "teacher_forced_accuracy": 4 / 6,
        "free_running_accuracy": 3 / 6,
        "exposure_gap": 1 / 6,
        "teacher_forced_accuracy_at/01": 1.0,
        "free_running_accuracy_at/01": 1.0,
        "teacher_forced_accuracy_at/02": 0.5,
        "free_running_accuracy_at/02": 0.5,
        "teacher_forced_accuracy_at/03-04": 0.5,
        "free_running_accuracy_at/03-04": 0.0,
    }


def test_positions_fall_into_buckets_that_double():
    length = 40
    target_BT = torch.full((1, length), A)
    right_BT = torch.arange(length)[None] % 2 == 0  # positions 1, 3, 5, …
    means = token_accuracy(right_BT, target_BT, target_BT).means()
    buckets = {
        name.partition("/")[2]: value for name, value in means.items() if name.startswith("teacher_forced_accuracy_at")
    }
    assert buckets == {"01": 1, "02": 0, "03-04": 0.5, "05-08": 0.5, "09-16": 0.5, "17-32": 0.5, "33-up": 0.5}


def test_a_prediction_is_right_only_among_the_tokens_that_a_search_may_emit():
    logits_BTV = torch.zeros(1, 4, 7)
    logits_BTV[0, :, PAD], logits_BTV[0, :, BOS] = 9.0, 8.0
    logits_BTV[0, [0, 1, 2, 3], [A, B, EOS, A]] = 5.0
    target_BT = torch.tensor([[A, C, EOS, PAD]])
    assert rightly_predicted(logits_BTV, target_BT).tolist() == [[True, False, True, False]]


def test_own_tokens_that_equal_the_references_switch_nothing(model, prepared):
    batch = SentencePairs(prepared.split("valid")).batch(
        rows := torch.arange(20).numpy(), update_targets=1, update_rows=1
    )
    with torch.no_grad():
        memory = model.encode(batch.source_BS)
        log_probs_BT = token_log_probs(model.decode(batch.target_in_BT, memory), batch.target_out_BT)
        sums = prefix_switch(
            model,
            memory,
            target_in_BT=batch.target_in_BT,
            target_out_BT=batch.target_out_BT,
            log_probs_BT=log_probs_BT,
            greedy_NT=batch.target_out_BT,
            rows=rows,
        )
    means = sums.means()
    for k in (1, 2, 4):
        rest_BT = (batch.target_out_BT != PAD) & (torch.arange(batch.target_out_BT.size(1)) >= k)
        rest_BT &= torch.tensor([row % 5 == PREFIXES.index(k) for row in range(20)])[:, None]
        assert means[f"prefix_switch/{k:02}_model"] == pytest.approx(-log_probs_BT[rest_BT].mean().item(), rel=1e-5)
    assert means["prefix_switch_gap"] == pytest.approx(0, abs=1e-6)
