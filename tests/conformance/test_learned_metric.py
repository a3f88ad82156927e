"""A learned metric says what `transformers` says of each pair alone, and a directory that is none is one line."""

import json
import math
from pathlib import Path

import pytest
import torch
from pretrained_models import SENTENCES, make_pretrained, make_regression
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from intelligen.config.schema.learned_metric import LearnedMetric
from intelligen.errors import ChangedError, DataError, IntelligenError
from intelligen.evaluation.learned_metric import with_learned
from intelligen.evaluation.sharded_evaluation import Evaluation
from intelligen.models.pretrained.regression import load_regression

CPU = torch.device("cpu")
ROWS = [(SENTENCES[row], SENTENCES[row + 1][: 7 * row + 1]) for row in range(5)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_regression(tmp_path_factory.mktemp("metric") / "tiny")


def test_every_pair_has_what_transformers_says_of_it_alone(directory: Path) -> None:
    hf = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    with torch.no_grad():
        alone = [hf(**tokenizer(*pair, return_tensors="pt")).logits.item() for pair in ROWS]
    for batch in (1, 2, 32):
        found = load_regression(LearnedMetric(path=str(directory), batch=batch), CPU)
        assert found.values(*zip(*ROWS, strict=True)) == pytest.approx(alone, abs=1e-5)
    assert len({round(value, 3) for value in alone}) == len(ROWS)
    assert found.signature.startswith("model:bert|sha256:")


def test_what_is_longer_than_its_positions_is_read_as_far_as_they_go(directory: Path) -> None:
    found = load_regression(LearnedMetric(path=str(directory)), CPU)
    long = " ".join(SENTENCES[:20])
    (value,) = found.values([long], [long])
    assert math.isfinite(value)


def test_the_score_is_the_mean_over_the_rows_by_the_best_reference_of_each() -> None:
    class Lengths:
        signature = "lengths"

        def values(self, firsts: list[str], seconds: list[str]) -> list[float]:
            return [float(len(one) - len(other)) for one, other in zip(firsts, seconds, strict=True)]

    plain = Evaluation({"bleu": 1.0}, ("aa", "b"), {"bleu_signature": "s"})
    found = with_learned(plain, ["a", "bbb ␟ bbbbb"], Lengths(), several=True)  # type: ignore[arg-type] # lists
    assert (found.metrics, found.signatures) == (
        {"bleu": 1.0, "learned": 1.5},
        {"bleu_signature": "s", "learned_signature": "lengths"},
    )


def _spoilt(directory: Path, target: Path, *, file: str, content: bytes | None) -> Path:
    target.mkdir()
    for one in directory.iterdir():
        if one.name != file:
            (target / one.name).write_bytes(one.read_bytes())
    if content is not None:
        (target / file).write_bytes(content)
    return target


def test_a_directory_that_is_no_learned_metric_is_one_line(directory: Path, tmp_path: Path) -> None:
    weights = (directory / "model.safetensors").read_bytes()
    config = json.loads((directory / "config.json").read_text())
    headless = json.dumps(config | {"architectures": ["BertModel"]}).encode()
    wrong = {
        str(tmp_path / "none"): "no such directory",
        str(make_regression(tmp_path / "two", outputs=2)): "BertForSequenceClassification with 2 outputs",
        str(make_pretrained("t5", tmp_path / "t5")): "a learned metric is a model …ForSequenceClassification",
        str(_spoilt(directory, tmp_path / "a", file="config.json", content=None)): "has no config.json",
        str(_spoilt(directory, tmp_path / "b", file="config.json", content=headless)): "BertModel with 1 outputs",
        str(_spoilt(directory, tmp_path / "c", file="tokenizer.json", content=None)): "has no tokenizer",
        str(_spoilt(directory, tmp_path / "d", file="model.safetensors", content=weights[:-9])): "is damaged",
        str(_spoilt(directory, tmp_path / "e", file="model.safetensors", content=None)): "has no model.safetensors",
    }
    for path, why in wrong.items():
        with pytest.raises(IntelligenError) as caught:
            LearnedMetric(path=path)
        assert type(caught.value) is DataError
        assert str(caught.value).startswith("test.learned_metric.path: ")
        assert why in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def test_files_that_have_changed_since_are_refused_and_what_is_recorded_needs_no_directory(
    directory: Path, tmp_path: Path
) -> None:
    known = LearnedMetric(path=str(directory))
    elsewhere = known.model_copy(update={"path": str(make_regression(tmp_path / "other", positions=44))})
    with pytest.raises(ChangedError, match="have changed since the sweep began"):
        load_regression(elsewhere, CPU)
    gone = LearnedMetric.model_validate(known.model_dump() | {"path": str(tmp_path / "gone")})
    assert gone.files == known.files
