"""Chat with a trained model: a line is answered token by token, with the turns before it in sight."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from intelligen.config.schema.decoding import DecodingSearch
from intelligen.data.special_tokens import EOS
from intelligen.data.text_lines import one_line
from intelligen.decoding.length_bound import LengthBound
from intelligen.decoding.streaming import stream_tokens
from intelligen.errors import ConfigError
from intelligen.tasks.base import whole
from intelligen.tasks.text_generation import TextGeneration
from intelligen.training.trained_model import TrainedModel


@dataclass
class Chat:
    """One conversation.

    Args:
        trained: The model.
        search: How answers are searched for.
        turns: So many earlier lines, each with its answer, are read before a line, as far as `data.max_tokens` goes.

    Raises:
        ConfigError: The model's task is none in which one text answers another.

    """

    trained: TrainedModel
    search: DecodingSearch
    turns: int = 0
    cut: bool = field(default=False, init=False)
    """Whether a line was longer than `data.max_tokens`, of which only so much of its end was read."""
    _said: list[str] = field(default_factory=list, init=False)
    """Lines and their answers, in turn."""

    def __post_init__(self) -> None:
        if not isinstance(self.trained.task, TextGeneration):
            raise ConfigError(
                f"{self.trained.directory}: a model of the task {self.trained.trial.task.name} does not answer; use"
                " `intelligen inference`"
            )

    def reset(self) -> None:
        """Forget what was said."""
        self._said.clear()

    def answer(self, line: str) -> Iterator[str]:
        """The answer to a line, in pieces of text as they are found; none to an empty line.

        What was found of an answer that is not awaited to its end is what later lines see of it.
        """
        line = one_line(line, Counter())
        if not line.strip():
            return
        turn = len(self._said)
        source, bound = self._source(line)
        self._said += [line, ""]
        task, model = self.trained.task, self.trained.model
        assert isinstance(task, TextGeneration)
        tokens: list[int] = []
        shown = found = ""
        utility = task.utility(self.trained.prepared)
        for token in stream_tokens(model, source, self.search, most=bound, utility=utility):  # type: ignore[arg-type] # a Generator
            tokens.append(token)
            found = self._said[turn + 1] = one_line(task.written(self.trained.prepared, [tokens])[0], Counter())
            # A character may lack its last bytes, and what joins words may take back a space.
            if found.startswith(shown) and not found.endswith("\ufffd"):
                yield found[len(shown) :]
                shown = found
        if rest := found[_shared(shown, found) :]:
            yield rest

    def _source(self, line: str) -> tuple[torch.Tensor, int]:
        """What the model reads, and the largest number of tokens of its answer."""
        task, most = self.trained.task, self.trained.prepared.manifest.data.max_tokens
        assert isinstance(task, TextGeneration)

        def pieces(texts: list[str]) -> list[int]:
            return whole([" ".join(texts)], self.trained.prepared, task.source)[0]

        before = self._said[-2 * self.turns :] if self.turns else []
        while before and len(pieces([*before, line])) > most:
            before = before[2:]
        ids = pieces([*before, line])
        self.cut = self.cut or len(ids) > most
        source_1S = torch.tensor([[*ids[-most:], EOS]], device=self.trained.device)
        return source_1S, int(LengthBound.of(self.trained.trial.decoding).of_sources(source_1S)[0])


def _shared(one: str, other: str) -> int:
    """Characters that two texts have in common at their beginning."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)
