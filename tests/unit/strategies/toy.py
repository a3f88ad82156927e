"""A model so small that all its outputs can be listed: what training estimates is then a sum over the list."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.batches import Batch, Rows
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.models.encoder_output import TransformerEncoderOutput
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.strategies.base import UpdateContext

torch.set_num_threads(1)
WORDS = {UNK: "what", 4: "ape", 5: "bee"}
VOCABULARY = 6
LONGEST = 3
"""Tokens of the longest output, EOS included: 40 outputs in all."""


def toy_model(*, seed: int = 22, dropout: float = 0.0) -> Seq2SeqTransformer:
    """A model in float64, so that tests need next to no tolerance; some of its outputs end early, some do not."""
    config = Seq2Seq(
        d_model=8,
        d_ff=12,
        heads=2,
        encoder_layers=1,
        decoder_layers=1,
        dropout=dropout,
        max_positions=16,
        tied_embeddings="none",
    )
    torch.manual_seed(seed)
    return Seq2SeqTransformer(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY).double()


def toy_batch() -> Batch:
    """Sources and references of several lengths, in the layout of the loader."""
    sources = [[4, 5, 4, EOS], [5, EOS], [4, 4, EOS], [5, 5, 4, EOS]]
    references = [[5, 4, EOS], [4, 5, 5, 4, EOS], [4, EOS], [5, 5, 4, EOS]]
    return batch_of(sources, references)


def batch_of(sources: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> Batch:
    """Rows 0, 1, … of a split, as an update of their own."""
    return Batch(
        source_BS=_padded(sources),
        target_in_BT=_padded([[BOS, *reference[:-1]] for reference in references]),
        target_out_BT=_padded(references),
        rows=np.arange(len(sources)),
        update_targets=sum(map(len, references)),
        update_rows=len(sources),
    )


def without_targets(batch: Batch) -> Batch:
    """What a rank gets that has no row of an update."""
    return replace(batch, target_out_BT=torch.full_like(batch.target_out_BT, PAD))


def select(batch: Batch, rows: Sequence[int]) -> Batch:
    """These rows of a batch, as a micro-batch of the same update."""
    index = list(rows)
    return replace(
        batch,
        source_BS=batch.source_BS[index],
        target_in_BT=batch.target_in_BT[index],
        target_out_BT=batch.target_out_BT[index],
        rows=batch.rows[index],
    )


def pad(batch: Batch, *, columns: int) -> Batch:
    """The same rows with more padding on every side."""
    names = ("source_BS", "target_in_BT", "target_out_BT")
    wider = {name: torch.nn.functional.pad(getattr(batch, name), (0, columns), value=PAD) for name in names}
    return replace(batch, **wider)


def decode(rows: Sequence[Sequence[int]]) -> list[str]:
    """Token ids → text."""
    return [" ".join(WORDS[token] for token in row) for row in rows]


def every_output(longest: int = LONGEST) -> list[list[int]]:
    """All that the model can generate: token lists that end in EOS or at `longest` tokens."""
    if longest == 0:
        return [[]]
    return [[EOS]] + [[token, *rest] for token in WORDS for rest in every_output(longest - 1)]


def next_log_probs(
    model: Seq2SeqTransformer, source_1S: Tensor, prefix: Sequence[int], *, temperature: float = 1.0
) -> Tensor:
    """Log-probabilities [T + 1, V] after 0, 1, …, T tokens of a prefix, as generation has them: no PAD, no BOS."""
    logits_TV = model(source_1S, torch.tensor([[BOS, *prefix]]))[0] / temperature
    impossible_V = torch.tensor([token in (PAD, BOS) for token in range(VOCABULARY)])
    return logits_TV.masked_fill(impossible_V, -math.inf).log_softmax(dim=-1)


def output_log_prob(
    model: Seq2SeqTransformer, source_1S: Tensor, output: Sequence[int], *, temperature: float = 1.0
) -> Tensor:
    """Log p(output | source), with its gradient: a pass of its own, without any padding."""
    log_probs_TV = next_log_probs(model, source_1S, output[:-1], temperature=temperature)
    return log_probs_TV[range(len(output)), output].sum()


@torch.no_grad()
def greedy_output(model: Seq2SeqTransformer, source_1S: Tensor, *, longest: int) -> list[int]:
    """The most probable next token, again and again."""
    output: list[int] = []
    while len(output) < longest and EOS not in output:
        output.append(int(next_log_probs(model, source_1S, output)[-1].argmax()))
    return output


@torch.no_grad()
def draws_of(
    model: Seq2SeqTransformer, source_1S: Tensor, output: Sequence[int], *, temperature: float = 1.0
) -> list[float]:
    """Uniforms [LONGEST] that make sampling draw this output: the middle of each token's interval of the CDF."""
    probs_TV = next_log_probs(model, source_1S, output[:-1], temperature=temperature).exp()
    middles = [float(p_V[:token].sum() + p_V[token] / 2) for p_V, token in zip(probs_TV, output, strict=True)]
    return middles + [0.5] * (LONGEST - len(output))


@dataclass(frozen=True)
class ChosenDraws(UpdateContext):
    """A step whose rollouts draw with chosen numbers [N, T], one row per hypothesis."""

    draws_NT: Tensor = field(kw_only=True)

    def uniforms(
        self, purpose: str, rows: Rows, *, width: int, samples: int = 1, device: torch.device | None = None
    ) -> Tensor:
        """The chosen numbers."""
        assert self.draws_NT.size(0) == len(rows) * samples
        return self.draws_NT[:, :width]


@contextmanager
def listening(model: Seq2SeqTransformer) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """What the decoder reads in gradient passes, and the logits that it gives."""
    heard: list[tuple[Tensor, Tensor]] = []

    def recording(
        decoder: Callable[[Tensor, TransformerEncoderOutput], Tensor],
    ) -> Callable[[Tensor, TransformerEncoderOutput], Tensor]:
        def states(inputs: Tensor, memory: TransformerEncoderOutput) -> Tensor:
            states_NTD = decoder(inputs, memory)
            if torch.is_grad_enabled():
                heard.append((inputs, model.project(states_NTD.detach())))
            return states_NTD

        return states

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "states", recording(model.states))
        patch.setattr(model, "mixture_states", recording(model.mixture_states))
        yield heard


def gradient(total: Tensor, model: Seq2SeqTransformer) -> Tensor:
    """The gradient of a scalar in all weights, as one vector; weights that it does not reach count 0."""
    weights = list(model.parameters())
    parts = torch.autograd.grad(total, weights, allow_unused=True, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


def rows_of(batch: Batch) -> list[tuple[Tensor, list[int]]]:
    """Each row's source [1, S] and reference, without padding."""
    pairs = zip(batch.source_BS, batch.target_out_BT, strict=True)
    return [(source_S[source_S != PAD][None], out_T[out_T != PAD].tolist()) for source_S, out_T in pairs]


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])
