"""Settings of the single training strategies; they are the documentation of their search spaces."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from pydantic.json_schema import SkipJsonSchema

from intelligen.config.base import ADDED, FORMER, Settings
from intelligen.config.schema.declarations import GENERATION, MATCHED, STANDARD, Need, StrategySettings
from intelligen.config.schema.generative_strategies import Temperature
from intelligen.config.schema.model import Probability
from intelligen.config.schema.probability_schedule import ProbabilitySchedule, Share

LEAST_RATIO, MOST_RATIO = 1.0, 100.0
"""Of the updates of a compute-matched control to those of `standard`."""
_NULL_CONTROL = "a gain may be due to something else than its reward; add them"


class _TeacherForced(StrategySettings):
    """What `standard` and its control share."""

    r_drop: Annotated[SkipJsonSchema[NonNegativeFloat], FORMER] = 0.0
    """The weight of `RDrop`, which earlier versions had as a setting of teacher forcing."""

    def outdated(self) -> str | None:
        """R-Drop, with which the control is more than teacher forcing."""
        if self.r_drop == 0:
            return None
        return f"r_drop: R-Drop is a strategy of its own; write strategy: {{name: r_drop, weight: {self.r_drop:g}}}"


class Standard(_TeacherForced):
    """Teacher forcing: label-smoothed cross entropy given the reference's prefix. Of models that write nothing, the
    task's own loss.
    """

    needs = ()
    controls = ()
    costlier = False
    control_for = "what more teacher forcing alone brings stays unknown; add it"

    name: Literal["standard"] = "standard"


class StandardMatched(_TeacherForced):
    """Control: teacher forcing for as much computation as a costlier strategy takes."""

    needs = ()
    controls = (STANDARD,)
    costlier = False
    control_for = (
        "equal updates are not equal time; add `controls: own` to see what teacher forcing does in the same time"
    )

    name: Literal["standard_matched"] = "standard_matched"
    updates_ratio: Annotated[float, Field(ge=LEAST_RATIO, le=MOST_RATIO)] = 4.0
    """An epoch has this many times the updates of the other strategies' epochs. Set it to the epoch time of the costly
    strategy over the epoch time of `standard`, as a sweep's table shows them. With `controls: own` a sweep does so, for
    each costly strategy by itself."""


class RDrop(StrategySettings):
    """Teacher forcing twice, under two draws of dropout that are to predict alike (Liang et al. 2021)."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["r_drop"] = "r_drop"
    weight: PositiveFloat = 0.5
    """Weight of the symmetric KL divergence between the two passes, beside the mean of their cross entropies: half the
    α of the paper. Sensible: 0.1–2.5."""


class Auxiliary(StrategySettings):
    """A loss beside the task's own: of the first tokens where models write text, of all where they choose a class."""

    needs = (
        Need("generation", "head", ("decoder",)),
        Need("encoder_output", "head", ("encoder",)),
        Need("token_prediction", "head", ("lm",)),
    )
    controls = (STANDARD,)
    costlier = False
    control_for = None

    name: Literal["auxiliary"] = "auxiliary"
    head: Literal["decoder", "encoder", "lm"] = "decoder"
    """`decoder`: the decoder's own first positions, which are terms of the teacher-forced loss already, so this only
    weights them up. `encoder`: the mean of the encoder's states predicts y_1, which is a task of its own. `lm`: of a
    classification; each token of the text that is read is predicted from those before it (Radford et al. 2018)."""
    combine: Literal["add", "convex"] = "add"
    """`add`: CE + λ·CE_1; `convex`: (1 − λ)·CE + λ·CE_1, the source's form. With the head `lm`, CE is the
    class's, a mean over rows, and CE_1 the tokens', a mean over tokens: `add` is eq. 5 of Radford et al. (2018)."""
    weight: Share = 0.1
    """λ; sensible: 0.05–0.5."""
    tokens: Annotated[int, Field(ge=1, le=64)] = 1
    """CE_1 covers the first k tokens with the head `decoder`; the head `encoder` predicts y_1 alone, `lm` all."""
    decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Token j of the first k weighs decay^(j−1), divided by the sum of these weights."""


class Recurrent(StrategySettings):
    """The decoder's own output becomes its input, in parallel passes (Mihaylova & Martins 2019; Duckworth 2019)."""

    needs = (GENERATION, Need("mixtures", "pick", ("softmax", "gumbel", "soft_top_k")))
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["recurrent"] = "recurrent"
    passes: Annotated[int, Field(ge=1, le=16)] = 1
    """K: how often the decoder reads its own output before the gradient pass; sensible: 1–4."""
    gold_probability: ProbabilitySchedule = ProbabilitySchedule(start=0.0)
    """Share of the input tokens that stay the reference's, drawn for each token; 0 replaces all, the source's form."""
    pick: Literal["argmax", "sample", "top_k", "softmax", "gumbel", "soft_top_k"] = "argmax"
    """What the decoder reads of its own output. A token: the most probable one, one drawn from all, or one drawn from
    the `top_k` most probable. Or a mixture of embeddings: weighted by the softmax, by the softmax with Gumbel noise,
    or by the softmax over the `top_k` most probable."""
    picks: Annotated[Literal["separate", "anchor"], ADDED] = "separate"
    """Where the first of the K outputs comes from. `separate`: an encoder and a decoder pass for it alone, without
    dropout. `anchor`: the teacher-forced pass of the same update, which saves both; it has dropout, and so have the
    passes that make the outputs after the first."""
    top_k: PositiveInt = 5
    """Of `top_k` and `soft_top_k`; sensible: 2–20."""
    temperature: Temperature = 1.0
    """Divides the logits in all picks but `argmax`; sensible: 0.2–1."""
    mle_weight: NonNegativeFloat = 0.5
    """Weight of teacher-forced cross entropy; at 0 expect collapse (Bengio et al. 2015, table 1)."""
    recurrent_weight: PositiveFloat = 0.5
    """Weight of the cross entropy after the model's own inputs."""


