"""The conclusion ranks what is comparable, refuses what is not, and claims no more than was shown."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_study
from small_study import QUALITY, SmallStudy

from intelligen.analysis.answer_sentences import AnswerSentences
from intelligen.analysis.conclusion import Conclusion, answer_lines
from intelligen.analysis.result_rows import primary, result_rows
from intelligen.analysis.study import read_study
from intelligen.config.load import load_sweep
from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.write_report import read_compared, study_page
from intelligen.state.launch_file import write_launch
from intelligen.state.memory_bounds import MemoryBound, MemoryBounds
from intelligen.sweep.preflight.sweep_warnings import sweep_warnings


def compared_study(files: SmallStudy) -> Compared:
    return read_compared(files.write(), store=files.store)


def answer(files: SmallStudy) -> Conclusion:
    return compared_study(files).answer


def row_of(compared: Compared, name: str = "intelligen") -> dict[str, Any]:
    return next(row.values() for row in compared.primary if row.score.system == name)


def test_the_winner_is_named_with_both_differences_their_intervals_seeds_and_cost(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs"))
    row = row_of(compared)
    sentence = compared.answer.sentences[0]
    size = f"{row['delta']:.2f} BLEU (between {row['delta_low']:.2f} and {row['delta_high']:.2f})"
    beaten = f"its own control standard_matched, teacher forcing with the same computing, by {size} and standard by "
    assert sentence.startswith(f"intelligen wins: as configured here, it beats {beaten}")
    assert f"{row['device_hours']:.3g} device-hours" in sentence
    assert "× 2.00" in sentence
    again = "intelligen run FILE -o name=small-3-searches -o experiment.seed=5 -o search.seed=2 -o search.replicates=3"
    assert sentence.endswith(f"Next: search 3 times, to say it of the strategy: {again}.")
    first, *_, words, command = answer_lines(compared.answer)
    assert "Next" not in first, "a full stop would be pasted with the command"
    assert (words, command) == ("next     search 3 times, to say it of the strategy:", f"         {again}")
    assert (
        compared.answer.sentences[1]
        == "In at most 5 of 100 such studies is any claim of better, worse or equivalent wrong."
    )
    assert (row["control"], row["verdict"]) == ("standard_matched", "better")
    assert row["p_value"] < 0.05
    assert compared.answer.refusals == ()


def test_the_next_command_names_the_file_and_the_overrides_that_the_launch_was_given(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    given = ("my sweeps/small.yaml", "experiment.data.corpus.folder=data", "experiment.seed=1")
    write_launch(files.write(), files.settings()[0], tracking_uri="sqlite:///mlflow.db", given=given)
    command = (
        "intelligen run 'my sweeps/small.yaml' -o experiment.data.corpus.folder=data -o name=small-3-searches"
        " -o experiment.seed=5 -o search.seed=2 -o search.replicates=3"
    )
    assert f"to say it of the strategy: {command}." in read_compared(files.directory, store=files.store).answer.sentence


def test_the_answer_warns_of_few_trials_that_were_stopped_early(tmp_path: Path) -> None:
    warning = answer(SmallStudy(tmp_path / "few")).sentences[-1]
    assert warning.startswith(
        "With 4 trials of a strategy, some of them stopped early by asha after a noisy validation, it is largely luck"
    )
    enough = answer(SmallStudy(tmp_path / "enough", more="scheduler: {name: none}"))
    assert "by luck" not in enough.sentence


def test_a_gain_over_standard_that_its_own_control_has_too_is_no_win(tmp_path: Path) -> None:
    alike = {**QUALITY, "standard": 0.4, "standard_matched": 0.85, "intelligen": 0.85}
    found = answer(SmallStudy(tmp_path / "runs", quality=alike))
    assert found.sentences[0] == "No strategy is shown to win."
    assert found.sentences[1].startswith("Whether intelligen, as configured here, is better or worse than its own")


def test_one_that_beats_its_own_control_but_not_standard_does_not_win(tmp_path: Path) -> None:
    bad_control = {**QUALITY, "standard": 0.9, "standard_matched": 0.3, "intelligen": 0.9}
    found = answer(SmallStudy(tmp_path / "runs", quality=bad_control))
    assert found.sentences[0] == "No strategy is shown to win."
    assert found.sentences[1].startswith("intelligen, as configured here, beats its own control standard_matched")
    assert "It is not shown to beat standard too: " in found.sentences[1]


def test_what_is_not_known_is_said_with_what_could_have_been_found_and_the_study_that_finds_less(
    tmp_path: Path,
) -> None:
    same = dict.fromkeys(QUALITY, 0.7)
    compared = compared_study(SmallStudy(tmp_path / "runs", quality=same))
    row, sentence = row_of(compared), compared.answer.sentence
    assert row["verdict"] == "open"
    fits = f"anything from {row['delta_low']:+.2f} to {row['delta_high']:+.2f} fits"
    assert f"is not known: {row['delta']:+.2f} BLEU on average, and {fits}. 3 seeds." in sentence
    assert "Such a study finds a difference of " in sentence
    assert "in four of five cases, a smaller one in fewer." in sentence
    assert "any claim of better" not in sentence
    assert "wins" not in sentence


@pytest.mark.parametrize("confirm", [True, False])
def test_models_that_have_not_learnt_to_translate_are_said_to_show_nothing(tmp_path: Path, confirm: bool) -> None:
    nothing = dict.fromkeys(QUALITY, 0.0)
    found = answer(SmallStudy(tmp_path / "runs", quality=nothing, confirm=confirm))
    assert found.sentences[-1].startswith("No model reaches 1 BLEU in validation: the models have not learnt to trans")
    assert "four of five" not in found.sentence
    assert "No model reaches" not in answer(SmallStudy(tmp_path / "others", confirm=confirm)).sentence


def test_an_equivalent_one_is_within_the_margin_that_was_asked_about(tmp_path: Path) -> None:
    same = dict.fromkeys(QUALITY, 0.7)
    compared = compared_study(SmallStudy(tmp_path / "runs", quality=same, margin=60))
    row = row_of(compared)
    assert row["verdict"] == "equivalent"
    assert max(abs(row["delta_low"]), abs(row["delta_high"])) < 60
    assert (
        "differ by less than the 60 BLEU that you asked about: its score minus the control's is between "
        in compared.answer.sentence
    )
    assert "A smaller difference is possible. Next: take the cheaper, " in compared.answer.sentence


def test_a_strategy_that_is_worse_is_said_to_be(tmp_path: Path) -> None:
    worse = {**QUALITY, "standard": 0.95, "standard_matched": 0.95, "intelligen": 0.4}
    compared = compared_study(SmallStudy(tmp_path / "runs", quality=worse))
    row = row_of(compared)
    size = f"{-row['delta']:.2f} BLEU (between {-row['delta_high']:.2f} and {-row['delta_low']:.2f})"
    sentence = compared.answer.sentences[1]
    assert sentence.startswith("intelligen, as configured here, is worse than its own control standard_matched")
    assert sentence.endswith(f"by {size}. 3 seeds. Next: leave it out, or search more of its settings.")


def test_a_gain_over_a_matched_control_that_spent_less_is_said_with_the_ratio_and_the_one_to_write(
    tmp_path: Path,
) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", slow=("intelligen",)))
    row = row_of(compared)
    assert (row["verdict"], row["cost_ratio"]) == ("better", pytest.approx(22 / 12))
    assert (
        "beats its own control standard_matched, teacher forcing with 0.55 times the computing,"
        in compared.answer.sentence
    )
    assert "Next: train standard_matched with updates_ratio 7.3 instead of 4." in compared.answer.sentence


@pytest.fixture
def without_shared(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The strategies of a small study whose space has no `standard_matched`."""
    matched = "      standard_matched: {{updates_ratio: {{choice: [2.0, 4.0]}}}}\n"
    monkeypatch.setattr(small_study, "SWEEP", small_study.SWEEP.replace(matched, ""))
    return "standard", "intelligen"


