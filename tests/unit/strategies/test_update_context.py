"""Draws are a function of seed, update and purpose, and those of dropout of the rank too: of all these, not of some."""

from dataclasses import replace

import numpy as np
import torch

from intelligen.strategies.base import UpdateContext

STEP = UpdateContext(seed=1, update=3, total_updates=10)
OTHERS = [replace(STEP, seed=2), replace(STEP, update=4)]
ROWS = np.arange(4)


def dropped(step: UpdateContext) -> torch.Tensor:
    step.seed_dropout()
    return torch.nn.functional.dropout(torch.ones(64), 0.5)


def test_another_seed_and_another_update_draw_anew_whatever_the_draw_is_for() -> None:
    for other in OTHERS:
        assert other.uniform("a") != STEP.uniform("a")
        assert not torch.isclose(other.uniforms("a", ROWS, width=3), STEP.uniforms("a", ROWS, width=3)).any()
        assert not torch.equal(dropped(other), dropped(STEP))


def test_each_purpose_has_its_own_draws() -> None:
    assert STEP.uniform("a") != STEP.uniform("b")
    assert not torch.isclose(STEP.uniforms("a", ROWS, width=3), STEP.uniforms("b", ROWS, width=3)).any()


def test_ranks_share_all_draws_but_those_of_dropout() -> None:
    other = replace(STEP, rank=1)
    assert other.uniform("a") == STEP.uniform("a")
    assert torch.equal(other.uniforms("a", ROWS, width=3), STEP.uniforms("a", ROWS, width=3))
    assert not torch.equal(dropped(other), dropped(STEP))


def test_the_same_step_draws_the_same_again() -> None:
    again = replace(STEP)
    assert again.uniform("a") == STEP.uniform("a")
    assert torch.equal(again.uniforms("a", ROWS, width=3), STEP.uniforms("a", ROWS, width=3))
    assert torch.equal(dropped(again), dropped(STEP))
