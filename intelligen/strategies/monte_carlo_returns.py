"""Monte-Carlo returns: a token is worth the expected reward of its sample, by completing prefixes."""

from dataclasses import replace
from typing import assert_never

import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.decoding import Greedy, Sample
from intelligen.config.schema.single_strategies import Adversarial
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.interfaces import Generator
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.discriminator import DiscriminatorTrainer, bare
from intelligen.strategies.rewards import Decode, sentence_rewards

MOST_ROWS = 1024
"""Rows that are sampled at once, as far as one source's allow."""


def cuts(reference_lengths_N: Tensor, cut_points: int) -> Tensor:
    """Where samples are cut, (N, M): after ⌈m·T/(M + 1)⌉ tokens, m = 1, …, M, T = the reference's length.

    A cut must not depend on where the sample itself ends: completions from a place that is chosen by the sample's
    future represent other futures than that one, and the gradient's estimate would be biased.
    """
    m_M = torch.arange(1, cut_points + 1, device=reference_lengths_N.device)
    return (m_M * reference_lengths_N[:, None] + cut_points) // (cut_points + 1)


def prefixes(sampled_NT: Tensor, kept_NM: Tensor) -> Tensor:
    """The first `kept_NM` tokens of each sample, behind PAD on the left: (N·M, P)."""
    longest = int(kept_NM.max())
    position_NMP = torch.arange(longest, device=sampled_NT.device) - (longest - kept_NM)[:, :, None]
    token_NMT = sampled_NT[:, None, :].expand(-1, kept_NM.size(1), -1)
    return token_NMT.gather(2, position_NMP.clamp(min=0)).masked_fill(position_NMP < 0, PAD).flatten(0, 1)


def token_values(cut_rewards_NM: Tensor, rewards_N: Tensor, cuts_NM: Tensor, *, width: int) -> Tensor:
    """Value (N, T) of each token: the reward at the first cut at or behind it, or else of the whole sample.

    Args:
        cut_rewards_NM: Mean reward of the completions from each cut.
        rewards_N: Reward of the whole sample.
        cuts_NM: Tokens before each cut, ascending; M may be 0.
        width: T.

    """
    position_T = torch.arange(1, width + 1, device=rewards_N.device)
    segment_NT = (position_T[None, :, None] > cuts_NM[:, None, :]).sum(dim=2)
    return torch.cat([cut_rewards_NM, rewards_N[:, None]], dim=1).gather(1, segment_NT)