def test_a_winner_beats_a_control_of_its_own_which_had_fewer_trials_for_it_has_fewer_points(
    tmp_path: Path, without_shared: tuple[str, ...]
) -> None:
    own = ("intelligen",)
    files = SmallStudy(tmp_path / "runs", strategies=without_shared, own=own, more="controls: own\n")
    compared = compared_study(files)
    assert (row_of(compared)["control"], compared.answer.refusals) == ("intelligen_matched", ())
    beaten = "its own control intelligen_matched, teacher forcing with the same computing, by "
    assert compared.answer.sentence.startswith(f"intelligen wins: as configured here, it beats {beaten}")


def test_a_costly_strategys_gain_over_standard_alone_is_refused(
    tmp_path: Path, without_shared: tuple[str, ...]
) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", strategies=without_shared))
    row = row_of(compared)
    assert (row["control"], row["verdict"], row["p_value"]) == ("standard", "refused", None)
    assert row["refusal"] == "its control spent 45 % less computing, which may be all of its gain"
    command = "intelligen run FILE -o name=small-again -o controls=own -o experiment.seed=5 -o search.seed=2"
    assert f"Next: add `controls: own` to the sweep file, as another sweep: {command}." in compared.answer.sentence
    assert [step.command for step in compared.answer.steps] == [command]


def test_a_loss_in_spite_of_more_computing_is_one(tmp_path: Path) -> None:
    worse = {**QUALITY, "standard_matched": 0.95, "intelligen": 0.4}
    found = answer(SmallStudy(tmp_path / "runs", quality=worse, slow=("intelligen",)))
    assert (
        "is worse than its own control standard_matched, teacher forcing with 0.55 times the computing,"
        in found.sentence
    )


