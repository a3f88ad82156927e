"""What the doctor says of packages helps in a clone and without one."""

from dataclasses import fields
from pathlib import Path

import pytest

from intelligen.sweep.preflight import doctor


@pytest.mark.parametrize(
    ("constraints", "fix"),
    [
        ("constraints.txt", "pip install -c constraints.txt -e . in the repository"),
        ("nowhere.txt", "pip install 'click>=99' no-such-package"),
    ],
    ids=["clone", "wheel"],
)
def test_missing_requirements_are_named_with_a_command_that_installs_them(
    constraints: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.txt").write_text("click==99.0\n")
    monkeypatch.setattr(doctor, "CONSTRAINTS", tmp_path / constraints)
    monkeypatch.setattr(doctor, "requires", lambda package: ["click>=99", "no-such-package", "numpy"])
    (found,) = (one for one in doctor._packages() if one.check == "packages")
    assert (found.verdict, found.fix) == (doctor.CheckStatus.FAIL, fix)
    assert "no-such-package is missing" in found.found


def test_the_fields_of_a_finding_are_the_documented_keys_of_the_json_document() -> None:
    assert [field.name for field in fields(doctor.Finding)] == ["check", "verdict", "found", "fix"]
