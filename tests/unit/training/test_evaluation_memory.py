"""What does not fit is evaluated again in smaller batches, down to one row; the shortages are real ones."""

import numpy as np
import pytest
import torch

from intelligen.config.schema.decoding import Decoding
from intelligen.data.batches import PaddedPart
from intelligen.errors import MemoryShortageError
from intelligen.training.evaluation_memory import Evaluated, evaluate_within_memory
from intelligen.training.memory_shortage import Shortage
from intelligen.training.trial_memory import halved

CPU = torch.device("cpu")
LENGTHS = np.array([2, 10, 3, 10, 4])


def evaluated(tried: list[int], *, at_most: int) -> Evaluated[str]:
    def evaluate(decoding: Decoding) -> str:
        tried.append(decoding.batch_tokens)
        if decoding.batch_tokens > at_most:
            torch.empty(10**15)
        return "found"

    return evaluate_within_memory(evaluate, Decoding(batch_tokens=4096), lengths=lambda: LENGTHS, device=CPU)


def test_what_fits_is_evaluated_once():
    tried: list[int] = []
    found = evaluated(tried, at_most=4096)
    assert (found.values, found.batch_tokens, found.shortage, tried) == (["found"], 4096, None, [4096])


def test_what_does_not_fit_is_halved_from_the_largest_batch_on():
    tried: list[int] = []
    found = evaluated(tried, at_most=12)
    assert (found.values, found.batch_tokens, tried) == (["found"], 10, [4096, 25, 10])
    assert found.shortage is not None
    assert found.shortage.bytes_asked == 4 * 10**15
    assert (found.shortage.bytes_free or 0) > 0


def test_where_not_even_single_rows_fit_the_longest_is_named():
    with pytest.raises(MemoryShortageError, match=r"not even a row of 10 tokens fits by itself: 4,000,"):
        evaluated([], at_most=0)


def test_half_of_a_part_is_less_than_it_and_a_row_has_no_half():
    shortage = Shortage("refused", None)
    assert halved(PaddedPart(3, 7), shortage) == 10
    with pytest.raises(MemoryShortageError, match=r"^out of memory: not even a row of 7 .*: refused$"):
        halved(PaddedPart(1, 7), shortage)
