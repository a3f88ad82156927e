"""Free text in, free text out, by a trained model."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from intelligen.config.decoding import Search
from intelligen.data.lines import one_line
from intelligen.data.tokens import EOS, PAD
from intelligen.decoding.bounds import LengthBound
from intelligen.decoding.generate import generate
from intelligen.training.result import read_trial
from intelligen.training.testing import TrainedModel

LINES_TOGETHER = 64
"""So many lines of a stream are translated at once. Others would be padded otherwise: not to the last bit the same."""


def translate(
    trained: TrainedModel, lines: Sequence[str], *, search: Search, notes: Counter[str] | None = None
) -> list[str]:
    """Translate lines together: one line for each, and an empty one for an empty one.

    Text is prepared as the training data were (lower-cased where they were, line breaks inside replaced).

    Args:
        trained: The model.
        lines: Text.
        search: How hypotheses are searched for.
        notes: Counters: `line_breaks` (lines that had some inside) and `cut` (lines longer than `data.max_tokens`, of
            which only so much is translated).

    """
    notes = Counter() if notes is None else notes
    prepared, model = trained.prepared, trained.model
    lines = [one_line(line, notes) for line in lines]
    full = [index for index, line in enumerate(lines) if line.strip()]
    translations = [""] * len(lines)
    if not full:
        return translations
    texts = [lines[index].lower() if prepared.manifest.data.lowercase else lines[index] for index in full]
    bound = prepared.manifest.data.max_tokens
    encoded = prepared.tokenizer("source").encode(texts)
    notes["cut"] += sum(len(ids) > bound for ids in encoded)
    pieces = [torch.tensor([*ids[:bound], EOS]) for ids in encoded]
    source_BS = pad_sequence(pieces, batch_first=True, padding_value=PAD).to(trained.device)
    bounds_B = LengthBound.of(read_trial(trained.directory).decoding).of_sources(source_BS)
    found = generate(model, source_BS, search, max_lengths_B=bounds_B)
    for index, text in zip(full, prepared.tokenizer("target").decode(found.tokens_NT.tolist()), strict=True):
        translations[index] = one_line(text, Counter())  # a vocabulary may have learnt a line break
    return translations
