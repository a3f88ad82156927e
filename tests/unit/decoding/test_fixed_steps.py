"""Steps of a fixed size find what the steps of a growing cache find, and so does what replays them as a graph does."""

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import DecoderOnly, Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.decoding import fixed_steps
from intelligen.decoding.fixed_steps import FixedSteps
from intelligen.decoding.generate import generate
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator

torch.set_num_threads(1)
VOCABULARY = 12
SHAPE: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 2, "dropout": 0.1, "max_positions": 24}
MODELS = {
    "seq2seq": Seq2Seq(**SHAPE, encoder_layers=1, decoder_layers=2, positions="learned", d_k=5, d_v=7),
    "decoder_only": DecoderOnly(**SHAPE, layers=2),
}
SEARCHES: dict[str, DecodingSearch] = {"greedy": Greedy(), "beam": Beam(size=3), "sample": Sample(top_k=8)}


def sources(rows: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(rows)
    source_BS = torch.randint(4, VOCABULARY, (rows, width), generator=generator)
    lengths_B = torch.randint(1, width + 1, (rows,), generator=generator)
    return source_BS.masked_fill(torch.arange(width) >= lengths_B[:, None], PAD)


def searched(model: Generator, search: DecodingSearch, *, rows: int, width: int, prefix: bool = False) -> Hypotheses:
    samples = 2 if isinstance(search, Sample) else 1
    hypotheses, generator = rows * samples, torch.Generator().manual_seed(width)
    prefix_NT = sources(hypotheses, 4).flip(1) if prefix else None
    return generate(
        model,
        sources(rows, width),
        search,
        max_lengths_B=torch.randint(6, 18, (rows,), generator=generator),
        uniforms_NT=torch.rand(hypotheses, 18, generator=generator) if isinstance(search, Sample) else None,
        samples=samples,
        prefix_NT=prefix_NT,
        log_probs=True,
    )


def both(name: str) -> tuple[Generator, Generator]:
    growing, fixed = (build_model(MODELS[name], {"source": VOCABULARY, "target": VOCABULARY}, seed=4) for _ in range(2))
    for model in (growing, fixed):
        for weight in model.parameters():
            weight.data.mul_(1.5)  # so that its choices are less alike
    fixed.cuda_graphs = True
    return growing, fixed


def require_same(found: Hypotheses, expected: Hypotheses) -> None:
    assert torch.equal(found.tokens_NT, expected.tokens_NT)
    torch.testing.assert_close(found.log_probs_N, expected.log_probs_N)


@pytest.mark.parametrize("prefix", [False, True], ids=["from the beginning", "from prefixes"])
@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", MODELS)
def test_searches_find_the_same(name: str, search: str, prefix: bool) -> None:
    growing, fixed = both(name)
    # The third search takes up the step of the first, in which another search has left its keys.
    for rows, width in ((5, 6), (3, 20), (7, 9), (1, 1)):
        size = {"rows": rows, "width": width, "prefix": prefix}
        require_same(searched(fixed, SEARCHES[search], **size), searched(growing, SEARCHES[search], **size))
    assert len(fixed_steps._STEPS[fixed]._steps) == 3


def test_nothing_of_an_earlier_search_is_left() -> None:
    growing, fixed = both("seq2seq")
    searched(fixed, Greedy(), rows=5, width=6)
    (step,) = fixed_steps._STEPS[fixed]._steps.values()
    with torch.inference_mode():
        for held in (step.cache._kv_LNHKW, step.cache._source_kv_LBHSW):
            held.fill_(torch.nan)
    require_same(searched(fixed, Greedy(), rows=5, width=6), searched(growing, Greedy(), rows=5, width=6))


def test_new_weights_are_read() -> None:
    growing, fixed = both("decoder_only")
    before = searched(fixed, Greedy(), rows=5, width=6)
    for model in (growing, fixed):
        for weight in model.parameters():
            weight.data.mul_(-0.5)
    found = searched(fixed, Greedy(), rows=5, width=6)
    require_same(found, searched(growing, Greedy(), rows=5, width=6))
    assert found.log_probs_N is not None
    assert not torch.equal(found.log_probs_N, before.log_probs_N)


def test_steps_take_a_bounded_memory_and_go_with_their_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_steps, "MOST_BYTES", 0)
    _, fixed = both("seq2seq")
    for width in (6, 20):
        searched(fixed, Greedy(), rows=5, width=width)
    (shape, _), *others = fixed_steps._STEPS[fixed]._steps
    assert shape.source_width == 32
    assert not others
    count = len(fixed_steps._STEPS)
    del fixed
    gc.collect()
    assert len(fixed_steps._STEPS) < count


class _Recorder:
    """Stands in for the one of a GPU."""

    error: RuntimeError | None = None

    def __init__(self) -> None:
        self.replayed = 0

    def record(self, run: Callable[[], None]) -> "_Recorder":
        if self.error is not None:
            raise self.error
        for _ in range(4):
            run()
        step = next(cell.cell_contents for cell in run.__closure__ or () if hasattr(cell.cell_contents, "cache"))
        self._run, self._step, self._written = run, step, step._logits_N1V
        return self

    def replay(self) -> None:
        """A graph writes to the memory that it was recorded with, and Python's objects stay as they are."""
        self._run()
        self._written.copy_(self._step._logits_N1V)
        self._step._logits_N1V = self._written
        self.replayed += 1


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[_Recorder]:
    made: list[_Recorder] = []

    def begin(_device: torch.device) -> _Recorder:
        made.append(_Recorder())
        return made[-1]

    monkeypatch.setattr(fixed_steps, "_recorder", begin)
    return made


@pytest.mark.parametrize("search", SEARCHES)
def test_a_graph_finds_the_same(search: str, recorders: list[_Recorder]) -> None:
    growing, fixed = both("seq2seq")
    for _ in range(2):
        found = searched(fixed, SEARCHES[search], rows=5, width=6)
        require_same(found, searched(growing, SEARCHES[search], rows=5, width=6))
    assert recorders[0].replayed >= found.tokens_NT.size(1)


def test_where_no_step_can_be_recorded_that_is_said_once(
    recorders: list[_Recorder], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_Recorder, "error", RuntimeError("operation not permitted\nwhile it is recorded"))
    growing, fixed = both("seq2seq")
    with caplog.at_level(logging.WARNING):
        for width in (6, 20):
            found = searched(fixed, Greedy(), rows=5, width=width)
            require_same(found, searched(growing, Greedy(), rows=5, width=width))
    (record,) = caplog.records
    assert record.getMessage().endswith("decoding goes on without: operation not permitted")


def test_a_shortage_of_memory_is_raised_and_leaves_no_step(
    recorders: list[_Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fixed = both("seq2seq")
    searched(fixed, Greedy(), rows=5, width=6)
    monkeypatch.setattr(_Recorder, "error", torch.OutOfMemoryError("Tried to allocate 1.00 GiB."))
    with pytest.raises(torch.OutOfMemoryError):
        searched(fixed, Greedy(), rows=5, width=20)
    steps: FixedSteps = fixed_steps._STEPS[fixed]
    assert not steps._steps
