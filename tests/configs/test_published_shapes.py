"""The experiments of Vaswani et al. (2017) have the paper's shapes, and with them its numbers of parameters."""

from pathlib import Path

import pytest
import torch

from intelligen.config.load import load_experiment
from intelligen.config.schema.experiment import Experiment
from intelligen.config.sweep_file import read_sweep
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

REPOSITORY = Path(__file__).resolve().parents[2]
EXPERIMENTS = REPOSITORY / "experiments"
# Table 3 of the paper, in millions; it leaves out the rows that are as base.
PUBLISHED = {"base": 65, "b-dk16": 58, "b-dk32": 60, "c-n2": 36, "c-n4": 50, "c-n8": 80, "c-ff1024": 53}
PUBLISHED |= {"c-ff4096": 90}
AS_BASE = (
    *("a-h1", "a-h4", "a-h16", "a-h32"),
    *("d-dropout0.0", "d-dropout0.2", "d-smoothing0.0", "d-smoothing0.2", "e-learned"),
)


def parameters(experiment: Experiment) -> int:
    pieces = experiment.data.tokenizer.vocabulary
    with torch.device("meta"):
        model = Seq2SeqTransformer(experiment.model, source_vocabulary=pieces, target_vocabulary=pieces)
    return sum(weights.numel() for weights in model.parameters())


# The paper rounds, and says only that its vocabulary has about 37,000 tokens.
@pytest.mark.parametrize(
    ("file", "exactly", "published"), [("wmt14_base.yaml", 63_082_496, 65e6), ("wmt14_big.yaml", 214_245_376, 213e6)]
)
def test_the_number_of_parameters_is_the_paper_s(file: str, exactly: int, published: float) -> None:
    assert parameters(load_experiment(EXPERIMENTS / file)) == exactly
    assert exactly == pytest.approx(published, rel=0.03)


def test_rows_of_table_3_differ_from_base_in_parameters_as_the_paper_s_do() -> None:
    rows = read_sweep(REPOSITORY / "search_spaces" / "table3_full.yaml").rows
    found = {row: parameters(experiment) for row, experiment in rows.items()}
    of_width_512 = {row: round(PUBLISHED.get(row, 65) - 65) for row in (*PUBLISHED, *AS_BASE)}
    for row, difference in of_width_512.items():
        assert (found[row] - found["base"]) / 1e6 == pytest.approx(difference, abs=1.1), row
    # The rows of other widths hold vocabularies of other sizes; no single vocabulary has all of the paper's numbers.
    assert found.keys() - of_width_512.keys() == {"c-d256", "c-d1024", "big"}


def test_table_3_in_small_varies_what_the_paper_s_does() -> None:
    small, full = (read_sweep(REPOSITORY / "search_spaces" / name).rows for name in ("table3.yaml", "table3_full.yaml"))
    a_quarter = {"b-dk4": "b-dk16", "b-dk8": "b-dk32", "c-d64": "c-d256", "c-d256": "c-d1024"}
    a_quarter |= {"c-ff256": "c-ff1024", "c-ff1024": "c-ff4096"}
    assert [a_quarter.get(row, row) for row in small] == list(full)
    for row, experiment in small.items():
        ours, paper = experiment.model, full[a_quarter.get(row, row)].model
        widths = ("d_model", "d_ff", "d_k")
        assert [4 * getattr(ours, key) if getattr(ours, key) else None for key in widths] == [
            getattr(paper, key) for key in widths
        ]
        same = ("heads", "encoder_layers", "decoder_layers", "dropout", "positions")
        assert [getattr(ours, key) for key in same] == [getattr(paper, key) for key in same]
        assert experiment.training.label_smoothing == full[a_quarter.get(row, row)].training.label_smoothing


def test_the_learning_rate_peaks_where_the_paper_s_does() -> None:
    for file in ("wmt14_base.yaml", "wmt14_big.yaml"):
        experiment = load_experiment(EXPERIMENTS / file)
        warmup = experiment.training.schedule.warmup_updates
        # Equation 3.
        assert experiment.training.optimizer.learning_rate == pytest.approx((experiment.model.d_model * warmup) ** -0.5)
