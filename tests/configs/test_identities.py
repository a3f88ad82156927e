"""New keys change nothing: what was trained, prepared or begun by the first release is found again.

`tests/golden/identities.json` holds what revision 6fbe00f made of the shipped files of that time, and of a later
experiment what the revision made of it that brought it. No entry is ever written again: a difference means that every
baseline would be trained once more and no unfinished sweep would resume.
"""

import json
from pathlib import Path
from typing import Annotated

import pytest
from conftest import REPOSITORY
from pydantic import Field

from intelligen.config.base import ADDED, Settings, canonical_json, comparable, content_hash
from intelligen.config.load import load_experiment, load_sweep
from intelligen.config.schema.data import FilesCorpus, OfExperiment
from intelligen.config.schema.experiment import baseline_trial, finetuning_trial
from intelligen.data.preparation import data_identity
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows

GOLDEN = json.loads((REPOSITORY / "tests" / "golden" / "identities.json").read_text())


def in_the_repository(path: str) -> str:
    return str(Path(path).relative_to(REPOSITORY))


def identities_of_experiment(path: str) -> dict[str, str]:
    experiment = load_experiment(REPOSITORY / path)
    data, corpus = experiment.data, experiment.data.corpus
    if isinstance(corpus, FilesCorpus) and corpus.folder is not None:  # it was kept as it was written
        corpus = corpus.model_copy(update={"folder": in_the_repository(corpus.folder)})
    if isinstance(data.tokenizer, OfExperiment):  # data know the vocabularies themselves, and no path
        tokenizer = data.tokenizer.model_copy(update={"experiment": in_the_repository(data.tokenizer.experiment)})
        data = data.model_copy(update={"tokenizer": tokenizer})
    return {
        "baseline": baseline_trial(experiment, prepared="prepared").identity,
        "finetuning": finetuning_trial(experiment, prepared="prepared", start="start").identity,
        "data": data_identity(data, "fingerprint", experiment.task.columns),
        "corpus": content_hash(canonical_json(corpus)),
    }


@pytest.mark.parametrize("path", GOLDEN["experiments"])
def test_shipped_experiments_have_the_identities_that_they_began_with(path: str) -> None:
    assert identities_of_experiment(path) == GOLDEN["experiments"][path]


def test_every_shipped_experiment_has_its_identities_stored() -> None:
    shipped = {f"experiments/{path.name}" for path in (REPOSITORY / "experiments").glob("*.yaml")}
    assert shipped == set(GOLDEN["experiments"])


@pytest.mark.parametrize("path", GOLDEN["sweeps"])
def test_a_sweep_that_the_first_release_began_may_go_on(path: str) -> None:
    sweep, experiment = load_sweep(REPOSITORY / path)
    now = sweep_fingerprint(sweep, experiment, data=DataOfRows("prepared"))
    require_unchanged(GOLDEN["sweeps"][path], now, REPOSITORY)


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
