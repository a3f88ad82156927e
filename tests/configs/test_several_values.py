"""Several values where one is meant: the message shows what a sweep file says instead, and that works when typed."""

import shlex
from pathlib import Path

import pytest
import refusals
from refusals import SPACE, VARIED

from intelligen.config.load import load_experiment, load_sweep
from intelligen.errors import ConfigError

folder = refusals.folder
pytestmark = pytest.mark.usefixtures("folder")
SWEEP = Path("sweep.yaml")
ROWS = "rows: "


def refused(load, *arguments: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*arguments)
    (message,) = refusals.messages_of(caught.value)
    return message


def require_answer(key: str, written: str, *, answer: str, form: str) -> None:
    """An entry of a space is refused with an answer that names the form, and the form is taken."""
    SWEEP.write_text(f"{SPACE}  {key}: {written}\n")
    assert answer in refused(load_sweep, SWEEP)
    SWEEP.write_text(f"{SPACE}  {key}: {form}\n")
    load_sweep(SWEEP)


@pytest.mark.parametrize(
    ("key", "written", "form"),
    [
        ("finetuning.batch_tokens", "[1024, 2048]", "{choice: [1024, 2048]}"),
        ("finetuning.batch_tokens", "[1024, 2048, 1024]", "{choice: [1024, 2048]}"),
        ("finetuning.precision", "[fp32, bf16]", '{choice: ["fp32", "bf16"]}'),
        ("strategy", "[standard, r_drop]", "{choice: [standard, r_drop]}"),
        ("model.dropout", "0.1, 0.2", "{choice: [0.1, 0.2]}"),
        ("finetuning.optimizer.betas", "[0.9, 0.98]", "{const: [0.9, 0.98]}"),
        ("model.dropout", "0.1", "{const: 0.1}"),
    ],
)
def test_an_entry_of_a_space_without_a_form_is_answered_with_the_form(key: str, written: str, form: str) -> None:
    require_answer(key, written, answer=f"; write {form}", form=form)


@pytest.mark.parametrize(
    ("key", "written", "form"),
    [
        ("finetuning.batch_tokens", "[1024, 2048]", "{int: [1024, 2048]}"),
        ("finetuning.optimizer.learning_rate", "[0.0002, 0.003]", "{log_uniform: [0.0002, 0.003]}"),
        ("model.dropout", "[0, 0.3]", "{uniform: [0, 0.3]}"),
    ],
)
def test_two_ascending_numbers_are_answered_with_a_range_too(key: str, written: str, form: str) -> None:
    require_answer(key, written, answer=f" for only these two, or {form} for all between", form=form)


def test_so_is_an_entry_below_an_option() -> None:
    option = f"{SPACE}  strategy: {{choice: {{generative_risk: {{reward: %s}}}}}}\n"
    SWEEP.write_text(option % "[bleu, chrf]")
    assert "; write {choice: [bleu, chrf]}" in refused(load_sweep, SWEEP)
    SWEEP.write_text(option % "{choice: [bleu, chrf]}")
    load_sweep(SWEEP)


@pytest.mark.parametrize("written", ["[]", "[[0.9, 0.98], [0.9, 0.99]]", "{int: [1, 2], step: 1}"])
def test_what_is_meant_by_other_values_is_not_guessed(written: str) -> None:
    SWEEP.write_text(f"{SPACE}  finetuning.epochs: {written}\n")
    assert "; write" not in refused(load_sweep, SWEEP)


@pytest.mark.parametrize("prefix", ["experiment.", ""])
@pytest.mark.parametrize(
    ("key", "given", "line"),
    [
        ("model.dropout", "0.1,0.2", "model.dropout: {choice: [0.1, 0.2]}"),
        ("finetuning.epochs", "[1,2]", "finetuning.epochs: {choice: [1, 2]}"),
        ("strategy", "standard,recurrent", "strategy: {choice: [standard, recurrent]}"),
    ],
)
def test_an_override_of_several_values_is_answered_with_a_line_of_the_space(
    prefix: str, key: str, given: str, line: str
) -> None:
    SWEEP.write_text(VARIED)
    message = refused(load_sweep, SWEEP, [f"{prefix}{key}={given}"])
    before, _, typed = message.removesuffix(")").rpartition(" (-o ")
    assert before.endswith(f"a sweep tries each with this line below `space`: {line}")
    load_sweep(SWEEP, shlex.split(typed))
    SWEEP.write_text(f"{SPACE}  {line}\n")
    load_sweep(SWEEP)


@pytest.mark.parametrize(
    ("override", "rows"),
    [
        ("training.epochs=3,4", ["epochs-3", "epochs-4"]),
        ("data.lowercase=true,false", ["lowercase-true", "lowercase-false"]),
    ],
)
def test_where_a_space_cannot_vary_a_setting_the_line_has_rows(override: str, rows: list[str]) -> None:
    message = refused(load_experiment, Path("experiment.yaml"), [override])
    line = ROWS + message.partition(ROWS)[2]
    SWEEP.write_text(f"version: 1\nname: tiny\nexperiment: experiment.yaml\n{line}\n")
    sweep, _ = load_sweep(SWEEP)
    assert list(sweep.row_ids()) == rows


@pytest.mark.parametrize("override", ["seed=1,2", "model.dropout=1.5", "name=a,b", "data.prompt=a,b"])
def test_other_refused_overrides_get_no_line(override: str) -> None:
    assert "a sweep tries each" not in refused(load_experiment, Path("experiment.yaml"), [override])
