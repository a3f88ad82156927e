"""Writes metrics.json: what scikit-learn and SQuAD's official script say of stored predictions.

    pip install scikit-learn numpy
    python tests/golden/write_metric_references.py evaluate-v2.0.py

The argument is the official script of SQuAD 2.0 (https://rajpurkar.github.io/SQuAD-explorer).
"""

import hashlib
import importlib
import importlib.util
import json
import platform
import random
import sys
from pathlib import Path
from typing import Any

WORDS = [
    "the",
    "Eiffel",
    "Tower,",
    "in",
    "Paris",
    "a",
    "U.S.",
    "an",
    "1,889",
    "won't",
    "서울",
    "특별시",
    "에",
    "있다.",
    "é",
    "—",
]


def main(script: Path) -> None:
    """Write the file beside this one."""
    metrics, squad = importlib.import_module("sklearn.metrics"), official(script)
    content = {
        "command": f"python tests/golden/write_metric_references.py {script.name}",
        "versions": {
            "python": platform.python_version(),
            "scikit-learn": importlib.import_module("sklearn").__version__,
            f"{script.name} (SQuAD 2.0), SHA-256": hashlib.sha256(script.read_bytes()).hexdigest(),
        },
        "classification": [classified(metrics, *case) for case in CLASSIFICATIONS],
        "answers": answered(squad),
    }
    Path(__file__).with_name("metrics.json").write_text(
        json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )


CLASSIFICATIONS = [
    # seed, rows, classes that are expected, classes that are predicted
    (1, 200, ["0", "1"], ["0", "1"]),
    (2, 157, ["politics", "sport", "world"], ["politics", "sport", "world", "economy"]),
    (3, 83, ["1", "10", "2", "9"], ["2", "9"]),
    (4, 41, ["neg", "pos"], ["neg"]),
]


def classified(metrics: Any, seed: int, rows: int, expected: list[str], predicted: list[str]) -> dict[str, Any]:
    """Two thirds are right where they can be."""
    draw = random.Random(seed)
    references = draw.choices(expected, weights=range(1, len(expected) + 1), k=rows)
    right = [one if one in predicted and draw.random() < 2 / 3 else draw.choice(predicted) for one in references]
    return {
        "references": references,
        "predictions": right,
        "accuracy_score": metrics.accuracy_score(references, right),
        "f1_score(average='macro')": metrics.f1_score(references, right, average="macro", zero_division=0),
    }


def answered(squad: Any) -> dict[str, Any]:
    """Answers with several references, with one, and with none."""
    draw = random.Random(5)

    def text(most: int = 5) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    references = [[text() for _ in range(row % 4)] for row in range(80)]
    predictions = []
    for row, own in enumerate(references):
        near = draw.choice(own) if own else ""
        predictions.append([near.upper(), f"{near} {text(2)}", text(), "", f"The {near}!"][row % 5])
    questions = [{"id": str(row), "answers": [{"text": one} for one in own]} for row, own in enumerate(references)]
    dataset = [{"paragraphs": [{"qas": questions}]}]
    exact, f1 = squad.get_raw_scores(dataset, {str(row): one for row, one in enumerate(predictions)})
    return {
        "references": references,
        "predictions": predictions,
        **squad.make_eval_dict(exact, f1),
        "f1 by row": [*f1.values()],
    }


def official(path: Path) -> Any:
    """The script as a module; it runs nothing where it is not called."""
    spec = importlib.util.spec_from_file_location("squad", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]))
