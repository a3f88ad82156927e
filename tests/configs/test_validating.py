"""`intelligen validate` reports every problem of every file in one line, and draws points of a sweep's space."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import refusals
from refusals import EXPERIMENT, SPACE, VARIED

from intelligen.cli.main import commands, guarded

folder = refusals.folder

# Greedy baselines with 1 or 2 samples are valid, and so is leave_one_out with 2: one of the four is not.
CLASHING = (
    f"{SPACE}  strategy:\n    choice:\n      seqgan:\n        samples: {{choice: [2, 1]}}\n"
    "        baseline: {choice: [ema, leave_one_out]}\n"
)


@pytest.fixture
def validate(folder: Path, capfd: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, list[str], list[str]]:
        code = guarded(lambda: commands.main(["validate", *arguments], standalone_mode=False))
        out, err = capfd.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


def test_files_in_order_are_named_with_what_they_are(validate) -> None:
    Path("sweep.yaml").write_text(VARIED)
    assert validate("sweep.yaml", "experiment.yaml", "--samples", "7") == (
        0,
        ["sweep.yaml: sweep is valid, 7 of 7 sampled trials resolve", "experiment.yaml: experiment is valid"],
        [],
    )


def test_rows_without_a_space_are_counted_and_not_sampled(validate) -> None:
    rows = "rows: {variants: {control: base, of: {base: {}, wide: {model.d_model: 512}}}}\n"
    Path("sweep.yaml").write_text(f"version: 1\nname: tiny\nexperiment: experiment.yaml\n{rows}")
    assert validate("sweep.yaml") == (0, ["sweep.yaml: sweep is valid, 2 rows resolve"], [])


def test_all_problems_of_all_files_are_reported(validate) -> None:
    Path("sweep.yaml").write_text(f"{VARIED}search: {{seed: -1}}\nresources: {{workers: 0}}\n")
    Path("many.yaml").write_text(EXPERIMENT + "".join(f"k{number}: 1\n" for number in range(25)))
    code, out, err = validate("many.yaml", "experiment.yaml", "sweep.yaml", "nowhere.yaml")
    assert code == 2
    assert out == ["experiment.yaml: experiment is valid"]
    assert [line.partition(": ")[0] for line in err] == [
        *(f"many.yaml:{number}" for number in range(3, 28)),
        "sweep.yaml:7",
        "sweep.yaml:8",
        "nowhere.yaml",
    ]


def test_findings_as_json(validate) -> None:
    Path("sweep.yaml").write_text(VARIED)
    Path("bad.yaml").write_text(f"{EXPERIMENT}seed: -1\n")
    code, out, err = validate("sweep.yaml", "bad.yaml", "--json", "--samples", "3")
    assert (code, err) == (2, [])
    document = json.loads("\n".join(out))
    assert document["format"] == 1
    assert document["files"] == [
        {"file": "sweep.yaml", "kind": "sweep", "problems": [], "sampled": 3, "resolved": 3, "rows": 0},
        {
            "file": "bad.yaml",
            "kind": "experiment",
            "problems": ["bad.yaml:3: seed: must be at least 0, got -1"],
            "sampled": 0,
            "resolved": 0,
            "rows": 0,
        },
    ]


def test_points_that_would_fail_as_trials_are_reported(validate) -> None:
    Path("sweep.yaml").write_text(CLASHING)
    code, out, (message,) = validate("sweep.yaml", "--samples", "40")
    assert (code, out) == (2, [])
    assert message.startswith("sweep.yaml:5: space: ")
    assert "of 40 sampled points would fail as trials, such as strategy: baseline leave_one_out needs" in message
    assert 3 <= int(message.split()[2]) <= 20
    assert validate("sweep.yaml", "--samples", "0") == (0, ["sweep.yaml: sweep is valid"], [])


def test_overrides_reach_the_files(validate) -> None:
    Path("sweep.yaml").write_text(VARIED)
    assert validate("sweep.yaml", "-o", "experiment.seed=3", "-o", "budget.trials=9")[0] == 0
    code, _, err = validate("sweep.yaml", "-o", "experiment.seed=-3")
    assert (code, err) == (2, ["-o experiment.seed=-3: seed: must be at least 0, got -3"])
    assert validate("experiment.yaml", "-o", "training.epochs=0")[0] == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("version: 1\nname: x\n", "experiment"),
        ("version: 1\nname: x\nseeed: 1\n", "experiment"),
        ("version: 1\nname: x\nmodel: {}\nspace: 1\n", "experiment"),
        ("version: 1\nname: x\nspace: {}\n", "sweep"),
        ("include: [rest.yaml]\n", "sweep"),
    ],
)
def test_what_a_file_is_shows_in_its_keys(validate, text: str, kind: str) -> None:
    Path("x.yaml").write_text(text)
    Path("rest.yaml").write_text(VARIED)
    _, out, _ = validate("x.yaml", "--json", "--samples", "0")
    assert json.loads("\n".join(out))["files"][0]["kind"] == kind


def test_what_is_no_yaml_is_of_no_kind(validate) -> None:
    Path("x.yaml").write_text("a: [\n")
    code, out, _ = validate("x.yaml", "--json")
    (finding,) = json.loads("\n".join(out))["files"]
    assert (code, finding["kind"], len(finding["problems"])) == (2, None, 1)


def test_a_file_is_needed(validate) -> None:
    assert validate()[0] == 2


def test_drawing_points_needs_neither_torch_nor_ray_nor_mlflow(folder: Path) -> None:
    Path("sweep.yaml").write_text(VARIED)
    code = """
import sys
from intelligen.cli.main import main
try:
    main()
except SystemExit as end:
    print(end.code, sorted({"ray", "torch", "mlflow"} & sys.modules.keys()))
"""
    command = [sys.executable, "-c", code, "validate", "sweep.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert not done.stderr
