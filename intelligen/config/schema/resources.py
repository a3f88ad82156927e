"""What trials and baselines take of machines."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from intelligen.config.base import ADDED, Settings


class Resources(Settings):
    """What one trial takes. A trial of one worker runs inside the Tune actor; more workers are a Ray Train group."""

    workers: PositiveInt = 1
    """Processes that share each update of a trial."""
    cpus_per_worker: PositiveInt = 1
    """Processors, and so threads, of each."""
    gpus_per_worker: Literal["auto", 0, 1] = "auto"
    """GPUs of each. auto = 1 where there are GPUs, for as many trials at once, and as many workers, as these hold; else
    0. A sweep keeps what auto was at its first launch. 0 = train on processors."""
    concurrent_trials: PositiveInt | Literal["auto"] = 1
    """Trials at the same time. auto = as many as the processors or GPUs hold at each launch, and no more than the sweep
    has. Memory is not counted: `plan` warns if it is too small for them."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """A trial that crashes is tried this many times in all; it resumes from its last checkpoint."""
    no_progress_s: PositiveFloat | None = 3600.0
    """A trial that makes no update for this many seconds hangs, and fails. Validation makes none, nor does the start:
    give more than these take. null = wait for ever."""
    wait_s: Annotated[NonNegativeFloat, ADDED] = 900.0
    """How many seconds a launch waits for nodes that the cluster's autoscaler can add; 0 = not at all. Where no
    autoscaler runs, nothing is waited for."""

    @field_validator("gpus_per_worker", mode="before")
    @classmethod
    def _one_gpu_at_most(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(f"must be auto, 0 or 1, got {str(value).lower()}")
        if isinstance(value, int) and value > 1:
            raise ValueError(
                f"must be auto, 0 or 1, got {value}: a worker trains on one GPU, and would hold the others idle; raise"
                " workers instead"
            )
        return value

    @property
    def gpus(self) -> int:
        """Of each worker; `auto` has been resolved before."""
        assert self.gpus_per_worker != "auto", "auto is resolved at the start of a launch"
        return self.gpus_per_worker

    @property
    def at_once(self) -> int:
        """Trials at the same time; `auto` has been resolved before."""
        assert self.concurrent_trials != "auto", "auto is resolved at the start of a launch"
        return self.concurrent_trials