def test_a_control_is_not_asked_about(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", quality={**QUALITY, "standard_matched": 0.95}))
    assert [row.score.system for row in compared.primary if row.score.own] == ["intelligen"]


def test_only_the_answers_own_test_set_and_search_have_verdicts(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs"))
    judged = {(row.score.setting[1], row.values()["verdict"]) for row in compared.rows if row.score.own}
    assert judged == {("beam", "better"), ("greedy", None)}


def test_seeds_that_were_added_on_the_way_are_said_in_place_of_the_error_rate(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    study = read_study(files.write(), store=files.store)
    fingerprint = {**study.fingerprint, "sweep": {**study.fingerprint["sweep"], "confirm": {"seeds": 2}}}
    rows = [row.score for row in primary(study, result_rows(study))]
    found = AnswerSentences(replace(study, fingerprint=fingerprint), rows, {}).all()
    assert "begun with 2 seeds and got 3" in [*found][1]


def test_a_sweep_without_confirmation_is_not_ranked(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", confirm=False))
    assert compared.answer.sentence.startswith("No strategy is ranked: nothing is confirmed")
    assert "`confirm`" in compared.answer.sentence
    (step,) = compared.answer.steps
    assert step.command == f"intelligen extend small --runs {tmp_path / 'runs'} -o confirm.seeds=3"
    assert list(answer_lines(compared.answer))[-1] == f"         {step.command}"
    assert {row.score.difference for row in compared.primary} == {None}


def test_a_sweep_whose_confirmation_would_be_refused_is_sent_to_one_with_controls(
    tmp_path: Path, without_shared: tuple[str, ...]
) -> None:
    files = SmallStudy(tmp_path / "runs", strategies=without_shared, confirm=False)
    file = tmp_path / "files" / "small.yaml"
    write_launch(files.write(), files.settings()[0], tracking_uri="sqlite:///mlflow.db", given=(str(file),))
    (step,) = read_compared(files.directory, store=files.store).answer.steps
    program, verb, path, *overrides = shlex.split(step.command)
    assert (program, verb, path) == ("intelligen", "run", str(file))
    sweep, _ = load_sweep(file, overrides[1::2])
    assert (sweep.name, list(sweep.own_controls())) == ("small-confirmed", ["intelligen_matched"])
    assert sweep.confirm is not None
    assert not any("standard_matched" in line for line in sweep_warnings(sweep, files.settings()[1]))


def test_a_run_without_a_score_refuses_its_comparison_and_the_command_that_trains_it_is_named(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", failed=("standard_matched-s2",))
    compared = compared_study(files)
    row = row_of(compared)
    assert (row["verdict"], row["delta_seeds"], row["p_value"]) == ("refused", "3 4", None)
    said = "intelligen is not judged: standard_matched's run with seed 2 has no score."
    assert f"{said} Next: intelligen resume small --runs {files.store} --failed." in compared.answer.sentence


def test_a_test_stage_that_goes_on_forbids_a_ranking(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    (files.write() / "confirm" / "intelligen-s2" / "scores" / "test-beam.json").unlink()
    found = read_compared(files.directory, store=files.store).answer
    assert found.refusals == (
        "1 of 9 confirmed models have not decoded test by beam search yet; next: intelligen resume small --runs"
        f" {files.store}",
    )


def test_budgets_that_differ_forbid_a_ranking_and_are_named(tmp_path: Path) -> None:
    found = answer(SmallStudy(tmp_path / "runs", trials_of={"intelligen": 6}))
    assert found.sentence.startswith("No strategy is ranked: ")
    assert "trials" in found.sentence
    assert "intelligen" in found.sentence


def test_hypotheses_that_are_not_those_that_were_scored_are_reported(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    path = files.write() / "confirm" / "intelligen-s2" / "scores" / "test-greedy.json"
    record = json.loads(path.read_text())
    record["bleu"]["value"] += 1.0
    path.write_text(json.dumps(record))
    *_, note = read_compared(files.directory, store=files.store).answer.notes
    assert note.startswith("intelligen-s2: its hypotheses for test by greedy search were rewritten")


def test_a_failed_repetition_is_reported(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", failed=("intelligen-s3",)))
    assert compared.answer.notes[0].startswith("intelligen-s3 (intelligen, seed 3) failed: its process died")
    row = next(row for row in compared.primary if row.score.system == "intelligen")
    assert row.score.seeds == (2, 4)
    assert row.score.own is not None
    assert row.score.own.refusal == "its run with seed 3 has no score"
    assert "its run with seed 3 has no score" in study_page(compared)


def test_trials_whose_memory_did_not_suffice_are_named_with_their_parts(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    trials = sorted((files.write() / "trials").iterdir())
    before = set(read_compared(files.directory, store=files.store).answer.notes)
    for trial in trials[:4]:
        MemoryBounds((MemoryBound(0, 800, None, "T4"), MemoryBound(0, 400, None, "T4"))).write(trial)
    MemoryBounds((MemoryBound(6, 200, None, "A10"), MemoryBound(9, None, 64, "A10"))).write(trials[4])
    names = [trial.name for trial in trials]
    assert set(read_compared(files.directory, store=files.store).answer.notes) - before == {
        f"{', '.join(names[:3])}, 1 more: updates were made in parts of at most 400 tokens, because the memory did not"
        " suffice for more (device: T4)",
        f"{names[4]} (since update 6): updates were made in parts of at most 200 tokens, because the memory did not"
        " suffice for more (device: A10)",
    }
