"""The names of a runs directory's folders are in one module, and are those of earlier versions."""

import re
from pathlib import Path

from conftest import REPOSITORY

from intelligen.state import layout

RUNS, SWEEP = Path("runs"), Path("runs/sweeps/quick")
NAMES = [value for name, value in vars(layout).items() if name.isupper()]
LITERAL = re.compile(f"[\"'/]({'|'.join(map(re.escape, NAMES))})[\"'/]")
PATH = re.compile(r'(/ |Path\(|join\(|glob\(f?)["\']')


def test_everything_lies_where_it_always_has() -> None:
    assert layout.prepared(RUNS, "ab12") == Path("runs/prepared/ab12")
    assert layout.baseline(RUNS, "cd34") == Path("runs/baselines/cd34")
    assert layout.finetuned(RUNS, "standard", "cd34") == Path("runs/finetuned/standard-cd34")
    assert layout.replay(RUNS, "t0003", 1) == Path("runs/replays/t0003-1")
    assert layout.sweep(RUNS, "quick") == SWEEP
    assert layout.searched(SWEEP, "t0000") == Path("runs/sweeps/quick/trials/t0000")
    assert layout.repeated(SWEEP, "standard-s2") == Path("runs/sweeps/quick/confirm/standard-s2")
    assert layout.tune(SWEEP) == Path("runs/sweeps/quick/tune")


def test_a_runs_directory_is_found_from_what_lies_in_it() -> None:
    assert layout.store_of(SWEEP) == RUNS
    for directory in (layout.searched(SWEEP, "t0000"), layout.baseline(RUNS, "cd34")):
        assert list(layout.stores_above(directory)) == [RUNS]
    assert list(layout.stores_above(layout.prepared(RUNS, "ab12"))) == []


def test_a_sweep_is_what_has_a_ledger(tmp_path: Path) -> None:
    folder = layout.sweeps(tmp_path)
    assert layout.sweep_names(folder) == []
    for name in ("second", "first", "unfinished"):
        layout.sweep(tmp_path, name).mkdir(parents=True)
    for name in ("second", "first"):
        (layout.sweep(tmp_path, name) / layout.LEDGER_FILE).touch()
    assert layout.sweep_names(folder) == ["first", "second"]


def test_no_other_module_makes_such_a_path_itself() -> None:
    lines = [
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for path in sorted((REPOSITORY / "intelligen").rglob("*.py"))
        if path.name != "layout.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if PATH.search(line) and LITERAL.search(line)
    ]
    assert lines == []
