"""What is checked before a commit, and by the public CI, is what `scripts/check` and `.ci/run` check."""

import tomllib
from typing import Any

import yaml
from conftest import REPOSITORY


def read_yaml(path: str) -> Any:
    return yaml.safe_load((REPOSITORY / path).read_text(encoding="utf-8"))


def test_the_hooks_run_the_commands_of_the_check_that_come_before_the_tests() -> None:
    lines = (REPOSITORY / "scripts" / "check").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("cd ")) + 1
    end = next(number for number, line in enumerate(lines) if line.startswith("if "))
    control = ("types=", "collected=", "trap ", "wait ")  # two run beside the others
    checked = [line.partition(" &")[0] for line in lines[start:end] if not line.startswith((*control, "pytest "))]
    (local,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert sorted(hook["entry"] for hook in local["hooks"]) == sorted(checked)
    assert {hook["language"] for hook in local["hooks"]} == {"system"}


def test_the_workflow_runs_the_ci_script_with_the_oldest_python() -> None:
    (job,) = read_yaml(".github/workflows/ci.yml")["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={job['strategy']['matrix']['python'][0]}"


def test_the_citation_has_the_version_and_the_license_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = read_yaml("CITATION.cff")
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


def test_the_peers_of_the_benchmarks_are_pinned_beside_the_products_own_pins() -> None:
    """Both files go into one installation, which fails where they pin a package twice and differently."""
    ours, peers = (pins(path) for path in ("constraints.txt", "benchmarks/peers/requirements.txt"))
    assert len(peers) > 0
    assert {name: version for name, version in peers.items() if ours.get(name, version) != version} == {}


def pins(path: str) -> dict[str, str]:
    lines = (REPOSITORY / path).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))
