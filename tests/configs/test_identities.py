"""New keys change nothing: what was trained, prepared or begun by the first release is found again.

`tests/golden/identities.json` holds what revision 6fbe00f made of the shipped files of that time, and of a later
file what the revision made of it that brought it. No entry is ever written again: a difference means that every
baseline would be trained once more and no unfinished sweep would resume. A sweep file that has been rewritten since is
kept in `tests/golden/search_spaces` as it was; what it has become has an entry of its own.
"""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import pytest
from conftest import REPOSITORY
from pydantic import Field
from shipped_copy import copy_shipped

from intelligen.config.base import ADDED, Settings, canonical_json, comparable, content_hash
from intelligen.config.load import load_experiment, load_sweep, row_experiments
from intelligen.config.named_experiments import initial_experiment
from intelligen.config.schema.data import FilesCorpus, OfExperiment
from intelligen.config.schema.experiment import baseline_trial, finetuning_trial
from intelligen.config.schema.initial import InitialWeights
from intelligen.data.preparation import data_identity
from intelligen.errors import ConfigError
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.row_starts import RowStarts

GOLDEN = json.loads((REPOSITORY / "tests" / "golden" / "identities.json").read_text())
EARLIER = REPOSITORY / "tests" / "golden" / "search_spaces"
MIXED = {f"search_spaces/{name}.yaml" for name in ("strategies", "study", "multi30k_study", "quickstart")}
"""Rows of these trained several things, which later revisions refuse."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped files; relative paths in them lead to nothing here."""
    return copy_shipped(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped files, with the sweeps that have been rewritten as they were before."""
    directory = copy_shipped(tmp_path_factory.mktemp("earlier"))
    shutil.copytree(EARLIER, directory / "search_spaces", dirs_exist_ok=True)
    return directory


def identities_of_experiment(path: str, place: Path) -> dict[str, str]:
    experiment = load_experiment(place / path)
    data, corpus = experiment.data, experiment.data.corpus
    if isinstance(corpus, FilesCorpus) and corpus.folder is not None:  # it was kept as it was written
        corpus = corpus.model_copy(update={"folder": str(Path(corpus.folder).relative_to(place))})
    if isinstance(data.tokenizer, OfExperiment):  # data know the vocabularies themselves, and no path
        other = str(Path(data.tokenizer.experiment).relative_to(place))
        data = data.model_copy(update={"tokenizer": data.tokenizer.model_copy(update={"experiment": other})})
    initial = None
    if (start := experiment.initial) is not None:
        initial = InitialWeights(weights="0" * 64, part=start.part, freeze=start.freeze, origin="")
    return {
        "baseline": baseline_trial(experiment, prepared="prepared", initial=initial).identity,
        "finetuning": finetuning_trial(experiment, prepared="prepared", start="start", initial=initial).identity,
        "data": data_identity(data, "fingerprint", experiment.task.columns),
        "corpus": content_hash(canonical_json(corpus)),
    }


def fingerprint_of_sweep(path: str, place: Path) -> dict[str, Any]:
    sweep, experiment = load_sweep(place / path)
    rows = row_experiments(sweep, experiment)
    named = {row: initial_experiment(one) for row, one in rows.items()}
    pretraining = {row: baseline_trial(one, prepared="prepared") for row, one in named.items() if one is not None}
    data = DataOfRows("prepared", dict.fromkeys(rows, "prepared"), RowStarts(pretraining))
    return sweep_fingerprint(sweep, experiment, data=data)


@pytest.mark.parametrize("path", GOLDEN["experiments"])
def test_shipped_experiments_have_the_identities_that_they_began_with(path: str, place: Path) -> None:
    assert identities_of_experiment(path, place) == GOLDEN["experiments"][path]


@pytest.mark.parametrize("path", [path for path in GOLDEN["sweeps"] if path not in MIXED])
def test_a_sweep_that_an_earlier_revision_began_may_go_on(path: str, earlier: Path) -> None:
    require_unchanged(GOLDEN["sweeps"][path], fingerprint_of_sweep(path, earlier), earlier)


@pytest.mark.parametrize("path", sorted(MIXED))
def test_an_earlier_sweep_whose_rows_mixed_treatments_is_refused(path: str, earlier: Path) -> None:
    with pytest.raises(ConfigError, match="is a strategy of its own; write `"):
        load_sweep(earlier / path)


@pytest.mark.parametrize("path", GOLDEN["rewritten_sweeps"])
def test_a_sweep_that_was_begun_with_a_rewritten_file_may_go_on(path: str, place: Path) -> None:
    require_unchanged(GOLDEN["rewritten_sweeps"][path], fingerprint_of_sweep(path, place), place)


@pytest.mark.parametrize(("kind", "folder"), [("experiments", "experiments"), ("sweeps", "search_spaces")])
def test_what_every_shipped_file_began_with_is_stored(kind: str, folder: str) -> None:
    assert {f"{folder}/{path.name}" for path in (REPOSITORY / folder).glob("*.yaml")} == set(GOLDEN[kind])


def test_every_sweep_file_that_was_rewritten_is_kept_as_it_was() -> None:
    assert {f"search_spaces/{path.name}" for path in EARLIER.iterdir()} == set(GOLDEN["rewritten_sweeps"])


class Inner(Settings):
    old: int = 1
    new: Annotated[int, ADDED] = 2


class Outer(Settings):
    inner: Inner = Inner()
    several: tuple[Inner, ...] = (Inner(),)
    named: dict[str, Inner] = Field(default={"one": Inner()})


def test_an_added_key_at_its_default_is_left_out_of_comparisons_wherever_it_stands() -> None:
    assert comparable(Outer()) == {"inner": {"old": 1}, "several": [{"old": 1}], "named": {"one": {"old": 1}}}
    assert comparable(Outer(), exclude={"several", "named"}) == {"inner": {"old": 1}}
    assert comparable(Outer(inner=Inner(new=3)))["inner"] == {"old": 1, "new": 3}


def test_an_added_key_stands_in_all_that_is_written_down() -> None:
    assert Outer().model_dump()["inner"] == {"old": 1, "new": 2}
    assert Outer.model_validate(comparable(Outer(inner=Inner(new=3)), exclude={"several"})).inner.new == 3
