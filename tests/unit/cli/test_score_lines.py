"""A tested model's scores are shown with intervals and signatures, the score that selected its weights first."""

import json
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial

from intelligen.cli.score_lines import score_document, score_lines
from intelligen.config.schema.tasks import Translation
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.scores_file import read_scores
from intelligen.training.trained_model import SplitScore, TrainedModel


def scored(tiny_store: tuple[Path, str], directory: Path, task: Translation) -> SplitScore:
    trial = tiny_trial(tiny_store[1]).model_copy(update={"task": task})
    fit(trial, Runtime(tiny_store[0], directory))
    return TrainedModel.load(directory, store=tiny_store[0], device=torch.device("cpu")).score("test")


@pytest.mark.parametrize(
    ("selection", "with_interval", "lines"),
    [("valid/bleu", ["bleu"], ["BLEU", "chrF", "TER"]), ("valid/chrf", ["chrf", "bleu"], ["chrF", "BLEU", "TER"])],
)
def test_what_selected_the_weights_comes_first_with_its_interval(
    tiny_store: tuple[Path, str], tmp_path: Path, selection: str, with_interval: list[str], lines: list[str]
) -> None:
    found = scored(tiny_store, tmp_path / "t", Translation.model_validate({"selection_metric": selection}))
    lines_shown = list(score_lines(found, tmp_path / "t"))
    assert [line.split()[0] for line in lines_shown[1:4]] == lines
    assert [" [" in line for line in lines_shown[1:4]] == [line.lower() in with_interval for line in lines]
    assert all("|version:" in line for line in lines_shown[1:4])
    document = score_document(found)
    names = [name for name in document if name in ("bleu", "chrf")]
    assert names == with_interval
    metrics = found.metrics()
    for name in with_interval:
        assert document[name] == {
            **{"value": pytest.approx(metrics[f"test/{name}"]), "low": metrics[f"test/{name}_low"]},
            "high": metrics[f"test/{name}_high"],
        }
    assert {name for name in metrics if name.endswith("_low")} == {f"test/{name}_low" for name in with_interval}
    # In the file each has a key of its own, where files of BLEU alone have theirs.
    keys = [key for key in json.loads(found.path.read_text()) if key != "sha256"]
    assert [key for key in keys if key in ("metrics", *with_interval, "resamples")] == [
        *("metrics", *with_interval, "resamples")
    ]
    assert read_scores(found.path).intervals == found.intervals
