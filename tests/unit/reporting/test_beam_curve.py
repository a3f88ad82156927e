"""A beam curve is in the report, in its table and in exports, of the models' own hypotheses at each size."""

import json
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU
from small_study import SmallStudy

from intelligen.analysis.beam_curve import BeamCurve, beam_curve
from intelligen.analysis.result_rows import result_records, result_rows
from intelligen.analysis.study import StudyResults, read_study
from intelligen.reporting.html.write_report import read_compared, report_figures, study_page
from intelligen.reporting.terminal.results_table import markdown_beam_curve


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    study = SmallStudy(tmp_path_factory.mktemp("curve") / "runs", strategies=("standard",), beam_sizes=(16, 1))
    study.write()
    return study


@pytest.fixture(scope="module")
def study(files: SmallStudy) -> StudyResults:
    return read_study(files.directory, store=files.store)


@pytest.fixture(scope="module")
def curve(study: StudyResults) -> BeamCurve:
    found = beam_curve(study, result_rows(study))
    assert found is not None
    return found


def test_every_size_has_the_mean_of_its_own_hypotheses(files: SmallStudy, curve: BeamCurve) -> None:
    assert curve.sizes == [1, 4, 16]
    for size, file in ((1, "test-beam_size1"), (4, "test-beam"), (16, "test-beam_size16")):
        scores = []
        for seed in (2, 3, 4):
            stored = files.directory / "confirm" / f"standard-s{seed}" / "scores" / f"{file}.json"
            scores.append(BLEU().corpus_score(json.loads(stored.read_text())["hypotheses"], [files.references]).score)
        assert curve.scores["standard"][size].value == pytest.approx(sum(scores) / 3)


def test_the_report_and_its_table_show_it(files: SmallStudy, study: StudyResults, curve: BeamCurve) -> None:
    compared = read_compared(files.directory, store=files.store)
    page = study_page(compared)
    assert "BLEU of test by beam size, means over the seeds" in page
    assert "0.6 (Wu et al. 2016), fixed for all models and sizes of the beam" in page
    (figure,) = (one for one in report_figures(compared) if one.key == "beam-curve")
    assert [line.name for line in figure.content.data] == ["baseline", "standard"]
    assert list(figure.content.data[1].x) == ["1", "4", "16"]
    head, _, _, row, *_ = markdown_beam_curve(curve).strip().splitlines()
    assert head == "| BLEU of test by beam size | 1 | 4 | 16 |"
    assert row.startswith(f"| standard | {curve.scores['standard'][1].value:.2f} [")
    searches = {record["search"] for record in result_records(study, result_rows(study))}
    assert searches == {"beam", "greedy", "beam_size1", "beam_size16"}


def test_without_sizes_there_is_none(tmp_path: Path) -> None:
    plain = SmallStudy(tmp_path / "runs", strategies=("standard",))
    plain.write()
    study = read_study(plain.directory, store=plain.store)
    assert beam_curve(study, result_rows(study)) is None
    assert markdown_beam_curve(None) == ""
    assert "by beam size" not in study_page(read_compared(plain.directory, store=plain.store))
