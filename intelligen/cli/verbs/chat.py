"""chat: a conversation with a trained model, on a terminal or in a pipe; without Ray."""

from pathlib import Path

import click

from intelligen.cli.chat_loop import chat_on_standard_input
from intelligen.cli.model_argument import chosen_search, load_model, model_options
from intelligen.cli.options import json_option, search_options
from intelligen.config.schema.stages_after_search import SearchName
from intelligen.state.trial_result import read_trial


@click.command()
@model_options
@search_options
@json_option
@click.option(
    "--turns",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="N",
    help="Let the model read the last N lines with their answers before each line, as far as data.max_tokens goes.",
)
def chat(
    model: str,
    strategy: str | None,
    search: SearchName | None,
    beam_size: int | None,
    turns: int,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
    as_json: bool,
) -> None:
    """Chat with a trained model: answers appear token by token.

    On a terminal, /reset forgets what was said, /search greedy|beam|sample changes the search, and /quit or Ctrl-D
    ends the chat; Ctrl-C ends an answer. In a pipe, every line is answered by one line. An empty line has no answer. Of
    a line that is longer than data.max_tokens, the end is read. --json is for a pipe: it writes a document for
    each line.

    MODEL is a sweep's trial (quickstart/t0001), a trial's directory, or an experiment file. An experiment file means
    its baseline, or with --strategy the model fine-tuned with it.
    """
    from intelligen.training.chat import Chat

    trained = load_model(model, strategy=strategy, overrides=overrides, runs=runs, device=device)
    chosen = chosen_search(search, beam_size, read_trial(trained.directory).decoding)
    chat_on_standard_input(Chat(trained, chosen, turns), as_json=as_json)