class Sampler:
    """Draws from the generator within the rollout's bound.

    Args:
        model: The unwrapped generator.
        settings: Temperature, and the bound where it is given.
        rollout_bound: Of a rollout's length, beside the strategy's own `max_length` and the model's positions.

    """

    def __init__(self, model: Generator, settings: Adversarial, *, rollout_bound: LengthBound) -> None:
        self._model = model
        self._search = Sample(temperature=settings.temperature)
        longest = min(settings.max_length or model.max_positions, model.max_positions)
        self._bound = replace(rollout_bound, longest=longest)

    def bounds(self, batch: Batch) -> Tensor:
        """Most tokens (B,) of a rollout, EOS included."""
        return self._bound.of_sources(batch.source_BS)

    def sample(
        self, batch: Batch, step: UpdateContext, purpose: str, *, samples: int, prefix_NT: Tensor | None = None
    ) -> Tensor:
        """(B·samples, T) tokens, prefixes included; draws are named by their purpose.

        So many sources at a time that memory stays bounded: a draw does not depend on the rows beside it.
        """
        bounds_B, device = self.bounds(batch), batch.source_BS.device
        width, at_once = self._bound.of_width(batch.source_BS), max(1, MOST_ROWS // samples)
        parts = []
        for start in range(0, len(batch.rows), at_once):
            sources, rows = slice(start, start + at_once), slice(start * samples, (start + at_once) * samples)
            uniforms_NT = step.uniforms(purpose, batch.rows[sources], width=width, samples=samples, device=device)
            part_NT = generate(
                self._model,
                batch.source_BS[sources],
                self._search,
                max_lengths_B=bounds_B[sources],
                uniforms_NT=uniforms_NT,
                samples=samples,
                prefix_NT=None if prefix_NT is None else prefix_NT[rows],
            ).tokens_NT
            parts.append(part_NT)
        longest = max(part_NT.size(1) for part_NT in parts)
        return torch.cat([F.pad(part_NT, (0, longest - part_NT.size(1)), value=PAD) for part_NT in parts])

    def most_probable(self, batch: Batch) -> Tensor:
        """(B, T) tokens of the greedy hypotheses."""
        return generate(self._model, batch.source_BS, Greedy(), max_lengths_B=self.bounds(batch)).tokens_NT


class ReturnEstimator:
    """Says what samples and their tokens are worth.

    Args:
        settings: The reward's, the cuts' and the baseline's knobs.
        sampler: Completes prefixes.
        trainer: Scores texts by the discriminator.
        decode: Token ids → text, for the sentence metric.
        tokenizer: BLEU's, likewise.

    """

    def __init__(
        self,
        settings: Adversarial,
        *,
        sampler: Sampler,
        trainer: DiscriminatorTrainer,
        decode: Decode,
        tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
    ) -> None:
        self._settings = settings
        self._sampler = sampler
        self._trainer = trainer
        self._decode = decode
        self._tokenizer: BleuTokenizer = tokenizer

    def rewards(self, hypothesis_NT: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """R = λ·D + (1 − λ)·metric (Yang et al. 2018) and D of n ≥ 1 hypotheses per source, both (N,)."""
        share, n = self._settings.adversarial_weight, hypothesis_NT.size(0) // batch.source_BS.size(0)
        bare_NT = bare(hypothesis_NT, self._sampler.bounds(batch).repeat_interleave(n))
        scored_N = self._trainer.score(batch.source_BS.repeat_interleave(n, dim=0), bare_NT)
        references_NT = batch.target_out_BT.repeat_interleave(n, dim=0)
        metric_N = sentence_rewards(
            hypothesis_NT, references_NT, decode=self._decode, name=self._settings.reward, tokenizer=self._tokenizer
        )
        return share * scored_N + (1 - share) * metric_N, scored_N

    def values(self, sampled_NT: Tensor, rewards_N: Tensor, batch: Batch, step: UpdateContext) -> Tensor:
        """Value (N, T) of each token of samples with these rewards: Monte-Carlo search (Yu et al. 2017, eq. 4)."""
        m, n, width = self._settings.cut_points, self._settings.completions, sampled_NT.size(1)
        if m == 0:
            return rewards_N[:, None].expand(-1, width)
        samples = self._settings.samples
        reference_lengths_B = (batch.target_out_BT != PAD).sum(dim=1)
        cuts_NM = cuts(reference_lengths_B.repeat_interleave(samples), m)
        lengths_N1 = (sampled_NT != PAD).sum(dim=1, keepdim=True)
        # A sample that ends before a cut has nothing to complete: its row only goes along, without its last token.
        prefix_NP = prefixes(sampled_NT, torch.minimum(cuts_NM, lengths_N1 - 1).clamp(min=0))
        completed_NT = self._sampler.sample(
            batch, step, "completion", samples=samples * m * n, prefix_NT=prefix_NP.repeat_interleave(n, dim=0)
        )
        completed_N, _ = self.rewards(completed_NT, batch)
        cut_rewards_NM = torch.where(cuts_NM < lengths_N1, completed_N.view(-1, m, n).mean(dim=2), rewards_N[:, None])
        return token_values(cut_rewards_NM, rewards_N, cuts_NM, width=width)

    def baseline(self, rewards_N: Tensor, batch: Batch, *, average: float) -> Tensor:
        """What is subtracted (N,) from the values of samples with these rewards.

        None of it depends on the sample that it is subtracted for, so the gradient's expectation stays as it is.
        """
        match self._settings.baseline:
            case "half":
                # The source's form is λ·(D − 0.5) + (1 − λ)·metric.
                return torch.full_like(rewards_N, self._settings.adversarial_weight * 0.5)
            case "ema":
                return torch.full_like(rewards_N, average)
            case "greedy":
                greedy_B, _ = self.rewards(self._sampler.most_probable(batch), batch)
                return greedy_B.repeat_interleave(self._settings.samples)
            case "leave_one_out":
                n = self._settings.samples
                reward_Bn = rewards_N.view(-1, n)
                return ((reward_Bn.sum(dim=1, keepdim=True) - reward_Bn) / (n - 1)).flatten()
            case baseline:
                assert_never(baseline)
