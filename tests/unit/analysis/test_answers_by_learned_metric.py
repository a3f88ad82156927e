"""What a learned metric says is shown beside what is tested, and said where it contradicts a claim."""

import json
from pathlib import Path

import pytest
from small_study import SmallStudy

from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.write_report import read_compared, study_page

SAYS = {"baseline": 0.1, "standard": 0.5, "standard_matched": 0.5, "intelligen": 0.25}


def learned(directory: Path, *, other: str = "") -> None:
    """Write into every file of scores what a learned metric says; of one model another metric does."""
    for path in directory.glob("confirm/*/scores/*.json"):
        stored, (system, _, seed) = json.loads(path.read_text()), path.parts[-3].rpartition("-s")
        name = other if path.parts[-3] == "intelligen-s3" and other else "sha256:aaaa"
        stored["metrics"]["test/learned"] = SAYS[system] + 0.001 * int(seed)
        stored["signatures"]["learned_signature"] = f"model:bert|{name}"
        path.write_text(json.dumps(stored, ensure_ascii=False))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    study = SmallStudy(tmp_path_factory.mktemp("other") / "runs")
    study.write()
    return study


def read(files: SmallStudy) -> Compared:
    return read_compared(files.directory, store=files.store)


def test_the_answer_says_where_it_contradicts_a_claim_and_without_it_nothing_differs(files: SmallStudy) -> None:
    before = read(files)
    assert "learned metric" not in " ".join(before.answer.sentences) + study_page(before)
    learned(files.directory)
    after = read(files)
    assert after.answer.sentences[0] == before.answer.sentences[0]
    assert before.answer.sentences[0].startswith("intelligen wins")
    contradiction = "The learned metric says the opposite: intelligen -0.2500 (learned) to standard_matched on average"
    assert contradiction in " ".join(after.answer.sentences)
    (row,) = (one for one in after.primary if one.score.system == "intelligen")
    assert row.values()["learned"] == pytest.approx(0.253)
    page = study_page(after)
    assert "Δ the learned metric" in page
    assert "-0.2500" in page
    assert "model:bert|sha256:aaaa" in page


def test_what_two_metrics_have_scored_is_not_compared(files: SmallStudy) -> None:
    learned(files.directory, other="sha256:bbbb")
    found = read(files)
    assert "learned" not in " ".join(found.answer.sentences)
    (row,) = (one for one in found.primary if one.score.system == "intelligen")
    assert "learned" not in row.values()
