"""export-model: a fine-tuned pre-trained model becomes a directory that `transformers` loads."""

from pathlib import Path

import click

from intelligen.cli.json_output import print_document
from intelligen.cli.model_argument import load_model, model_options
from intelligen.cli.options import json_option


@click.command("export-model")
@model_options
@click.argument("directory", type=click.Path(path_type=Path))
@json_option
@click.option("--adapter", is_flag=True, help="Write what LoRA has learnt alone, for use beside the base model.")
def export_model(
    model: str,
    directory: Path,
    strategy: str | None,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
    adapter: bool,
    as_json: bool,
) -> None:
    """Write MODEL, which began as a pre-trained one, to DIRECTORY, as `transformers` loads it.

    Configuration, safetensors, tokenizer, generation configuration and a model card; LoRA is merged with its base.
    """
    from intelligen.training.export_model import export_model as export

    trained = load_model(model, strategy=strategy, overrides=overrides, runs=runs, device=device)
    exported = export(trained, directory, adapter=adapter)
    if as_json:
        print_document({"format": 1, "model": str(exported.directory), "difference": exported.difference})
        return
    click.echo(f"model    {exported.directory}")
    if exported.difference is not None:
        click.echo(f"search   {exported.difference}")
