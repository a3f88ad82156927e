"""`scripts/sizes.py` names what is too long, and nothing else."""

import runpy
from pathlib import Path

from conftest import REPOSITORY

SCRIPT = runpy.run_path(str(REPOSITORY / "scripts" / "sizes.py"))
SHORT, LONG = ("def one():\n" + "    pass\n" * (lines - 1) for lines in (25, 26))


def found(tree: Path, **files: str) -> list[str]:
    for folder in ("intelligen", "tests"):
        (tree / folder).mkdir(exist_ok=True)
    for name, text in files.items():
        (tree / f"{name.replace('__', '/')}.py").write_text(text)
    return list(SCRIPT["problems"](tree))


def test_a_file_that_is_too_long_is_named_with_its_size(tmp_path: Path) -> None:
    assert found(tmp_path, intelligen__a="\n" * 300, tests__a="\n" * 450) == []
    assert found(tmp_path, intelligen__a="\n" * 301, tests__a="\n" * 451) == [
        "intelligen/a.py: 301 lines, at most 300: split it",
        "tests/a.py: 451 lines, at most 450: split it",
    ]


def test_one_function_of_ten_may_be_long_and_two_are_named(tmp_path: Path) -> None:
    assert found(tmp_path, intelligen__a=9 * SHORT + LONG, tests__a=LONG) == []
    (problem,) = found(tmp_path, intelligen__a=8 * SHORT + LONG + LONG)
    assert problem.startswith("20 % of the functions have over 25 lines")
    assert "intelligen/a.py:201 one (26)" in problem
