"""A wheel, installed elsewhere, has all that a clone has: its commands work, and its identities are the clone's."""

import filecmp
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY

from intelligen.config.files.shipped_files import FOLDERS
from intelligen.config.json_schema import schema_text

SHIPPED = [path.relative_to(REPOSITORY) for folder in FOLDERS for path in sorted((REPOSITORY / folder).iterdir())]
# They name a pre-trained model, which only their users have.
NEEDING_A_MODEL = ("qa_friend_t5.yaml", "pretrained_strategies.yaml")
VALID = [str(path) for path in SHIPPED if path.suffix == ".yaml" and path.name not in NEEDING_A_MODEL]
EXPERIMENTS = [name for name in VALID if name.startswith("experiments/") and name != "experiments/qa_friend_gpt.yaml"]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "INTELLIGEN_LOCAL": "1", "OMP_NUM_THREADS": "1"}
PIP = ("-m", "pip", "--no-input", "--disable-pip-version-check")
# Of shipped experiments: the identities of their baselines, and the fingerprints of the embedded corpora.
IDENTITIES = """
import json, sys
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.experiment import baseline_trial
from intelligen.config.schema.data import EmbeddedCorpus
from intelligen.config.load import load_experiment
from intelligen.data.corpora import open_corpus
from pathlib import Path
for name in sys.argv[1:]:
    experiment = load_experiment(Path(name))
    corpus = experiment.data.corpus
    known = open_corpus(corpus, SOURCE_AND_TARGET).fingerprint() if isinstance(corpus, EmbeddedCorpus) else None
    print(json.dumps([baseline_trial(experiment, prepared="prepared").identity, known]))
"""
SHORT = [
    word
    for change in (
        *("experiment.data.corpus={name: embedded, train: 400, valid: 20, test: 20}", "budget.trials_per_strategy=1"),
        *("experiment.data.tokenizer.vocabulary=200", "experiment.model.d_model=32", "experiment.model.d_ff=32"),
        *(
            "experiment.training.epochs=1",
            "experiment.training.epoch_updates=4",
            "experiment.training.batch_tokens=300",
        ),
        *("experiment.finetuning.epochs=1", "experiment.finetuning.epoch_updates=2"),
        *("experiment.decoding.test=greedy", "search.sampler=random", "scheduler=none"),
    )
    for word in ("-o", change)
]


def done(*command: str | Path, cwd: Path) -> str:
    """What a command that ends well prints."""
    process = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=500)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, as package indexes do it."""
    project = tmp_path_factory.mktemp("built")
    done(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", project, cwd=REPOSITORY)
    (source,) = project.iterdir()
    done(sys.executable, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", project, source, cwd=project)
    (wheel,) = project.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def bin_directory(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commands of a fresh environment that has the wheel, and the dependencies of this one."""
    project = tmp_path_factory.mktemp("fresh")
    done(sys.executable, "-m", "venv", "--without-pip", project, cwd=project)
    (packages,) = project.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed))
    done(project / "bin" / "python", *PIP, "install", "--no-deps", "--no-index", wheel, cwd=project)
    return project / "bin"


def test_a_wheel_has_the_whole_package_the_shipped_files_and_the_license(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    package = [path for path in (REPOSITORY / "intelligen").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert [path for path in package if not (tmp_path / path.relative_to(REPOSITORY)).is_file()] == []
    for path in SHIPPED:
        assert filecmp.cmp(REPOSITORY / path, tmp_path / "intelligen" / "shipped" / path, shallow=False)
    assert filecmp.cmp(REPOSITORY / "LICENSE", next(tmp_path.glob("*.dist-info/licenses/LICENSE")), shallow=False)
    assert "License-Expression: Apache-2.0" in next(tmp_path.glob("*.dist-info/METADATA")).read_text(encoding="utf-8")


def test_a_wheel_of_the_tree_has_what_that_of_the_source_distribution_has(wheel: Path, tmp_path: Path) -> None:
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=REPOSITORY)
    (other,) = tmp_path.iterdir()
    assert zipfile.ZipFile(other).namelist() == zipfile.ZipFile(wheel).namelist()


def test_commands_work_outside_of_a_clone(bin_directory: Path, tmp_path: Path) -> None:
    intelligen = bin_directory / "intelligen"
    assert done(intelligen, "schema", cwd=tmp_path) == schema_text("sweep")
    done(intelligen, "init", "started", cwd=tmp_path)
    names = [
        "started/experiment.yaml",
        "started/sweep.yaml",
        *VALID,
    ]
    told = done(intelligen, "validate", "--samples", "2", *names, cwd=tmp_path)
    assert [line.partition(":")[0] for line in told.splitlines()] == names
    plan = json.loads(done(intelligen, "plan", names[1], "--no-calibrate", "--json", cwd=tmp_path))
    assert plan["warnings"] == []


def test_shipped_experiments_have_the_identities_that_they_have_in_a_clone(bin_directory: Path, tmp_path: Path) -> None:
    here = done(bin_directory / "python", "-c", IDENTITIES, *EXPERIMENTS, cwd=tmp_path)
    assert here == done(sys.executable, "-c", IDENTITIES, *EXPERIMENTS, cwd=REPOSITORY)
    assert len(here.splitlines()) == len(EXPERIMENTS)


def test_messages_name_files_of_the_package_without_detours(bin_directory: Path, tmp_path: Path) -> None:
    command = [bin_directory / "intelligen", "validate", "search_spaces/quickstart.yaml"]
    wrong = [*command, "-o", "experiment.task.selection_metric=valid/loss"]
    process = subprocess.run(wrong, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert process.returncode == 2
    file = process.stderr.partition(":")[0]
    assert os.path.isfile(file)
    assert ".." not in file


@pytest.mark.slow
@pytest.mark.extended
def test_the_quickstart_runs_outside_of_a_clone(bin_directory: Path, tmp_path: Path) -> None:
    done(bin_directory / "intelligen", "run", "search_spaces/quickstart.yaml", *SHORT, cwd=tmp_path)
    status = json.loads(done(bin_directory / "intelligen", "status", "quickstart", "--json", cwd=tmp_path))
    assert status["directory"] == str(tmp_path / "runs" / "sweeps" / "quickstart")
    assert (tmp_path / "runs" / "sweeps" / "quickstart" / "report.html").is_file()
