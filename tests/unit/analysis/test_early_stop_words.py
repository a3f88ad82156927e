"""The place of a stopped trial: among trials of its own search and row, by their scores after the same epoch."""

from dataclasses import replace
from pathlib import Path

from small_study import SmallStudy

from intelligen.analysis.early_stop_words import compared_with
from intelligen.config.load import load_sweep
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialRecord, TrialState


def test_a_stop_names_trials_of_its_own_search_alone(tmp_path: Path) -> None:
    SmallStudy(tmp_path / "runs").settings()
    sweep, _ = load_sweep(tmp_path / "files" / "small.yaml", ["search.replicates=2"])
    scores = {("r1-t0001", 1): 30.0, ("r2-t0000", 1001): 20.0, ("r2-t0001", 1001): 10.0}
    why = "stopped by the scheduler after epoch 1"
    trials = {
        name: TrialRecord(name, "trial", "standard", seed, {}, {}, name, 0, 0, TrialState.PRUNED, why)
        for name, seed in scores
    }
    histories = {name: [Report(1, 10, 100, 1, {"valid/bleu": score})] for (name, _), score in scores.items()}
    said = compared_with(trials["r2-t0001"], trials, histories, sweep)
    assert said == "valid/bleu 10.00 is number 2 of 2, of which asha keeps 1 in 2; the best is 20.00 (r2-t0000)"
    histories["r2-t0002"] = [Report(1, 10, 100, 1, {"valid/bleu": 5.0})]
    trials["r2-t0002"] = replace(trials["r2-t0000"], id="r2-t0002")
    said = compared_with(trials["r2-t0001"], trials, histories, sweep)
    assert said == "valid/bleu 10.00 is number 2 of 3, of which asha keeps 1 in 2; the best is 20.00 (r2-t0000)"


def test_a_stop_of_an_own_control_names_trials_of_its_own_row(tmp_path: Path) -> None:
    SmallStudy(tmp_path / "runs").settings()
    sweep, _ = load_sweep(tmp_path / "files" / "small.yaml")
    scores = {"t0000": 30.0, "generative_matched-t0000": 20.0, "generative_matched-t0001": 10.0}
    histories = {name: [Report(1, 10, 100, 1, {"valid/bleu": score})] for name, score in scores.items()}
    trials = {
        name: TrialRecord(
            *(name, "trial", row or "generative", 1, {}, {}, name, 0, 0, TrialState.PRUNED),
            "stopped by the scheduler after epoch 1",
            matches=point if row else None,
        )
        for name in scores
        for row, _, point in [name.rpartition("-")]
    }
    said = compared_with(trials["generative_matched-t0001"], trials, histories, sweep)
    assert said.endswith(
        "10.00 is number 2 of 2, of which asha keeps 1 in 2; the best is 20.00 (generative_matched-t0000)"
    )
