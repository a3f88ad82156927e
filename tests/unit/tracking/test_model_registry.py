"""The promoted model was tested and is best on validation, or was named and has selected weights."""

from pathlib import Path
from typing import Any

import pytest
from small_study import QUALITY, SmallStudy

from intelligen.errors import ConfigError, UnavailableError
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import TrialState
from intelligen.tracking.model_registry import best_confirmed, best_ranked, named_trial

METRICS = {"gpu/count": 0.0, "cpu/memory_avg_mib": 1.0, "cpu/memory_peak_mib": 1.0, "time/epoch_s": 1.0}
BLEU = {"baseline-1": 20.0, "t0000": 30.0, "t0001": 25.0, "t0002": 40.0}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A baseline and three trials of three strategies; the last one failed."""
    fingerprint = {"sweep": {"objective": {"metric": "valid/bleu"}}}
    with Ledger.open(tmp_path, fingerprint) as ledger:
        for name, bleu in BLEU.items():
            strategy = f"of {name}"
            kind = "baseline" if name == "baseline-1" else "trial"
            ledger.start(name, kind=kind, row=strategy, seed=1, params={}, config={}, directory=name)
            (tmp_path / name).mkdir()
            History(tmp_path / name).append(Report(1, 1, 1, 0, {**METRICS, "valid/bleu": bleu}))
            ledger.finish(name, TrialState.FAILED if name == "t0002" else TrialState.COMPLETE)
        ledger.start("t0003", kind="trial", row="late", seed=1, params={}, config={}, directory="t0003")
    return tmp_path


def test_the_best_is_one_that_was_tested(sweep: Path) -> None:
    with pytest.raises(UnavailableError, match="no model was tested yet"):
        best_confirmed(sweep)
    for name, best in (("t0001", "t0001"), ("baseline-1", "t0001"), ("t0000", "t0000")):
        with Ledger.open(sweep, {}) as ledger:
            ledger.score(name, {"test/bleu": 99.0 - BLEU[name]})
        assert best_confirmed(sweep).id == best


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"confirm": False}, "No strategy is ranked: nothing is confirmed"),
        ({"quality": dict.fromkeys(QUALITY, 0.7)}, "No strategy is shown to win."),
    ],
)
def test_what_is_not_ranked_is_not_promoted_unless_it_is_named(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    files = SmallStudy(tmp_path / "runs", **settings)
    files.write()
    with pytest.raises(UnavailableError, match=said) as refused:
        best_ranked(files.directory, store=files.store)
    assert "intelligen promote small" in str(refused.value)
    assert "--trial TRIAL" in str(refused.value)
    assert named_trial(files.directory, "t0011").id == "t0011"


def test_of_the_winners_models_the_best_is_promoted(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", quality={**QUALITY, "baseline": 0.95})
    files.write()
    found = best_ranked(files.directory, store=files.store)
    assert (found.row, found.kind) == ("intelligen", "confirm")


def test_a_trial_without_a_model_is_refused(sweep: Path) -> None:
    assert named_trial(sweep, "t0001").id == "t0001"
    for name, state in (("t0002", "failed"), ("t0003", "running")):
        with pytest.raises(UnavailableError, match=f"trial {name} is {state}"):
            named_trial(sweep, name)
    with pytest.raises(ConfigError, match="no trial 't0009'; there are baseline-1, t0000"):
        named_trial(sweep, "t0009")
