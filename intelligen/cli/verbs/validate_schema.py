"""validate, schema: what a sweep or experiment file may contain, and whether a file keeps to it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option, override_option, runs_option
from intelligen.config.document import problem_line
from intelligen.config.json_schema import schema_text
from intelligen.config.load import SweepFile, load_experiment, read_sweep, settings_in, trial_experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError, IntelligenError


@dataclass
class FileFinding:
    """What was found in a file."""

    file: str
    kind: str | None = None
    """`sweep` or `experiment`; None where it cannot be told."""
    problems: list[str] = field(default_factory=list)
    """One line for each: `FILE:LINE: KEY: …`."""
    sampled: int = 0
    """Points of a sweep's space that were drawn."""
    resolved: int = 0
    """How many of them are complete trials."""
    rows: int = 0
    """Of a sweep without a space, each of which is one trial; all of them resolve, or there are problems."""

    def line(self) -> str:
        """What a person reads of a file in order."""
        trials = f", {self.resolved} of {self.sampled} sampled trials resolve" if self.sampled else ""
        rows = f", {self.rows} rows resolve" if self.rows else ""
        return f"{self.file}: {self.kind} is valid{trials}{rows}"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@override_option
@click.option(
    "--samples",
    type=click.IntRange(0, 10_000),
    default=50,
    show_default=True,
    help="Number of points drawn from a sweep's space and resolved to trials.",
)
@runs_option
@json_option
def validate(files: tuple[Path, ...], overrides: tuple[str, ...], samples: int, runs: Path, as_json: bool) -> int:
    """Check sweep and experiment files without running anything; exit code 2 if one is wrong.

    Every problem is one line: FILE:LINE: KEY: what is wrong, and how to fix it. Exit code 65: a pre-trained model is
    not there or cannot be used. Exit code 69: the package for it is not installed or the hub cannot be reached; or
    --runs, or its default, cannot be the runs directory.
    """
    del runs  # it was looked at when it was read
    examined = [_examined(file, overrides, samples) for file in files]
    findings = [finding for finding, _ in examined]
    if as_json:
        print_document({"format": 1, "files": [asdict(finding) for finding in findings]})
    for finding in [] if as_json else findings:
        for problem in finding.problems:
            click.echo(problem, err=True)
        if not finding.problems:
            click.echo(finding.line())
    return min((code for _, code in examined if code), default=0)


@click.command()
@click.argument("kind", type=click.Choice(["sweep", "experiment"]), default="sweep")
@json_option
def schema(kind: str, as_json: bool) -> None:
    """Print the JSON schema of sweep files or of experiment files, for editors and other tools."""
    if as_json:
        print_document({"format": 1, "kind": kind, "schema": json.loads(schema_text(kind))})
        return
    click.echo(schema_text(kind), nl=False)


def _examined(file: Path, overrides: tuple[str, ...], samples: int) -> tuple[FileFinding, int]:
    """What was found in a file, and the exit code of that."""
    finding, code = FileFinding(str(file)), ConfigError.exit_code
    try:
        finding.kind = "sweep" if settings_in(file) is Sweep else "experiment"
        if finding.kind == "sweep":
            _sample(read_sweep(file, overrides), finding, samples)
        else:
            load_experiment(file, overrides)
    except IntelligenError as error:
        finding.problems += map(str, error.args)
        code = error.exit_code
    return finding, code if finding.problems else 0


def _sample(file: SweepFile, finding: FileFinding, samples: int) -> None:
    """Draw points of the space; those that are no experiment would fail as trials."""
    if not file.sweep.space:
        finding.rows = len(file.rows)  # each was resolved when the file was read
        return
    from intelligen.sweep.search.define_by_run import random_points

    refusals: list[str] = []
    for point in random_points(file.sweep.searched, samples, seed=file.sweep.search.seed) if samples else []:
        try:
            trial_experiment(file.experiment, file.rows, point)
        except ConfigError as error:
            refusals.append(str(error.args[0]))
    finding.sampled, finding.resolved = samples, samples - len(refusals)
    if refusals:
        what = f"{len(refusals)} of {samples} sampled points would fail as trials, such as {refusals[0]}"
        finding.problems.append(problem_line(file.document.origin(("space",)), "space", what))
