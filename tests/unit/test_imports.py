"""A notebook that imports the package waits for nothing that it may never use, and knows no command line."""

import subprocess
import sys

import pytest

HEAVY = {"click", "datasets", "mlflow", "optuna", "peft", "ray", "sacrebleu", "torch", "transformers"}
STATEMENTS = [
    "import intelligen",
    "from intelligen import api",
    "from intelligen import load_sweep, plan, report, reproduce, results, resume, run",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_notebook_imports_neither_click_nor_torch_nor_ray(statement: str) -> None:
    code = f"import sys\n{statement}\nprint(*sorted({HEAVY} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
