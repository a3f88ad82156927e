"""A launch remembers how many trials ran at once where the settings leave it open, and the settings as they are."""

import json
from pathlib import Path

import pytest

from intelligen.config.schema.resources import Resources
from intelligen.config.schema.sweep import Sweep
from intelligen.state import layout
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.launch_file import read_launch, write_launch


def sweep(**resources: object) -> Sweep:
    settings = {"version": 1, "name": "s", "experiment": "e.yaml", "budget": {"trials": 2}}
    space = {"model.dropout": {"uniform": [0.0, 0.2]}}
    return Sweep.model_validate({**settings, "space": space, "resources": resources}, strict=False)


@pytest.mark.parametrize(("given", "resolved", "found"), [("auto", 3, 3), (2, 2, 2), ("auto", "auto", 1)])
def test_trials_at_once_are_remembered(tmp_path: Path, given: object, resolved: object, found: int) -> None:
    asked, fitted = (sweep(concurrent_trials=one) for one in (given, resolved))
    write_launch(tmp_path, asked, tracking_uri="sqlite:////nowhere/m.db", resolved=fitted)
    launch = read_launch(tmp_path, {})
    assert launch.concurrent_trials == found
    assert launch.sweep.resources == Resources(concurrent_trials=given)


def test_a_launch_file_of_an_earlier_version_has_the_number_of_its_settings(tmp_path: Path) -> None:
    write_launch(tmp_path, sweep(concurrent_trials=4), tracking_uri="sqlite:////nowhere/m.db")
    path = tmp_path / layout.LAUNCH_FILE
    stored = unseal(path.read_text())
    del stored["concurrent_trials"]
    path.write_text(seal(json.dumps(stored)))
    assert read_launch(tmp_path, {}).concurrent_trials == 4
    path.unlink()
    fingerprint = {"sweep": sweep(concurrent_trials=4).model_dump(mode="json")}
    assert read_launch(tmp_path, fingerprint).concurrent_trials == 4
