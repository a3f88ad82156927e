"""Training settings: optimizer, schedule, epochs, precision, and bounds of health."""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from intelligen.config.base import ADDED, Settings

Precision = Literal["fp32", "bf16", "fp16"]


class Optimizer(Settings):
    """Adam (Kingma & Ba 2015), or AdamW (Loshchilov & Hutter 2019)."""

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    """Peak of the schedule."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.98)
    """Decay rates of the first and the second moment."""
    epsilon: PositiveFloat = 1e-9
    """Added to the root of the second moment."""
    weight_decay: NonNegativeFloat = 0.0
    """Of matrices; biases and norms never decay."""
    clip_norm: PositiveFloat | None = 1.0
    """Largest gradient norm; none = no clipping."""


class Schedule(Settings):
    """Learning rate by update: linear warm-up, then the named decay."""

    either: ClassVar[tuple[tuple[str, str], ...]] = (("warmup_updates", "warmup_ratio"),)
    name: Literal["inverse_sqrt", "cosine", "constant", "linear"] = "inverse_sqrt"
    """`inverse_sqrt`: Vaswani et al. (2017), eq. 3, scaled so that the peak is the learning rate."""
    warmup_updates: NonNegativeInt | None = 400
    """Updates until the peak."""
    warmup_ratio: Annotated[float | None, Field(ge=0.0, lt=1.0), ADDED] = None
    """Instead of `warmup_updates`: the share of all updates, or of a cycle's, until the peak; 0.1 = 10 %."""
    final_ratio: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """`cosine` and `linear` end at this share of the peak."""
    cycle_epochs: Annotated[PositiveInt | None, ADDED] = None
    """The schedule, its warm-up included, begins anew after every n epochs; not given = it runs once, over all epochs.

    The weights at a cycle's end are those of a training of so many epochs. Only for `cosine` and `linear`: the others
    do not depend on the number of epochs.
    """

    @model_validator(mode="after")
    def _a_cycle_has_an_end(self) -> "Schedule":
        if self.cycle_epochs is not None and self.name not in ("cosine", "linear"):
            raise ValueError(
                f"cycle_epochs needs a schedule that ends at a final rate, and {self.name} does not; set name to linear"
                " or cosine, or leave cycle_epochs out"
            )
        return self


class Health(Settings):
    """Signs of an unhealthy fine-tuning, each compared with the weights it started from; such a trial stops early.

    Its best epoch so far is its result. NaN and infinity always end a trial, and as failed.
    """

    patience: PositiveInt | None = 2
    """A sign must hold for this many epochs in a row; none = no sign stops a trial."""
    least_distinct: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Collapse: the hypotheses' share of distinct bigrams falls below this share of its start."""
    length_drift: PositiveFloat = 0.3
    """Length drift: hypothesis length / reference length moves by more than this, away from 1."""
    reward_hacking: PositiveFloat = 1.0
    """Reward hacking: the discriminator's reward has risen while validation chrF is more than so many points below its
    start."""
    most_discriminator_accuracy: Annotated[float, Field(ge=0.5, le=1.0)] = 0.95
    """Discriminator saturation: its accuracy is above this, so that it rewards everything alike."""


class Training(Settings):
    """One run of updates. An epoch is `epoch_updates` updates, or one pass over the training data."""

    either: ClassVar[tuple[tuple[str, str], ...]] = (("batch_tokens", "batch_rows"),)
    epochs: NonNegativeInt = 10
    """At each epoch's end: validation, checkpoint, report. 0 = the weights as they are: a pre-trained model is itself
    the baseline."""
    epoch_updates: PositiveInt | None = None
    """Updates per epoch; not given = one pass over the training data."""
    batch_tokens: PositiveInt | None = 4096
    """Tokens of one update over all workers: rows × longest side (padding counted). It does not depend on `workers`."""
    batch_rows: Annotated[PositiveInt | None, ADDED] = None
    """Instead of `batch_tokens`: rows of one update over all workers, those of like length together; one update of each
    pass may have fewer.
    """
    micro_batch_tokens: PositiveInt | Literal["auto"] | None = None
    """Most padded tokens that a worker holds at once: an update is accumulated over micro-batches. `auto` = all of the
    update, or half of it, and so on, as 90 % of the free memory allows; this is tried before the first update. Not
    given = `auto` on a GPU, and no bound without one. An update that does not fit is made in smaller parts in any case.
    """
    dropout_by_row: Annotated[bool, ADDED] = False
    """Masks of dropout that are a function of seed, update and row, in models of ours. So an update in smaller parts,
    or over other ranks, has the masks and the gradient that it has as a whole."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """ε: the share of the target's probability that is spread over the vocabulary (Szegedy et al. 2016)."""
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    precision: Precision = "fp32"
    """Arithmetic of forward and backward; weights and optimizer stay in fp32."""
    compile: Annotated[bool, ADDED] = False
    """Compile the layers of a model of ours (`torch.compile`) where they are trained, on a GPU; decoding stays as it
    is. Sums are then rounded differently."""
    flash_attention: Annotated[bool, ADDED] = False
    """Attend to sources by torch's flash kernel for sequences of different lengths, without a mask of padding: in an
    encoder-decoder of ours, in bf16 or fp16 on a GPU. Sums are then rounded differently. Never run on a GPU."""
    patience: PositiveInt | None = None
    """Stop after this many epochs without a better validation score; not given = never."""
    average_last: Annotated[int, Field(ge=1, le=100)] = 1
    """The mean of the last n checkpoints' weights competes with the best checkpoint on validation; 1 = off."""
    health: Health = Health()
    checkpoint_updates: PositiveInt | None = None
    """Also write a checkpoint every n updates inside an epoch."""
    keep_epochs: Annotated[tuple[PositiveInt, ...] | None, ADDED] = None
    """The weights at the ends of these epochs are kept, for others to start from; not given = of none.

    Other checkpoints are deleted while training goes on. If training ends early, later epochs have none.
    """

    @property
    def most_micro_batch_tokens(self) -> int | None:
        """`micro_batch_tokens` as a number; none where there is none, or where it is to be found."""
        return None if self.micro_batch_tokens == "auto" else self.micro_batch_tokens

    @model_validator(mode="after")
    def _epochs_fit(self) -> "Training":
        cycle = self.schedule.cycle_epochs
        if cycle is not None and self.epochs % cycle:
            raise ValueError(
                f"schedule.cycle_epochs ({cycle}) must divide epochs ({self.epochs}), so that the last cycle ends too"
            )
        kept = self.keep_epochs or ()
        if any(later <= earlier for earlier, later in pairwise(kept)):
            raise ValueError(f"keep_epochs must rise, each number once, got {', '.join(map(str, kept))}")
        if kept and kept[-1] > self.epochs:
            raise ValueError(f"keep_epochs must be at most epochs ({self.epochs}), got {kept[-1]}")
        return self
