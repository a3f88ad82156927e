"""Recurrent strategy: the decoder's own output becomes its input, in K parallel passes."""

from collections.abc import Callable
from functools import partial
from typing import assert_never

import numpy as np
import torch
from torch import Tensor

from intelligen.config.schema.single_strategies import Recurrent
from intelligen.data.batches import Batch
from intelligen.data.device_transfer import to_device
from intelligen.data.special_tokens import BOS, PAD
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.decoding.generate import evaluating
from intelligen.decoding.token_sampling import draw
from intelligen.models.interfaces import EncoderOutput, Generator
from intelligen.models.losses import Targets
from intelligen.optimization import Loss, MetricSums
from intelligen.strategies.base import Criterion, UpdateContext
from intelligen.strategies.own_prefixes import anchor_states, states_after, states_after_both
from intelligen.strategies.schedule_value import probability_at
from intelligen.strategies.teacher_forcing import TeacherForcing

Pick = Callable[[Tensor], Tensor]
"""Logits [B, T, V] → tokens [B, T], or mixtures of tokens [B, T, V]."""

_NOISE_TABLE = 2**20


class RecurrentCriterion(Criterion):
    """Scheduled sampling in parallel passes (Mihaylova & Martins 2019; Duckworth et al. 2019).

    One pass predicts every token from the inputs of the pass before it. An update's draws, of which inputs stay the
    reference's and of which tokens are picked, serve all of its passes: so K passes make the first K inputs those of
    token-by-token scheduled sampling (Bengio et al. 2015), and K = T passes make all of them.

    A picked EOS is read like any other token, and the positions after it count: the targets stay the reference's, and
    so does their number, whatever the model reads.

    Args:
        settings: The strategy's knobs.
        teacher: The teacher-forced loss.
        label_smoothing: ε of the cross entropy after the model's own inputs.

    """

    def __init__(self, settings: Recurrent, *, teacher: TeacherForcing, label_smoothing: float) -> None:
        self._settings = settings
        self._teacher = teacher
        self._label_smoothing = label_smoothing
        self._noise: tuple[UpdateContext, Tensor] | None = None

    def __call__(self, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """The micro-batch's share: both cross entropies over the update's target tokens."""
        kept_BT = self._kept(batch, step)
        fed_back = self._fed_back(batch, step, kept_BT=kept_BT, vocabulary=model.target_vocabulary)
        reference_BTD, own_BTD = self._states(model, batch, fed_back)
        main = self._teacher.after(reference_BTD, model, batch)
        summed = model.summed_loss(own_BTD, Targets(batch.target_out_BT, self._label_smoothing))
        replaceable_BT = (batch.target_out_BT != PAD) & (batch.target_in_BT != BOS)
        main.sums.add(
            MetricSums(
                {
                    "train/recurrent_loss": (summed, batch.num_targets),
                    "train/replaced_pct": (100 * (replaceable_BT & ~kept_BT).sum(), replaceable_BT.sum()),
                }
            )
        )
        own = summed / batch.update_targets
        total = self._settings.mle_weight * main.total + self._settings.recurrent_weight * own
        return Loss(total, main.sums)

    def _kept(self, batch: Batch, step: UpdateContext) -> Tensor:
        """Which inputs [B, T] stay the reference's: BOS, padding, and a share of the tokens."""
        gold_BT = batch.target_in_BT
        coin_BT = step.uniforms("recurrent/gold", batch.rows, width=gold_BT.size(1), device=gold_BT.device)
        return (coin_BT < probability_at(self._settings.gold_probability, step)) | (gold_BT == BOS) | (gold_BT == PAD)

    def _states(self, model: Generator, batch: Batch, fed_back: Pick) -> tuple[Tensor, Tensor]:
        """The decoder's states after the reference's prefixes, and after its own."""
        anchored, gold_BT = self._settings.mle_weight > 0, batch.target_in_BT
        if self._settings.picks == "separate":
            own_in = self._picked_apart(model, batch, fed_back)
            return states_after_both(model, gold_BT, own_in, model.encode(batch.source_BS), anchored=anchored)
        encoded = model.for_several_passes(model.encode(batch.source_BS))
        reference_BTD = anchor_states(model, gold_BT, encoded, anchored=anchored)
        own_in = self._picked(reference_BTD, model, encoded, fed_back)
        return reference_BTD, states_after(model, own_in, encoded)

    def _picked_apart(self, model: Generator, batch: Batch, fed_back: Pick) -> Tensor:
        """What passes without dropout pick, the sources being encoded for them alone."""
        with torch.no_grad(), evaluating(model):
            encoded = model.for_several_passes(model.encode(batch.source_BS))
            return self._picked(model.states(batch.target_in_BT, encoded), model, encoded, fed_back)

    @torch.no_grad()
    def _picked(self, states_BTD: Tensor, model: Generator, encoded: EncoderOutput, fed_back: Pick) -> Tensor:
        """What the decoder reads in the gradient pass: tokens [B, T], or mixtures of tokens [B, T, V].

        Args:
            states_BTD: Of the first pass, after the reference's prefixes; the others begin from what it picks.
            model: Makes the passes.
            encoded: The sources.
            fed_back: Picks.

        """
        own_in = fed_back(model.project(states_BTD))
        for _ in range(self._settings.passes - 1):
            own_in = fed_back(model.project(states_after(model, own_in, encoded)))
        return own_in

    def _fed_back(self, batch: Batch, step: UpdateContext, *, kept_BT: Tensor, vocabulary: int) -> Pick:
        """What is read next where these logits are the output: picks, and the reference's tokens that are kept."""
        pick = self._pick(batch, step, vocabulary=vocabulary)

        def fed_back(logits_BTV: Tensor) -> Tensor:
            picked = pick(mask_unwritable_(logits_BTV.float()))
            # The prediction at position t is an input at t+1; the last one comes round to BOS, which is kept.
            return _with_gold(picked.roll(1, dims=1), batch.target_in_BT, kept_BT=kept_BT)

        return fed_back

    def _pick(self, batch: Batch, step: UpdateContext, *, vocabulary: int) -> Pick:
        """The same draws at each call, so that a prefix that no longer changes is continued as before."""
        settings = self._settings
        match settings.pick:
            case "argmax":
                return _most_probable
            case "sample" | "top_k":
                top_k = settings.top_k if settings.pick == "top_k" else 0
                uniforms_BT = self._uniforms(batch, step)
                return partial(_drawn, temperature=settings.temperature, top_k=top_k, uniforms_BT=uniforms_BT)
            case "softmax":
                return partial(_softmax, temperature=settings.temperature)
            case "gumbel":
                noise_BTV = self._gumbel_noise(batch, step, vocabulary=vocabulary)
                return partial(_softmax, temperature=settings.temperature, noise_BTV=noise_BTV)
            case "soft_top_k":
                return partial(_softmax_of_head, temperature=settings.temperature, top_k=settings.top_k)
            case pick:
                assert_never(pick)

    def _uniforms(self, batch: Batch, step: UpdateContext) -> Tensor:
        """The draw [B, T] of each token."""
        width, device = batch.target_in_BT.size(1), batch.target_in_BT.device
        return step.uniforms("recurrent/pick", batch.rows, width=width, device=device)

    def _gumbel_noise(self, batch: Batch, step: UpdateContext, *, vocabulary: int) -> Tensor:
        """Gumbel noise [B, T, V]: each token's begins at a drawn place of one table, the same on every rank.

        So do Salimans et al. (2017), section 2.1: B·T·V draws would take the processor longer than an accelerator
        takes for the update.
        """
        if self._noise is None or self._noise[0] != step:
            width = _NOISE_TABLE + vocabulary - 1
            uniforms_1W = step.uniforms("recurrent/noise", np.zeros(1, dtype=np.int64), width=width)
            self._noise = step, to_device(-(-uniforms_1W[0].log()).log(), batch.target_in_BT.device)
        noise_W = self._noise[1]
        start_BT = (self._uniforms(batch, step) * _NOISE_TABLE).long()
        return noise_W.unfold(0, vocabulary, 1)[start_BT]


def _with_gold(own_in: Tensor, gold_BT: Tensor, *, kept_BT: Tensor) -> Tensor:
    """The reference's tokens where they are kept, in mixtures as well."""
    if own_in.dim() == gold_BT.dim():
        return gold_BT.where(kept_BT, own_in)
    kept_BT1 = kept_BT[:, :, None]
    return own_in.masked_fill(kept_BT1, 0.0).scatter_add(2, gold_BT[:, :, None], kept_BT1.to(own_in.dtype))


def _most_probable(logits_BTV: Tensor) -> Tensor:
    return logits_BTV.argmax(dim=-1)


def _drawn(logits_BTV: Tensor, *, temperature: float, top_k: int, uniforms_BT: Tensor) -> Tensor:
    token_N = draw(logits_BTV.flatten(0, 1), uniforms_BT.flatten(), temperature=temperature, top_k=top_k, top_p=1.0)
    return token_N.view_as(uniforms_BT)


def _softmax(logits_BTV: Tensor, *, temperature: float, noise_BTV: Tensor | None = None) -> Tensor:
    """With noise, Gumbel-softmax (Jang et al. 2017; Maddison et al. 2017)."""
    noisy_BTV = logits_BTV if noise_BTV is None else logits_BTV + noise_BTV
    return (noisy_BTV / temperature).softmax(dim=-1)


def _softmax_of_head(logits_BTV: Tensor, *, temperature: float, top_k: int) -> Tensor:
    head_BTK, token_BTK = logits_BTV.topk(min(top_k, logits_BTV.size(-1)), dim=-1)
    weight_BTK = (head_BTK / temperature).softmax(dim=-1)
    return torch.zeros_like(logits_BTV).scatter(2, token_BTK, weight_BTK)