class Discriminator(Settings):
    """A Transformer encoder that reads source and translation, and separates references from the generator's output."""

    heads: PositiveInt = 4
    head_width: Annotated[int, Field(ge=2, multiple_of=2)] = 16
    """Its residual stream is heads × head_width wide."""
    d_ff: PositiveInt = 128
    layers: PositiveInt = 2
    dropout: Probability = 0.1
    learning_rate: PositiveFloat = 1e-3
    """Of its own optimizer (Adam, constant rate); sensible: 1e-4–3e-3."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.1
    """One-sided (Salimans et al. 2016): references are labelled 1 − this, the generator's output 0."""
    steps: Annotated[int, Field(ge=1, le=100)] = 1
    """d_steps: its updates in each of its rounds; sensible: 1–5."""
    every: PositiveInt = 1
    """It has a round at every n-th adversarial update; 1 = ordinary SeqGAN, more = slow."""
    replay: PositiveInt = 1
    """It learns from the generator's output of one of its last n rounds, drawn at random; 1 = the newest only."""
    pretraining_updates: NonNegativeInt = 40
    """d_pretrain: at most this many updates come before the adversarial ones. In them the discriminator learns, and the
    generator is teacher-forced. The null controls wait for all of them."""
    accuracy_gate: Annotated[float, Field(ge=0.5, le=1.0)] = 0.8
    """The phase ends sooner where its accuracy on pairs not yet learnt from (a moving average) reaches this."""


class Adversarial(StrategySettings):
    """What `seqgan` and its null controls share."""

    discriminator: Discriminator = Discriminator()
    """d_lr, d_steps, d_pretrain and the slow cadence are its settings; g_lr is finetuning.optimizer.learning_rate."""
    adversarial_weight: Share = 0.7
    """λ of the reward R = λ·D + (1 − λ)·sentence metric (Yang et al. 2018)."""
    reward: Literal["bleu", "chrf"] = "bleu"
    """The sentence metric: smoothed sentence BLEU or sentence chrF, both in 0–1."""
    samples: Annotated[int, Field(ge=1, le=64)] = 1
    """Hypotheses sampled per source."""
    cut_points: Annotated[int, Field(ge=0, le=32)] = 0
    """M: prefixes of each hypothesis that are completed anew; 0 = one reward for the whole sequence."""
    completions: Annotated[int, Field(ge=1, le=32)] = 2
    """N: Monte-Carlo completions of each prefix; sensible: 2–16."""
    temperature: Temperature = 1.0
    """Of samples and completions."""
    baseline: Literal["half", "ema", "greedy", "leave_one_out"] = "ema"
    """What is subtracted from the reward. `half`: 0.5 from D alone (the source's form). `ema`: a moving average of
    rewards. `greedy`: the greedy hypothesis' reward. `leave_one_out`: the mean of the source's other samples. The first
    two are one number for all samples of an update, which `whiten` subtracts anyhow."""
    whiten: bool = True
    """Divide advantages by their standard deviation over the update, after subtracting their mean."""
    std_floor: PositiveFloat = 0.01
    """Least standard deviation to divide by."""
    clip: PositiveFloat | None = 5.0
    """Largest advantage; none = no bound."""
    policy_weight: PositiveFloat = 0.5
    """Weight of the policy gradient inside an adversarial update, once ramped up."""
    ramp_updates: PositiveInt = 1
    """Updates over which the policy gradient's weight rises to its full size; 1 = ordinary SeqGAN, more = slow."""
    mle_weight: NonNegativeFloat = 0.5
    """Weight of teacher-forced cross entropy inside an adversarial update."""
    mle_ratio: Share = 0.5
    """Share of purely teacher-forced updates between the adversarial ones; sensible: 0.2–0.8."""
    kl_weight: NonNegativeFloat = 0.0
    """Weight of KL(generator ‖ the weights it started from) on sampled prefixes; sensible: 0–0.1."""
    max_length: PositiveInt | None = None
    """Bound of a rollout in tokens; not given = the decoding bound."""

    @model_validator(mode="after")
    def _others_to_compare_with(self) -> "Adversarial":
        if self.baseline == "leave_one_out" and self.samples < 2:
            raise ValueError("baseline leave_one_out needs samples of at least 2")
        return self


class SeqGan(Adversarial):
    """Sequence GAN (Yu et al. 2017; Yang et al. 2018): policy gradient on a discriminator's and a metric's reward."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED, "seqgan_constant", "seqgan_random")
    costlier = True
    control_for = None

    name: Literal["seqgan"] = "seqgan"


class SeqGanConstant(Adversarial):
    """Null control: every sample is rewarded alike, with advantage 1, whatever it says (Choshen et al. 2020)."""

    needs = (GENERATION,)
    controls = (STANDARD,)
    costlier = True
    control_for = _NULL_CONTROL

    name: Literal["seqgan_constant"] = "seqgan_constant"


class SeqGanRandom(Adversarial):
    """Null control: the discriminator is frozen at its random weights."""

    needs = (GENERATION,)
    controls = (STANDARD,)
    costlier = True
    control_for = _NULL_CONTROL

    name: Literal["seqgan_random"] = "seqgan_random"
