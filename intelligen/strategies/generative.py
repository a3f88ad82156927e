"""Generative strategies: a share of the updates trains on the model's own output, by the reference or a reward."""

from dataclasses import replace
from typing import assert_never

import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.decoding import Greedy, Sample
from intelligen.config.schema.generative_strategies import (
    GenerativeOffpolicy,
    GenerativePosition,
    GenerativeRisk,
    GenerativeSelfCritical,
    GenerativeTreatment,
    Rewarded,
)
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate, read_sources
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.interfaces import EncoderOutput, Generator
from intelligen.models.losses import Targets, token_log_probs
from intelligen.optimization import Loss, MetricSums
from intelligen.strategies.base import Criterion, UpdateContext
from intelligen.strategies.own_prefixes import states_after_both
from intelligen.strategies.policy_gradient import policy_log_probs
from intelligen.strategies.rewards import Decode, sentence_rewards
from intelligen.strategies.schedule_value import probability_at
from intelligen.strategies.teacher_forcing import TeacherForcing


def shift_right(token_NT: Tensor) -> Tensor:
    """[BOS, p_1 .. p_{T-1}]: the prediction at position t is an input at t+1; EOS is never an input."""
    shifted = F.pad(token_NT[:, :-1], (1, 0), value=BOS)
    return shifted.masked_fill(shifted == EOS, PAD)


