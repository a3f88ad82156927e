"""The experiments of Vaswani et al. (2017) have the paper's shapes, and with them its numbers of parameters."""

from pathlib import Path

import pytest
import torch

from intelligen.config.load import load_experiment
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


def parameters(file: str) -> int:
    experiment = load_experiment(EXPERIMENTS / file)
    pieces = experiment.data.tokenizer.vocabulary
    with torch.device("meta"):
        model = Seq2SeqTransformer(experiment.model, source_vocabulary=pieces, target_vocabulary=pieces)
    return sum(weights.numel() for weights in model.parameters())


# The paper rounds, and says only that its vocabulary has about 37,000 tokens.
@pytest.mark.parametrize(
    ("file", "exactly", "published"), [("wmt14_base.yaml", 63_082_496, 65e6), ("wmt14_big.yaml", 214_245_376, 213e6)]
)
def test_the_number_of_parameters_is_the_paper_s(file: str, exactly: int, published: float) -> None:
    assert parameters(file) == exactly
    assert exactly == pytest.approx(published, rel=0.03)


def test_the_learning_rate_peaks_where_the_paper_s_does() -> None:
    for file in ("wmt14_base.yaml", "wmt14_big.yaml"):
        experiment = load_experiment(EXPERIMENTS / file)
        warmup = experiment.training.schedule.warmup_updates
        # Equation 3.
        assert experiment.training.optimizer.learning_rate == pytest.approx((experiment.model.d_model * warmup) ** -0.5)
