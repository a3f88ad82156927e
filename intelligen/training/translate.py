"""What a trained model says of free text: a translation, an answer, a continuation, a label."""

from collections import Counter
from collections.abc import Sequence

from intelligen.config.schema.decoding import DecodingSearch
from intelligen.data.text_lines import one_line
from intelligen.training.trained_model import TrainedModel

LINES_TOGETHER = 64
"""So many lines of a stream are translated at once. Others would be padded otherwise: not to the last bit the same."""


def translate(
    trained: TrainedModel, lines: Sequence[str], *, search: DecodingSearch, notes: Counter[str] | None = None
) -> list[str]:
    """Answer lines together: one line for each, and an empty one for an empty one.

    Text is prepared as the training data were (lower-cased where they were, line breaks inside replaced).

    Args:
        trained: The model.
        lines: Text.
        search: How hypotheses are searched for.
        notes: Counters: `line_breaks` (lines that had some inside) and `cut` (lines longer than `data.max_tokens`, of
            which only so much is read).

    """
    notes = Counter() if notes is None else notes
    lines = [one_line(line, notes) for line in lines]
    full = [index for index, line in enumerate(lines) if line.strip()]
    translations = [""] * len(lines)
    if not full:
        return translations
    found = trained.task.predict(
        trained.model,
        [lines[index] for index in full],
        prepared=trained.prepared,
        search=search,
        decoding=trained.trial.decoding,
        device=trained.device,
        notes=notes,
    )
    for index, text in zip(full, found, strict=True):
        translations[index] = one_line(text, Counter())  # a vocabulary may have learnt a line break
    return translations
