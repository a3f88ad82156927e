"""Why a command of the documentation cannot be typed: verbs, options, files, keys, sweeps and trials are looked up."""

import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
from conftest import REPOSITORY

from intelligen.cli.experiment_file import ExperimentFile
from intelligen.cli.new_test_set_option import new_test_sets
from intelligen.cli.verb_sections import VERBS
from intelligen.config.files.shipped_files import located
from intelligen.config.load import load_experiment, load_sweep
from intelligen.errors import ConfigError, DataError, UnavailableError

TRIAL = re.compile(r"t\d{4}|baseline-\d+|[a-z_]+-s\d+")
LOADED = {verb.name: verb.load() for verb in VERBS}
SHIPPED = {path.stem.replace("_", "-"): Path("search_spaces", path.name) for path in REPOSITORY.glob("search_spaces/*")}


def problems_of(commands: Iterable[Sequence[str]]) -> list[str]:
    """What is wrong with commands that are typed one after the other in this directory: a line for each wrong one."""
    sweeps = dict(SHIPPED)
    return [problem for words in commands if (problem := _problem_of(words, sweeps))]


def _problem_of(words: Sequence[str], sweeps: dict[str, Path]) -> str | None:
    """What is wrong with a verb and its arguments. `init` writes its files, and `-o name=NAME` begins a sweep."""
    verb, *arguments = words
    if verb not in LOADED and not verb.startswith("-"):
        return f"{verb}: no such verb"
    if not arguments:
        return None  # the page names the verb
    try:
        context = LOADED[verb].make_context(verb, _globbed(arguments))
        if verb == "init":
            LOADED[verb].invoke(context)
        _require_what_is_named(context.params, sweeps)
    except (click.ClickException, ConfigError) as error:
        return f"{' '.join(words)}: {getattr(error, 'message', error)}"
    except (DataError, UnavailableError):
        return None  # the model that `model.path=DIR` names
    return None


def _globbed(arguments: Sequence[str]) -> list[str]:
    return [name for word in arguments for name in (glob.glob(word, root_dir=REPOSITORY) if "*" in word else [word])]


def _require_what_is_named(given: dict[str, Any], sweeps: dict[str, Path]) -> None:
    """Files, with the overrides that are given for them, sweeps, trials and test sets."""
    overrides = given.get("overrides", ())
    for file in given.get("files", [given["file"]] if "file" in given else []):
        _load(file, overrides)
        sweeps.update((text.removeprefix("name="), file) for text in overrides if text.startswith("name="))
    if "model" in given and not given["model"].endswith(".yaml"):
        _require_trial(given["model"], sweeps)
    elif (experiment := given.get("experiment", given.get("model"))) and not _placeholder(str(experiment)):
        ExperimentFile(Path(experiment), overrides, Path("runs"), given.get("strategy")).settings()
    for sweep in given.get("sweeps", [given["sweep"]] if given.get("sweep") else []):
        trial = given.get("trial")
        _require_trial(sweep if trial is None else f"{sweep}/{trial}", sweeps, overrides)
    new_test_sets(given.get("data", ()))


def _require_trial(place: str, sweeps: Mapping[str, Path], overrides: tuple[str, ...] = ()) -> None:
    """SWEEP or SWEEP/TRIAL; the sweep is one whose file is shipped or written by the page."""
    name, _, trial = place.partition("/")
    if Path(place).suffix == ".yaml" or name == "runs":
        return
    file = sweeps.get(name) or _written(name)
    if file is None and not _placeholder(name):
        raise ConfigError(f"{name}: no sweep of the documentation")
    if trial and not TRIAL.fullmatch(trial) and not _placeholder(trial):
        raise ConfigError(f"{trial}: no trial of a sweep")
    if file is not None:
        _load(file, overrides)


def _written(name: str) -> Path | None:
    return next(
        (path for path in Path().rglob("*.yaml") if re.search(rf"^name: {name}\b", path.read_text(), re.M)), None
    )


def _placeholder(name: str) -> bool:
    """`FILE`, `NAME`, `DIR`: what the reader fills in."""
    return name.isupper() and name.isalpha()


def _load(path: Path, overrides: tuple[str, ...]) -> None:
    if not _placeholder(str(path)):
        shipped = located(path).is_relative_to(REPOSITORY)
        (_loaded if shipped else _loaded.__wrapped__)(path, overrides)


@lru_cache
def _loaded(path: Path, overrides: tuple[str, ...]) -> None:
    file = located(path)
    is_sweep = file.is_file() and re.search(r"^experiment:", file.read_text(encoding="utf-8"), re.MULTILINE)
    (load_sweep if is_sweep else load_experiment)(path, overrides)
