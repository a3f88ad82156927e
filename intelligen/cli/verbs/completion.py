"""completion: the script by which a shell completes verbs, options and names of sweeps; click writes it."""

import click
from click.shell_completion import get_completion_class

from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def completion(context: click.Context, shell: str, as_json: bool) -> None:
    """Print the script that completes `intelligen` in a SHELL.

    \b
    bash   eval "$(intelligen completion bash)"                                      in ~/.bashrc
    zsh    eval "$(intelligen completion zsh)"                                       in ~/.zshrc
    fish   intelligen completion fish > ~/.config/fish/completions/intelligen.fish   once
    """
    script = get_completion_class(shell)
    assert script is not None, "click knows these shells"
    text = script(context.find_root().command, {}, "intelligen", "_INTELLIGEN_COMPLETE").source()
    if as_json:
        print_document({"format": 1, "shell": shell, "script": text})
    else:
        click.echo(text)
