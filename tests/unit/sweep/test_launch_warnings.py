"""A launch says before anything runs what `plan` would say, such as the controls without which it ranks nothing."""

from pathlib import Path

import pytest
from small_study import SmallStudy

from intelligen.cli.verbs.plan_doctor import plan_lines
from intelligen.config.files.suggested_fixes import typed_for_sweep
from intelligen.data.data_warnings import data_warnings
from intelligen.reporting.terminal.progress_bars import counting
from intelligen.sweep import launch_steps
from intelligen.sweep.launch_request import request_of_file
from intelligen.sweep.preflight.plan import make_plan
from intelligen.sweep.signals import Interrupts


class Said:
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.counting = counting

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_run_says_what_plan_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch_steps, "_run_stages", lambda *_: 0)
    files = SmallStudy(tmp_path / "runs", confirm=False)
    settings, experiment = files.settings()
    assert settings.space
    sweep = settings.model_copy(update={"space": _without_matched(settings.space), "name": "alone"})
    request = request_of_file(sweep, experiment, runs=files.store, tracking_uri=f"sqlite:///{tmp_path / 'm.db'}")
    said = Said()
    with Interrupts(ends_process=False) as interrupts:
        launch_steps.run_sweep(request, said, interrupts)  # type: ignore[arg-type] # nothing else is asked of it
    plan = make_plan(sweep, experiment, store=files.store, calibrate=False, prepare=lambda: request.prepare(counting))
    planned = [line.removeprefix("warning     ") for line in plan_lines(plan) if line.startswith("warning")]
    assert any("no `standard_matched` beside intelligen" in line for line in planned)
    of_data = [typed_for_sweep(line) for line in data_warnings(request.prepare(counting).shared.manifest)]
    assert any(line.startswith("valid has ") for line in of_data)
    warned = [line.removeprefix("warning: ") for line in said.lines if line.startswith("warning")]
    assert warned == [*of_data, *planned]


def _without_matched(space: dict) -> dict:  # type: ignore[type-arg]
    choice = {name: inner for name, inner in space["strategy"].choice.items() if name != "standard_matched"}
    return {**space, "strategy": space["strategy"].model_copy(update={"choice": choice})}
