"""Interfaces of the networks: decoding, evaluation and training know a network by these alone.

Tokens are the ids of `data/special_tokens.py`. Sources end in EOS, targets begin with BOS, both are right-padded.
A target batch has N = B·n rows: n ≥ 1 adjacent rows for each of B sources.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self

from torch import Tensor, nn
from typing_extensions import TypeVar

from intelligen.models.losses import Targets, token_losses

Part = Literal["encoder", "decoder", "embeddings"]
"""What of a network may be trained before it, or kept as it is."""


class Network(nn.Module):
    """What is trained: a generator or a classifier."""

    compiled: bool = False
    """Whether its layers are compiled where they are trained."""
    flash_attention: bool = False
    """Whether, in half precision, its sources are attended to by segments in the place of a mask."""
    cuda_graphs: bool = False
    """Whether its decoding steps have a fixed size, so that a GPU runs each as one graph."""

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """Part → how the names of its tensors in `state_dict` begin; parts may overlap, and none need be named.

        `encoder` and `decoder` take the tables along that they read tokens by. Each prefix of `embeddings` is that of
        one table, whose tensor [V, D] is its `weight`.
        """
        return {}


class TokenPredictor(Network, ABC):
    """A network whose states say which token comes next."""

    @abstractmethod
    def project(self, states: Tensor) -> Tensor:
        """Logits [..., V] of the next token, from states [..., D]."""

    def summed_loss(self, states_NTD: Tensor, targets: Targets) -> Tensor:
        """The sum of the tokens' losses (`losses.token_losses`) after these states."""
        logits_NTV = self.project(states_NTD)
        return token_losses(logits_NTV, targets.tokens_NT, label_smoothing=targets.label_smoothing).sum()


class EncoderOutput(Protocol):
    """What a network keeps of a batch of B sources; only the network that made it looks inside."""

    def select(self, rows_N: Tensor) -> Self:
        """The sources `rows_N`, in that order; a source may come several times."""


class DecoderCache(Protocol):
    """What a network keeps of N target prefixes and their B sources; only the network that made it looks inside.

    The methods change the cache in place. N and B become those of the rows that they keep.
    """

    @property
    def length(self) -> int:
        """Target positions held so far."""

    @property
    def rows(self) -> int:
        """N."""

    @property
    def rows_per_source(self) -> int:
        """The number n = N / B."""

    def reorder(self, rows_N: Tensor) -> None:
        """Row i goes on from what row `rows_N[i]` was; both must belong to the same source."""

    def select(self, sources_B: Tensor) -> None:
        """Keep these sources, each with all its rows, in this order."""

    def select_rows(self, rows_N: Tensor) -> None:
        """Keep these rows alone, in this order; from now on each has a source of its own."""


class Generator(TokenPredictor):
    """Source tokens and a target prefix → logits of the next target token.

    A network decodes in two ways that give the same logits: all positions of known targets in one parallel pass
    (`states`), and position by position with a cache (`extend`). Padding changes nothing: neither behind a source or a
    target, nor before a cached target (`left_padding_N`). `intelligen/conformance/generators.py` checks all of this.

    A decoder-only network reads the source as its prompt: its memory is what it computed of the prompts, its target
    positions follow each prompt's last token, and its `max_positions` leaves room for the longest prompt.
    One that offers `language_modelling` also reads targets without a source, [B, 0], and takes each BOS behind a row's
    first position for the beginning of another document, which sees nothing before it and counts positions from 0.
    `memory` and `cache` parameters are `Any` since each network declares its own types there.

    For several ranks, every trainable weight must take part in every teacher-forced loss, and each tensor of the state
    must be there once: tied weights are one parameter under one name.
    """

    max_positions: int
    """Target positions that the network can read or write, whatever the source."""
    source_vocabulary: int
    """Tokens of the source's vocabulary, the special ones included."""
    target_vocabulary: int
    """V: tokens of the target's vocabulary, the special ones included."""

    @abstractmethod
    def encode(self, source_BS: Tensor) -> EncoderOutput:
        """Read the sources; one of nothing but padding gives finite numbers without a meaning."""

    def for_several_passes(self, encoded: Any) -> Any:
        """The same sources, with what each call of `states` would compute of them alone computed here, once."""
        return encoded

    @abstractmethod
    def states(self, target_in_NT: Tensor, encoded: Any) -> Tensor:
        """States [N, T, D] at all the positions of whole targets, in parallel; those at padding mean nothing."""

    @abstractmethod
    def new_cache(
        self, encoded: Any, *, max_length: int, rows_per_source: int = 1, left_padding_N: Tensor | None = None
    ) -> DecoderCache:
        """Room for `max_length` target positions of n = `rows_per_source` adjacent rows for each source.

        The rows' first `left_padding_N` positions are padding: hidden, and not counted as positions of the target.
        `max_length` counts them. Rows that are over may be carried along behind `max_positions` until they leave: what
        is computed there means nothing, but must not fail.
        """

    @abstractmethod
    def extend(self, tokens_NT: Tensor, cache: Any) -> Tensor:
        """Append T ≥ 1 tokens to every row of the cache; logits [N, T, V] after each of them."""

    def prefill(self, tokens_NT: Tensor, cache: Any) -> None:
        """Append T ≥ 1 tokens to every row of the cache, without their logits."""
        self.extend(tokens_NT, cache)

    def decode(self, target_in_NT: Tensor, encoded: Any) -> Tensor:
        """Logits [N, T, V] at all the positions of whole targets, in parallel."""
        return self.project(self.states(target_in_NT, encoded))

    def forward(self, source_BS: Tensor, target_in_NT: Tensor) -> Tensor:
        """Logits [N, T, V] at all the positions of whole targets, sources and targets read together."""
        return self.decode(target_in_NT, self.encode(source_BS))


class MixtureReader(Generator):
    """A generator that also reads mixtures of tokens, as soft scheduled sampling makes them."""

    @abstractmethod
    def mixture_states(self, mixture_NTV: Tensor, encoded: Any) -> Tensor:
        """States [N, T, D] of whole targets, each position's embedding being the weighted sum of all tokens'."""


class SourcePooler(Generator):
    """A generator that also sums up each source in one state."""

    @abstractmethod
    def pooled(self, encoded: Any) -> Tensor:
        """One state [B, D] of each source, which `project` reads; a gradient through it reaches the whole encoder."""


class Classifier(Network, ABC):
    """Token sequences of a row → logits of its class."""

    classes: int
    """Number of logits."""

    @abstractmethod
    def forward(self, *tokens: Tensor) -> Tensor:
        """Logits [B, classes].

        Args:
            tokens: [B, T] for each sequence of a row, right-padded; widths may differ, and a sequence may be empty.

        """


class PredictingClassifier(Classifier, TokenPredictor):
    """A classifier of one sequence that reads it from left to right, and so can also say what comes next."""

    @abstractmethod
    def classify_and_predict(self, tokens_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, classes], and states [B, T, D] after each token, from one pass; states at padding mean nothing."""


NetworkT = TypeVar("NetworkT", bound=Network)


def offering(model: nn.Module, interface: type[NetworkT]) -> NetworkT:
    """The same model by an interface with more; settings that need what a model lacks are refused before one is built.

    Raises:
        TypeError: It has another one.

    """
    if not isinstance(model, interface):
        raise TypeError(f"{type(model).__name__} is no {interface.__name__}")
    return model


ModelT = TypeVar("ModelT", bound=nn.Module, default=Generator)
"""What a task's models are."""
