"""What users may build on changes on purpose only: the verbs with their options, and the package's names."""

import runpy
import subprocess
import sys

import pytest
from conftest import REPOSITORY

import intelligen

SCRIPT = REPOSITORY / "scripts" / "write_surface.py"
GOLDEN = REPOSITORY / "tests" / "golden" / "surface.txt"
HEAVY = {"torch", "ray", "optuna", "mlflow", "pandas", "pydantic", "click", "rich"}


def test_verbs_options_and_names_are_those_that_were_agreed_on() -> None:
    found = runpy.run_path(str(SCRIPT))["surface"]()
    assert found == GOLDEN.read_text(encoding="utf-8"), "changed on purpose? run python scripts/write_surface.py"


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, intelligen; dir(intelligen); print(*sorted({HEAVY} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_is_there_and_no_other() -> None:
    assert set(intelligen.__all__) == {name for name in dir(intelligen) if hasattr(intelligen, name)}
    with pytest.raises(AttributeError, match="has no attribute 'resume_all'"):
        _ = intelligen.resume_all
