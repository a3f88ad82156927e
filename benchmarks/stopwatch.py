"""Processor time of an update, by what it goes into."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from intelligen.optimization import Updater
from intelligen.strategies import base, generative, monte_carlo_returns
from intelligen.strategies.discriminator import DiscriminatorTrainer
from intelligen.strategies.recurrent import RecurrentCriterion

PARTS = ("rollout", "rewards", "discriminator", "gradient", "rest")
CALLS: list[tuple[Any, str, str]] = [
    (generative, "generate", "rollout"),
    (monte_carlo_returns, "generate", "rollout"),
    (base.UpdateContext, "uniforms", "rollout"),
    (RecurrentCriterion, "_picked_apart", "rollout"),
    (RecurrentCriterion, "_picked", "rollout"),
    (generative, "sentence_rewards", "rewards"),
    (monte_carlo_returns, "sentence_rewards", "rewards"),
    (DiscriminatorTrainer, "score", "discriminator"),
    (DiscriminatorTrainer, "learn", "discriminator"),
    (Updater, "update", "gradient"),
]


class Stopwatch:
    """Seconds of the process' processors, by part; a part is idle while another one runs inside it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what runs here for a part; whatever the discriminator does is the discriminator's."""
        self._charge()
        self._inside.append("discriminator" if "discriminator" in self._inside else name)
        yield
        self._charge()
        self._inside.pop()

    def watch(self) -> None:
        """Count the real calls for their parts from now on."""
        for owner, name, part in CALLS:
            setattr(owner, name, self.part(part)(getattr(owner, name)))

    def _charge(self) -> None:
        now = time.process_time()
        if self._inside:
            self.seconds[self._inside[-1]] += now - self._since
        self._since = now
