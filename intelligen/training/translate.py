"""What a trained model says of free text: a translation, an answer, a continuation, a label."""

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.data.batches import Rows, cut
from intelligen.data.text_lines import one_line
from intelligen.decoding.token_sampling import Uniforms, row_uniforms
from intelligen.tasks.base import encoded, whole
from intelligen.training.evaluation_memory import evaluate_within_memory
from intelligen.training.trained_model import TrainedModel

LINES_TOGETHER = 64
"""So many lines of a stream are translated at once. Others would be padded otherwise: not to the last bit the same."""


def translate(
    trained: TrainedModel, lines: Sequence[str], *, search: DecodingSearch, notes: Counter[str] | None = None
) -> list[str]:
    """Answer lines together: one line for each, and an empty one for an empty one.

    Text is prepared as the training data were (lower-cased where they were, line breaks inside replaced). Where the
    memory does not suffice for all lines at once, they are answered in smaller batches. A search that draws draws the
    same then: a call takes one number from torch's default generator, and each line has its draws from that.

    Args:
        trained: The model.
        lines: Text.
        search: How hypotheses are searched for.
        notes: Counters: `line_breaks` (lines that had some inside) and `cut` (lines longer than `data.max_tokens`, of
            which only so much is read).

    Raises:
        MemoryShortageError: Not even a single line fits.

    """
    notes = Counter() if notes is None else notes
    lines = [one_line(line, notes) for line in lines]
    full = [index for index, line in enumerate(lines) if line.strip()]
    translations = [""] * len(lines)
    if not full:
        return translations
    found = _found(trained, [lines[index] for index in full], search, notes)
    for index, text in zip(full, found, strict=True):
        translations[index] = one_line(text, Counter())  # a vocabulary may have learnt a line break
    return translations


def _found(trained: TrainedModel, texts: Sequence[str], search: DecodingSearch, notes: Counter[str]) -> list[str]:
    """What the model says of texts, none of which is empty: of all at once, or of as many as fit."""
    lengths, key = _lengths(trained, texts), int(torch.randint(2**62, ()))

    def predict(bounded: Decoding) -> tuple[list[str], Counter[str]]:
        found, seen = [""] * len(texts), Counter[str]()
        for rows in _batches(lengths, bounded.batch_tokens):
            answers = trained.task.predict(
                trained.model,
                [texts[row] for row in rows],
                prepared=trained.prepared,
                search=search,
                decoding=trained.trial.decoding,
                device=trained.device,
                notes=seen,
                uniforms=_uniforms(key, rows),
            )
            for row, answer in zip(rows, answers, strict=True):
                found[row] = answer
        return found, seen

    together = trained.trial.decoding.model_copy(update={"batch_tokens": sys.maxsize})
    evaluated = evaluate_within_memory(predict, together, lengths=lambda: lengths, device=trained.device)
    ((found, seen),) = evaluated.values
    notes.update(seen)
    return found


def _lengths(trained: TrainedModel, texts: Sequence[str]) -> Rows:
    """Tokens of each text, its end included, as far as the model reads it."""
    column = trained.trial.task.columns[0]
    if column.windowed:
        pieces = whole(texts, trained.prepared, column.name)
    else:
        pieces = encoded(texts, trained.prepared, column.name, notes=Counter())
    return np.array([len(ids) + 1 for ids in pieces])


def _uniforms(key: int, rows: Sequence[int]) -> Uniforms:
    return lambda width, samples=1: row_uniforms(key, np.array(rows), width=width, samples=samples)


def _batches(lengths: Rows, tokens: int) -> list[list[int]]:
    """Rows of like length together, at most so many padded tokens; within a batch they keep their order."""
    order = np.argsort(-lengths, kind="stable")
    return [np.sort(order[start:end]).tolist() for start, end in pairwise(cut(lengths[order], tokens))]
