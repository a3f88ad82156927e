"""memory: what the updates of an experiment take at several sizes, measured, and the largest that fits."""

from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.cli.experiment_file import STRATEGY_HELP, ExperimentFile, data_to_train_on, named_device
from intelligen.cli.json_output import print_document
from intelligen.cli.options import device_option, experiment_argument, json_option, override_option, runs_option
from intelligen.cli.shell_completion import strategies
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial, finetuning_trial
from intelligen.errors import ConfigError, MemoryShortageError
from intelligen.state.pretrained_place import placed

if TYPE_CHECKING:
    from intelligen.training.memory_measurement import LongestRows


@click.command()
@experiment_argument
@click.option(
    "--strategy",
    shell_complete=strategies,
    help=f"Measure its fine-tuning, not the baseline's training: {STRATEGY_HELP}.",
)
@click.option(
    "--rows",
    metavar="N,N,…",
    help="Rows at once to measure, such as 6,12,18. By default half of what an update of the experiment holds at once,"
    " all of it, and twice as many; of an experiment with published figures theirs and its own.",
)
@override_option
@runs_option
@device_option
@json_option
def memory(
    experiment: Path,
    strategy: str | None,
    rows: str | None,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
    as_json: bool,
) -> None:
    """Measure what updates of EXPERIMENT take at several sizes, and find the largest that fits.

    Each size is measured by a process of its own: the longest rows of the training data, forward, backward, optimizer
    step, and a batch of validation. Memory is what a GPU's allocator reserved, or else the process' resident memory.
    Prints a table, the largest size that fits, and the setting that keeps to it. Trains nothing, but prepares the data.
    Exit code 69: not even one row fits.
    """
    import torch

    from intelligen.cli.memory_table import Measured, memory_document, memory_lines
    from intelligen.training.matmul_choice import chosen_matmul
    from intelligen.training.memory_measurement import longest_rows
    from intelligen.training.memory_sizes import MemorySizes, Place

    asked = None if rows is None else _numbers(rows)
    file = ExperimentFile(experiment, overrides, runs, strategy)
    settings = file.settings()
    if strategy is None:
        file.require_no_finetuning("memory measures the baseline, which has no such setting; add --strategy NAME")
    _require_updates(settings, strategy)
    where = named_device(device)
    with file.placing_weights():
        prepared = data_to_train_on(settings, runs)
        trial = _trial(settings, strategy, prepared.identity, runs)
    matmul = chosen_matmul(settings.compute, trial.model, trial.training, device=where)
    place = Place(runs, where, torch.get_num_threads(), matmul)
    longest = longest_rows(trial, prepared)
    numbers, all_rows = asked or _usual(settings, longest), len(longest.order)
    if numbers[-1] > all_rows:
        raise ConfigError(f"--rows {numbers[-1]}: the training data have {all_rows:,} rows; give at most so many")
    sizes = MemorySizes(trial, place, longest=longest.longest)
    # A processor's memory is all programs', and more rows make it no faster.
    most = all_rows if place.device.type == "cuda" else numbers[-1]
    for size in chain(map(sizes.measured, numbers), sizes.search(most)):
        click.echo(f"{size.rows:,} at once: {'yes' if sizes.fits(size) else size.why or 'no'}", err=True)
    measured = Measured(file, settings, trial, place, longest, sizes)
    if as_json:
        print_document(memory_document(measured))
    else:
        for line in memory_lines(measured):
            click.echo(line)
    if sizes.largest is None:
        raise MemoryShortageError(f"not even one row of {longest.longest:,} tokens fits; a smaller model takes less")


def _numbers(text: str) -> list[int]:
    """Rows that were asked for, in rising order."""
    found = {}
    for part in (part.strip() for part in text.split(",")):
        with suppress(ValueError):  # Python reads no number of thousands of digits
            found[part] = int(part) if part.isascii() and part.isdigit() else 0
        if found.get(part, 0) < 1:
            raise ConfigError(f"--rows {text}: {part!r} is no number of rows from 1 on; write --rows 6,12,18")
    return sorted({*found.values()})


def _usual(settings: Experiment, longest: "LongestRows") -> list[int]:
    """Rows to measure where none are asked for."""
    own, published = longest.own_rows, settings.published_memory
    beside = [max(1, own // 2), 2 * own] if published is None else [one.rows for one in published.sizes]
    return sorted({min(one, len(longest.order)) for one in (own, *beside)})


def _require_updates(settings: Experiment, strategy: str | None) -> None:
    if strategy is None and settings.training.epochs == 0:
        raise ConfigError(
            "training.epochs is 0, so the baseline makes no update that could be measured; give --strategy NAME"
        )


def _trial(settings: Experiment, strategy: str | None, prepared: str, runs: Path) -> Trial:
    """The training that is measured, from random weights: which ones they are takes no other memory."""
    random = settings.model_copy(update={"initial": None, "model": placed(settings.model, runs)})
    if strategy is None:
        return baseline_trial(random, prepared=prepared)
    return finetuning_trial(random, prepared=prepared, start="").model_copy(update={"start": None})
