"""SeqGAN strategy: samples are scored by a discriminator before the gradient pass."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.single_strategies import Adversarial
from intelligen.config.schema.training import Precision
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import PAD
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.interfaces import Generator
from intelligen.optimization import Loss, MetricSums, autocast, sum_over_ranks
from intelligen.strategies.base import Criterion, UpdateContext
from intelligen.strategies.discriminator import DiscriminatorTrainer, Pairs
from intelligen.strategies.generative import shift_right
from intelligen.strategies.monte_carlo_returns import ReturnEstimator, Sampler
from intelligen.strategies.policy_gradient import distinct_bigrams, divergence, policy_log_probs, standardised
from intelligen.strategies.rewards import Decode
from intelligen.strategies.teacher_forcing import TeacherForcing

REWARD_MEMORY = 0.9
"""Weight of the former value in the moving average of rewards."""


@dataclass(frozen=True)
class _Rollout:
    """Samples of one micro-batch, N = B·n: n adjacent samples per source."""

    sampled_NT: Tensor
    """Nothing but PAD in rows that do not count."""
    advantage_NT: Tensor


class SeqGanCriterion(Criterion):
    """Adversarial updates on the generator's own samples, and teacher-forced ones between them.

    Loss of an adversarial update: mle_weight·CE + ramp·policy_weight·policy + kl_weight·KL. The policy loss is
    −Σ advantage·log p over the samples' tokens and KL is summed over the same tokens; both are divided by the update's
    target tokens × samples per source, so CE and they are of one scale.

    Args:
        settings: The strategy's knobs.
        model: The unwrapped generator, with the weights that training starts from.
        trainer: Rewards the samples; none = each has advantage 1.
        teacher: The teacher-forced loss, for the other updates and as an anchor inside adversarial ones.
        decode: Token ids → text, for the sentence metric.
        tokenizer: BLEU's, likewise.
        rollout_bound: Of a rollout's length, beside the strategy's own `max_length` and the model's positions.
        precision: Of rollouts and judgements, as of the gradient pass.

    """

    def __init__(
        self,
        settings: Adversarial,
        *,
        model: Generator,
        trainer: DiscriminatorTrainer | None,
        teacher: TeacherForcing,
        decode: Decode,
        tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
        rollout_bound: LengthBound,
        precision: Precision,
    ) -> None:
        self._settings = settings
        self._trainer = trainer
        self._teacher = teacher
        self._sampler = Sampler(model, settings, rollout_bound=rollout_bound)
        self._return_estimator = (
            ReturnEstimator(settings, sampler=self._sampler, trainer=trainer, decode=decode, tokenizer=tokenizer)
            if trainer
            else None
        )
        self._start = copy.deepcopy(model).eval().requires_grad_(False) if settings.kl_weight > 0 else None
        self._rollouts: dict[Batch, _Rollout] = {}
        self._precision = precision
        self._waited = 0
        self._adversarial_updates = 0
        self._average_reward: float | None = None

    def prepare(self, micro_batches: Sequence[Batch], step: UpdateContext) -> MetricSums:
        """Roll out, score, and train the discriminator, as far as this update does."""
        self._rollouts = {}
        trainer = self._trainer
        pretrains = self._pretrains
        adversarial = not pretrains and step.uniform("adversarial") >= self._settings.mle_ratio
        sums = MetricSums(
            {"train/adversarial_pct": (100.0 * adversarial, 1), "train/pretraining_pct": (100.0 * pretrains, 1)}
        )
        self._waited += pretrains
        learns = trainer is not None and trainer.learns
        if not (adversarial or (pretrains and learns)):
            return sums
        device = micro_batches[0].source_BS.device
        with autocast(device, self._precision):
            sampled = [self._sample(batch, step) for batch in micro_batches]
        for sampled_NT in sampled:
            sums.add(MetricSums({"train/sample_distinct_2": distinct_bigrams(sampled_NT)}))
        if adversarial:
            self._adversarial_updates += 1
            with autocast(device, self._precision):
                advantages = self._advantages(micro_batches, sampled, step, sums)
            self._rollouts = dict(zip(micro_batches, map(_Rollout, sampled, advantages), strict=True))
        # It learns after scoring: else these samples would not be new to it.
        if trainer is not None and learns and (pretrains or trainer.is_due(self._adversarial_updates)):
            generated = zip(micro_batches, sampled, strict=True)
            pairs = [Pairs.of(batch, s_NT, bounds_B=self._sampler.bounds(batch)) for batch, s_NT in generated]
            sums.add(trainer.learn(pairs, step))
        return sums

    def __call__(self, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """The micro-batch's share of a teacher-forced or an adversarial update."""
        rollout = self._rollouts.get(batch)
        if rollout is None:
            return self._teacher(model, batch, step)
        settings, sampled_NT = self._settings, rollout.sampled_NT
        own_in_NT = shift_right(sampled_NT)
        encoded = model.encode(batch.source_BS)
        reference_BTD, own_NTD = model.states(batch.target_in_BT, encoded), model.states(own_in_NT, encoded)
        anchor = self._teacher.after(reference_BTD, model, batch)
        own_NTV = model.project(own_NTD)
        log_prob_NT = policy_log_probs(own_NTV, sampled_NT, temperature=settings.temperature)
        tokens = batch.update_targets * settings.samples
        policy = -(rollout.advantage_NT * log_prob_NT).sum() / tokens
        ramp = min(1.0, self._adversarial_updates / settings.ramp_updates)
        total = settings.mle_weight * anchor.total + ramp * settings.policy_weight * policy
        if self._start is not None:
            with torch.no_grad():
                start_NTV = self._start(batch.source_BS, own_in_NT)
            kl = divergence(own_NTV, start_NTV, sampled_NT)
            total = total + settings.kl_weight * kl / tokens
            anchor.sums.add(MetricSums({"train/kl": (kl, (sampled_NT != PAD).sum())}))
        return Loss(total, anchor.sums)

    def divergence(self) -> str | None:
        """The discriminator's: it has an optimizer of its own."""
        return None if self._trainer is None else self._trainer.divergence()

    def state_dict(self) -> dict[str, Any]:
        """The discriminator's state, the moving average of rewards, and how far the ramp is."""
        return {
            "judge": self._trainer and self._trainer.state_dict(),
            "average_reward": self._average_reward,
            "waited": self._waited,
            "adversarial_updates": self._adversarial_updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        if self._trainer is not None:
            self._trainer.load_state_dict(state["judge"])
        self._average_reward, self._waited = state["average_reward"], state["waited"]
        self._adversarial_updates = state["adversarial_updates"]

    @property
    def _pretrains(self) -> bool:
        """Whether the game has not begun; without anybody who learns, it begins as late as it might with."""
        if self._trainer is not None and self._trainer.learns:
            return self._trainer.pretrains
        return self._waited < self._settings.discriminator.pretraining_updates

    def _sample(self, batch: Batch, step: UpdateContext) -> Tensor:
        """(B·samples, T) tokens; rows that only keep a rank company lose theirs, and so weigh nothing."""
        samples = self._settings.samples
        sampled_NT = self._sampler.sample(batch, step, "sample", samples=samples)
        company_B = batch.target_out_BT[:, 0] == PAD
        return sampled_NT.masked_fill(company_B.repeat_interleave(samples)[:, None], PAD)

    def _advantages(
        self, micro_batches: Sequence[Batch], sampled: Sequence[Tensor], step: UpdateContext, sums: MetricSums
    ) -> list[Tensor]:
        """(N, T) for each micro-batch; what is to be reported of them is added to `sums`."""
        if self._return_estimator is None:
            return [(sampled_NT != PAD).float() for sampled_NT in sampled]
        rewards = []
        totals = torch.zeros(2, dtype=torch.float64, device=sampled[0].device)
        for batch, sampled_NT in zip(micro_batches, sampled, strict=True):
            reward_N, scored_N = self._return_estimator.rewards(sampled_NT, batch)
            rewards.append(reward_N)
            counts_N = sampled_NT[:, 0] != PAD
            reward, scored, count = (reward_N * counts_N).sum(), (scored_N * counts_N).sum(), counts_N.sum()
            totals += torch.stack([reward, count])
            sums.add(
                MetricSums({"train/seqgan_reward": (reward, count), "train/discriminator_reward": (scored, count)})
            )
        average = self._average(totals)
        advantages = [
            self._return_estimator.values(sampled_NT, reward_N, batch, step)
            - self._return_estimator.baseline(reward_N, batch, average=average)[:, None]
            for batch, sampled_NT, reward_N in zip(micro_batches, sampled, rewards, strict=True)
        ]
        settings = self._settings
        advantages, std = standardised(
            advantages, sampled, whiten=settings.whiten, std_floor=settings.std_floor, clip=settings.clip
        )
        sums.add(MetricSums({"train/advantage_std": (std, 1)}))
        return advantages

    def _average(self, totals: Tensor) -> float:
        """The average reward before this update, whose own (total, count) on this rank then move it."""
        total, count = sum_over_ranks(totals).tolist()
        # The first update has no past, so it takes its own mean.
        before = total / count if self._average_reward is None else self._average_reward
        self._average_reward = REWARD_MEMORY * before + (1 - REWARD_MEMORY) * total / count
        return before
