"""Hypotheses: what every search returns, tokens up to EOS with their scores."""

from dataclasses import dataclass

from torch import Tensor

from intelligen.data.special_tokens import EOS, PAD


@dataclass(frozen=True)
class Hypotheses:
    """Continuations, one per row; no search ever emits PAD or BOS."""

    tokens_NT: Tensor
    """int64, EOS included where the hypothesis is finished, PAD behind its end."""
    log_probs_N: Tensor | None
    """float32, Σ log p(token | prefix) over the tokens, EOS included, PAD and BOS excluded from the distribution. Beam
    search has them anyway; of other hypotheses they are taken only where they were asked for."""

    @property
    def lengths_N(self) -> Tensor:
        """Tokens of each hypothesis, EOS included."""
        return (self.tokens_NT != PAD).sum(dim=1)

    @property
    def finished_N(self) -> Tensor:
        """Whether a hypothesis ends in EOS, and not at its length bound."""
        return (self.tokens_NT == EOS).any(dim=1)


def trimmed(tokens_NT: Tensor, log_probs_N: Tensor | None) -> Hypotheses:
    """Hypotheses without the columns in which all of them are padding."""
    longest = int((tokens_NT != PAD).any(dim=0).sum())
    return Hypotheses(tokens_NT[:, :longest], log_probs_N)
