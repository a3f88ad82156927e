"""Minimum Bayes risk takes the drawn hypothesis with the largest mean utility, and each row's draws are its own."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF
from test_generate import BOUNDS, decided_model, sources
from torch import Tensor

from intelligen.config.schema.decoding import Mbr, Sample
from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.decoding.minimum_bayes_risk import least_risk
from intelligen.decoding.token_sampling import row_uniforms
from intelligen.evaluation.text_utility import TextUtility

torch.set_num_threads(1)
ROWS = np.arange(len(BOUNDS))
WIDTH = max(BOUNDS)


def words(rows: Sequence[Sequence[int]]) -> list[str]:
    return [" ".join(f"w{token}" for token in row if token not in (PAD, EOS)) for row in rows]


UTILITY = TextUtility(words)


def uniforms(rows: np.ndarray, samples: int) -> Tensor:
    return row_uniforms(11, rows, width=WIDTH, samples=samples)


@pytest.mark.parametrize("utility", ["chrf", "bleu"])
def test_the_best_of_the_drawn_ones_is_found_by_a_plain_loop_over_sacrebleu(utility: str) -> None:
    model, bounds, samples = decided_model(), torch.tensor(BOUNDS), 11
    search = Mbr(samples=samples, temperature=1.3, top_k=9, utility=utility)  # type: ignore[arg-type]
    found = generate(
        model, sources(), search, max_lengths_B=bounds, uniforms_NT=uniforms(ROWS, samples), utility=UTILITY
    )
    how = {"max_lengths_B": bounds, "uniforms_NT": uniforms(ROWS, samples), "samples": samples}
    drawn = words(generate(model, sources(), search.drawing, **how).tokens_NT.tolist())
    metric = CHRF() if utility == "chrf" else BLEU(effective_order=True)
    for row, text in enumerate(words(found.tokens_NT.tolist())):
        own = drawn[samples * row : samples * (row + 1)]
        means = [sum(metric.sentence_score(one, [other]).score for other in own) for one in own]
        assert text in own
        assert means[own.index(text)] == pytest.approx(max(means))
    assert len(set(drawn)) > len(BOUNDS)


def test_a_row_s_hypothesis_depends_on_no_other_row() -> None:
    model, bounds, search = decided_model(), torch.tensor(BOUNDS), Mbr(samples=10, temperature=1.3)
    together = generate(model, sources(), search, max_lengths_B=bounds, uniforms_NT=uniforms(ROWS, 10), utility=UTILITY)
    for row in (0, 3, 8):
        alone = generate(
            model,
            sources()[row, None],
            search,
            max_lengths_B=bounds[row, None],
            uniforms_NT=uniforms(ROWS[row, None], 10),
            utility=UTILITY,
        )
        assert words(alone.tokens_NT.tolist()) == words(together.tokens_NT[row, None].tolist())


def test_its_first_draw_is_what_the_search_sample_draws() -> None:
    model, bounds = decided_model(), torch.tensor(BOUNDS)
    one = generate(model, sources(), Sample(), max_lengths_B=bounds, uniforms_NT=uniforms(ROWS, 1))

    def only_the_first(hypotheses: Sequence[Sequence[int]], *, metric: str) -> np.ndarray:
        return np.eye(len(hypotheses))[:, :1] * np.ones(len(hypotheses))

    found = generate(
        model, sources(), Mbr(samples=9), max_lengths_B=bounds, uniforms_NT=uniforms(ROWS, 9), utility=only_the_first
    )
    assert words(found.tokens_NT.tolist()) == words(one.tokens_NT.tolist())


def test_what_was_drawn_twice_counts_twice_and_of_equals_the_first_is_taken() -> None:
    tokens = torch.tensor([[5, EOS, PAD], [6, 7, EOS], [6, 7, EOS], [8, EOS, PAD], [5, EOS, PAD], [6, 7, EOS]])
    drawn = [Hypotheses(tokens[:, :3], torch.arange(6.0))]

    def alike(hypotheses: Sequence[Sequence[int]]) -> np.ndarray:
        return np.eye(len(hypotheses))

    found = least_risk(drawn, sources=2, utility=alike)
    assert found.tokens_NT.tolist() == [[6, 7, EOS], [8, EOS, PAD]]
    assert found.log_probs_N is not None
    assert found.log_probs_N.tolist() == [1.0, 3.0]


def test_prefixes_are_gone_on_from() -> None:
    prefix = torch.tensor([[PAD, 7], [5, 6], [PAD, PAD]])
    found = generate(
        decided_model(),
        sources()[:3],
        Mbr(samples=9),
        max_lengths_B=torch.tensor([8, 8, 8]),
        prefix_NT=prefix,
        uniforms_NT=uniforms(ROWS[:3], 9),
        utility=UTILITY,
    )
    assert [row[:2] for row in found.tokens_NT.tolist()][1] == [5, 6]
    assert next(token for token in found.tokens_NT.tolist()[0] if token != PAD) == 7
