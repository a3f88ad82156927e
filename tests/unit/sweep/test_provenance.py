"""What a sweep started with is written once; the working tree's difference is git's, bounded and without secrets."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from intelligen.state.provenance_files import DIFF, PACKAGES, read_provenance
from intelligen.sweep.provenance import record_provenance, working_tree_diff


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    repository = tmp_path / "a repository, ü"
    (repository / "package").mkdir(parents=True)
    (repository / "package" / "code.py").write_text("lr = 1\n")
    (repository / ".gitignore").write_text("ignored\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", "-C", str(repository), *command], check=True)
    return repository


def test_the_difference_reaches_the_whole_repository_and_names_new_files(repository: Path) -> None:
    assert working_tree_diff(repository) == ""
    (repository / "package" / "code.py").write_text("lr = 2\n")
    (repository / "new.yaml").write_text("a: 1\n")
    (repository / "ignored").write_text("x\n")
    diff = working_tree_diff(repository / "package")
    assert diff.startswith("# not under version control: new.yaml\ndiff --git a/package/code.py")
    assert "-lr = 1\n+lr = 2\n" in diff
    assert "ignored" not in diff
    subprocess.run(["git", "-C", str(repository), "checkout", "-q", "."], check=True)
    subprocess.run(["git", "-C", str(repository), "apply"], input=diff, text=True, check=True)
    assert (repository / "package" / "code.py").read_text() == "lr = 2\n"


def test_secrets_and_bulk_stay_out_of_the_difference(repository: Path) -> None:
    (repository / "package" / "code.py").write_text("api_key = 'CANARY'\n" + "x = 1  # long\n" * 20_000)
    diff = working_tree_diff(repository)
    assert "CANARY" not in diff
    assert "api_key = [redacted]" in diff
    assert len(diff) < 100_100
    assert "# cut here: 300," in diff


def test_there_is_no_difference_outside_a_repository(tmp_path: Path) -> None:
    assert working_tree_diff(tmp_path) == ""


def test_a_sweep_keeps_what_it_started_with(tmp_path: Path) -> None:
    assert read_provenance(tmp_path, DIFF) == ""
    record_provenance(tmp_path)
    packages = read_provenance(tmp_path, PACKAGES).splitlines()
    assert packages[0] == f"# python {platform.python_version()} (CPython)"
    assert {"# system", "# cpu", "# gpu"} <= {" ".join(line.split()[:2]) for line in packages}
    assert f"torch=={version('torch')}" in packages
    named = [line for line in packages if not line.startswith("#")]
    assert named == sorted(named, key=str.lower)
    (tmp_path / "provenance" / DIFF).write_text("as it was\n")
    record_provenance(tmp_path)
    assert read_provenance(tmp_path, DIFF) == "as it was\n"
