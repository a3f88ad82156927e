"""test, inference: scores of a trained model on a test set, and its output for other text; without Ray."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.cli.json_output import print_document
from intelligen.cli.model_argument import chosen_search, load_model, model_options, search_of_test
from intelligen.cli.new_test_set_option import new_test_set_option, new_test_sets
from intelligen.cli.options import json_option, search_options
from intelligen.cli.score_lines import score_document, score_lines
from intelligen.cli.translate_stdin import Lines, translate_lines
from intelligen.cli.written_files import FILE, STANDARD_OUTPUT
from intelligen.config.schema.stages_after_search import SearchName
from intelligen.errors import ConfigError
from intelligen.state.trial_result import read_result, read_trial

if TYPE_CHECKING:
    from intelligen.training.trained_model import SplitScore

_READ = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@model_options
@click.option("--split", help="The split to score, other than train; `test` if neither this nor --data is given.")
@new_test_set_option
@search_options
@json_option
def test(
    model: str,
    strategy: str | None,
    split: str | None,
    data: tuple[str, ...],
    search: SearchName | None,
    beam_size: int | None,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
    as_json: bool,
) -> None:
    """Decode and score a test set.

    Prints each score with its interval and signature, and the loss. MODEL is a sweep's trial (quickstart/t0001), a
    trial's directory, or an experiment file. An experiment file means its baseline, or with --strategy the model
    fine-tuned with it. --data scores a new test set without training again.

    Of a question_answering model it also prints what the same weights score with the answer's own prefix in sight,
    which no user has, and what the answer of the nearest training question scores.
    """
    if split is not None and data:
        raise ConfigError(f"--split {split}: --data scores new test sets only; give one of the two")
    new = new_test_sets(data)
    trained = load_model(model, strategy=strategy, overrides=overrides, runs=runs, device=device)
    chosen = search_of_test(search, beam_size, read_trial(trained.directory))
    known = [name for name in trained.prepared.splits if name != "train"]
    if not new and (wanted := split or "test") not in known:
        raise ConfigError(f"--split: no split {wanted!r} to score; there are {', '.join(known)}")
    finished = read_result(trained.directory) is not None
    if not finished:
        click.echo(f"note: {trained.directory}: training has not finished; the best epoch so far is scored", err=True)
    tests = [partial(trained.score_new, test_set) for test_set in new] or [partial(trained.score, split or "test")]
    scored = (_cautioned(score_one(search=chosen, compared=True)) for score_one in tests)
    if as_json:
        scores = [score_document(one) for one in scored]
        print_document({"format": 1, "trial": str(trained.directory), "finished": finished, "scores": scores})
        return
    for one in scored:
        for line in score_lines(one, trained.directory):
            click.echo(line)


def _cautioned(found: "SplitScore") -> "SplitScore":
    """With a warning on standard error where its scores say little."""
    if found.caution is not None:
        click.echo(f"warning: {found.caution}", err=True)
    return found


@click.command()
@model_options
@click.option("--input", "source", type=_READ, help="Read the lines of this file, plain or .gz, not standard input.")
@click.option(
    "--output",
    "target",
    type=FILE,
    default=STANDARD_OUTPUT,
    help="Write the answers to this file; `-` is standard output.",
)
@search_options
@json_option
def inference(
    model: str,
    source: Path | None,
    target: Path,
    strategy: str | None,
    search: SearchName | None,
    beam_size: int | None,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
    as_json: bool,
) -> None:
    """Answer lines of text, one by one; on a terminal, prompt for lines.

    Each line of standard input, or of --input, has one line of standard output, or of --output, as soon as it is known.
    --json writes a document for each.

    The answer is a translation, an answer to a question, the text with a continuation, or a label, as the task has it.

    MODEL is a sweep's trial (quickstart/t0001), a trial's directory, or an experiment file. An experiment file means
    its baseline, or with --strategy the model fine-tuned with it.
    """
    trained = load_model(model, strategy=strategy, overrides=overrides, runs=runs, device=device)
    chosen = chosen_search(search, beam_size, read_trial(trained.directory).decoding)
    translate_lines(trained, chosen, Lines(source, target, as_json))