class GenerativeCriterion(Criterion):
    """Interleaves teacher forcing with updates on free-running output.

    Args:
        settings: The strategy's knobs.
        teacher: The teacher-forced loss, for the other updates and as an anchor inside generative ones.
        label_smoothing: ε of the generated-prefix cross entropy.
        decode: Token ids → text, for rewards.
        tokenizer: BLEU's, for rewards.
        rollout_bound: Of a rollout's length, beside the `max_length` of a strategy that has one.

    """

    def __init__(
        self,
        settings: GenerativeTreatment,
        *,
        teacher: TeacherForcing,
        label_smoothing: float,
        decode: Decode,
        tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
        rollout_bound: LengthBound,
    ) -> None:
        self._settings = settings
        self._teacher = teacher
        self._label_smoothing = label_smoothing
        self._decode = decode
        self._tokenizer: BleuTokenizer = tokenizer
        longest = settings.max_length if isinstance(settings, Rewarded) else None
        self._bound = rollout_bound if longest is None else replace(rollout_bound, longest=longest)

    def __call__(self, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """The micro-batch's share of a teacher-forced or a generative update; all ranks take the same branch."""
        if step.uniform("generative") >= probability_at(self._settings.probability, step):
            return self._teacher(model, batch, step)
        match self._settings:
            case GenerativePosition() as settings:
                return self._by_position(settings, model, batch, step)
            case GenerativeRisk() as settings:
                return self._risk(settings, model, batch, step)
            case GenerativeSelfCritical() as settings:
                return self._self_critical(settings, model, batch, step)
            case GenerativeOffpolicy() as settings:
                return self._offpolicy(settings, model, batch)
            case other:
                assert_never(other)

    def _by_position(self, settings: GenerativePosition, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """Cross entropy with the reference by position, after the model's own prefix.

        Positions after the model's own EOS do not count: free-running generation never reaches them.
        """
        lengths_B = (batch.target_out_BT != PAD).sum(dim=1)
        rollout_BT = self._roll_out(settings, model, batch, step, bounds_B=lengths_B.clamp(min=1))
        rollout_BT = F.pad(rollout_BT, (0, batch.target_out_BT.size(1) - rollout_BT.size(1)), value=PAD)
        target_BT = batch.target_out_BT.masked_fill(rollout_BT == PAD, PAD)
        reference_BTD, own_BTD = self._states(model, batch, rollout_BT)
        anchor = self._teacher.after(reference_BTD, model, batch)
        summed = model.summed_loss(own_BTD, Targets(target_BT, self._label_smoothing))
        sums = MetricSums(
            {
                "train/generative_loss": (summed, (target_BT != PAD).sum()),
                "train/rollout_agreement": (((rollout_BT == target_BT) & (target_BT != PAD)).sum(), batch.num_targets),
            }
        )
        return self._anchored(anchor, summed / batch.update_targets, sums)

    def _risk(self, settings: GenerativeRisk, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """Minimum risk training (Shen et al. 2016, eq. 9–11) over n sampled candidates per source."""
        n = settings.candidates
        candidate_NT = self._roll_out(settings, model, batch, step, samples=n)
        reward_Bn = self._rewards(settings, candidate_NT, batch, samples=n).view(-1, n)
        reference_BTD, own_NTD = self._states(model, batch, candidate_NT)
        anchor = self._teacher.after(reference_BTD, model, batch)
        # Length-normalised, as in Edunov et al. (2018), sec. 4: otherwise Q favours short candidates.
        lengths_N = (candidate_NT != PAD).sum(dim=1).clamp(min=1)
        log_prob_NT = policy_log_probs(model.project(own_NTD), candidate_NT, temperature=1.0)
        score_Bn = (log_prob_NT.sum(dim=1) / lengths_N).view(-1, n)
        risk_B = (torch.softmax(settings.alpha * score_Bn, dim=1) * (1 - reward_Bn)).sum(dim=1)
        real_B = batch.target_out_BT[:, 0] != PAD
        summed = (risk_B * real_B).sum()
        sums = MetricSums(
            {
                "train/risk": (summed, real_B.sum()),
                "train/generative_reward": ((reward_Bn.mean(dim=1) * real_B).sum(), real_B.sum()),
            }
        )
        return self._anchored(anchor, summed / batch.update_rows, sums)

    def _self_critical(
        self, settings: GenerativeSelfCritical, model: Generator, batch: Batch, step: UpdateContext
    ) -> Loss:
        """REINFORCE on one sample, with the greedy hypothesis' reward as baseline (Rennie et al. 2017)."""
        encoded, bounds_B = read_sources(model, batch.source_BS), self._bound.of_sources(batch.source_BS)
        sampled_BT = self._roll_out(settings, model, batch, step, samples=1, encoded=encoded)
        greedy_BT = generate(model, batch.source_BS, Greedy(), max_lengths_B=bounds_B, encoded=encoded).tokens_NT
        reward_B = self._rewards(settings, sampled_BT, batch)
        advantage_B = reward_B - self._rewards(settings, greedy_BT, batch)
        reference_BTD, own_BTD = self._states(model, batch, sampled_BT)
        anchor = self._teacher.after(reference_BTD, model, batch)
        real_B = batch.target_out_BT[:, 0] != PAD
        log_prob_BT = policy_log_probs(model.project(own_BTD), sampled_BT, temperature=settings.temperature)
        summed = -(advantage_B * log_prob_BT.sum(dim=1) * real_B).sum()
        sums = MetricSums(
            {
                "train/generative_reward": ((reward_B * real_B).sum(), real_B.sum()),
                "train/generative_advantage": ((advantage_B * real_B).sum(), real_B.sum()),
            }
        )
        return self._anchored(anchor, summed / batch.update_targets, sums)

    def _offpolicy(self, settings: GenerativeOffpolicy, model: Generator, batch: Batch) -> Loss:
        """GOLD-δ (Pang & He 2021): reference tokens weighted by the model's own probability of them."""
        logits_BTV = model(batch.source_BS, batch.target_in_BT)
        log_prob_BT = token_log_probs(logits_BTV, batch.target_out_BT)
        weight_BT = log_prob_BT.detach().exp().clamp(min=settings.min_importance)
        summed = -(weight_BT * log_prob_BT).sum()
        sums = MetricSums({"train/offpolicy_loss": (summed, batch.num_targets)})
        return self._anchored(self._teacher.loss(logits_BTV, batch), summed / batch.update_targets, sums)

    def _states(self, model: Generator, batch: Batch, own_NT: Tensor) -> tuple[Tensor, Tensor]:
        """The model's states after the reference's prefixes, and after those of its own output."""
        encoded = model.encode(batch.source_BS)
        anchored = self._settings.mle_weight > 0
        return states_after_both(model, batch.target_in_BT, shift_right(own_NT), encoded, anchored=anchored)

    def _anchored(self, anchor: Loss, generative: Tensor, sums: MetricSums) -> Loss:
        """Add the teacher-forced anchor, without which a model trained on its own output drifts."""
        sums.add(anchor.sums)
        return Loss(self._settings.mle_weight * anchor.total + self._settings.generative_weight * generative, sums)

    def _roll_out(
        self,
        settings: GenerativePosition | Rewarded,
        model: Generator,
        batch: Batch,
        step: UpdateContext,
        *,
        bounds_B: Tensor | None = None,
        samples: int = 1,
        encoded: EncoderOutput | None = None,
    ) -> Tensor:
        """(B·samples, T) generated tokens; at temperature 0 the most probable ones.

        Bounds that are given are no larger than the references.
        """
        # As wide as any bound: to read the largest, an accelerator would be waited for.
        width = self._bound.of_width(batch.source_BS) if bounds_B is None else batch.target_out_BT.size(1)
        bounds_B = self._bound.of_sources(batch.source_BS) if bounds_B is None else bounds_B
        if settings.temperature == 0:
            return generate(model, batch.source_BS, Greedy(), max_lengths_B=bounds_B).tokens_NT
        return generate(
            model,
            batch.source_BS,
            Sample(temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p),
            max_lengths_B=bounds_B,
            uniforms_NT=step.uniforms(
                "rollout", batch.rows, width=width, samples=samples, device=batch.source_BS.device
            ),
            samples=samples,
            encoded=encoded,
        ).tokens_NT

    def _rewards(self, settings: Rewarded, hypothesis_NT: Tensor, batch: Batch, *, samples: int = 1) -> Tensor:
        references_NT = batch.target_out_BT.repeat_interleave(samples, dim=0)
        return sentence_rewards(
            hypothesis_NT, references_NT, decode=self._decode, name=settings.reward, tokenizer=self._tokenizer
        )
