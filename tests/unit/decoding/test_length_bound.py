"""Each source has its own bound, whatever stands beside it."""

import torch

from intelligen.config.schema.decoding import Decoding
from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.length_bound import LengthBound

SOURCES = torch.tensor([[4, 5, 6, EOS], [4, EOS, PAD, PAD], [EOS, PAD, PAD, PAD]])


def test_the_bound_grows_with_the_source_s_tokens_and_padding_is_none() -> None:
    bound = LengthBound.of(Decoding(max_length_ratio=1.3, max_length_offset=2))
    assert bound.of_sources(SOURCES).tolist() == [7, 4, 3]
    assert bound.of_sources(torch.nn.functional.pad(SOURCES, (0, 5), value=PAD)).tolist() == [7, 4, 3]


def test_a_longest_length_cuts_the_bound_of_long_sources() -> None:
    assert LengthBound(1.3, 2, longest=4).of_sources(SOURCES).tolist() == [4, 4, 3]
