"""Self-BLEU is sacreBLEU's against all other hypotheses; entropy is that of distributions worked out by hand."""

import math
import random

import pytest
import torch
from sacrebleu.metrics import BLEU

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.batches import SentencePairs
from intelligen.data.prepared_data import Split, TokenColumn
from intelligen.evaluation.output_distribution import output_distribution
from intelligen.evaluation.self_bleu import self_bleu
from intelligen.models.build import build_model

CPU = torch.device("cpu")
WORDS = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("seed", range(4))
def test_self_bleu_takes_all_others_as_references(seed: int) -> None:
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(3, 9))) for _ in range(12)]
    texts[3] = texts[5]
    others = [texts[:row] + texts[row + 1 :] for row in range(len(texts))]
    expected = BLEU().corpus_score(texts, [list(stream) for stream in zip(*others, strict=True)]).score
    assert self_bleu(texts) == pytest.approx(expected)


def test_self_bleu_of_equal_hypotheses_is_100_and_of_one_alone_0() -> None:
    assert self_bleu(["a b c d e"] * 3) == pytest.approx(100.0)
    assert self_bleu(["a b c d e"]) == 0.0
    assert self_bleu(["a b c d e", "v w x y z"]) == 0.0


def test_a_uniform_model_has_the_entropy_of_all_tokens_that_can_be_written() -> None:
    """Of 12 tokens PAD and BOS cannot; padding counts for nothing."""
    model = build_model(
        Seq2Seq(d_model=8, d_ff=8, heads=2, encoder_layers=1, decoder_layers=1, tied_embeddings="none"),
        {"source": 12, "target": 12},
        seed=1,
    )
    with torch.no_grad():
        model.output.weight.zero_()
    column = TokenColumn.of([[4, 5, 6], [7], []])
    pairs = SentencePairs(Split("test", {"source": column, "target": column}, None))
    sums = output_distribution(model, pairs, batch_tokens=64, device=CPU)
    assert sums.means() == pytest.approx({"output_entropy": math.log(10), "output_top1": 0.1})
    with torch.no_grad():
        model.output.weight.normal_()
    surer = output_distribution(model, pairs, batch_tokens=64, device=CPU).means()
    assert surer["output_entropy"] < math.log(10)
    apart = output_distribution(model, pairs, batch_tokens=1, device=CPU).means()
    assert apart == pytest.approx(surer, rel=1e-5)
