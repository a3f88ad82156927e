"""Every place that names a best trial shows its settings, and `trials` lists all of them, sorted."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_study import SmallStudy

from intelligen.cli.main import commands
from intelligen.state.ledger import Ledger

BEST = {"standard": "t0003", "standard_matched": "t0007", "intelligen": "t0011"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("listed") / "runs"
    SmallStudy(runs, confirm=False, failed=["t0001"]).write()
    return runs


def call(runs: Path, *words: str) -> str:
    result = CliRunner().invoke(commands, [*words, "--runs", str(runs)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def settings_of(runs: Path, trial: str) -> dict[str, object]:
    (found,) = (one for one in json.loads(call(runs, "trials", "small", "--json"))["trials"] if one["trial"] == trial)
    return found["settings"]


def test_trials_are_listed_from_the_best_with_settings_score_state_and_cost(runs: Path) -> None:
    document = json.loads(call(runs, "trials", "small", "--json"))
    assert (document["format"], document["name"], document["objective"]) == (1, "small", "valid/bleu")
    listed = document["trials"]
    searched = [one["value"] for one in listed[:-1] if one["kind"] == "trial"]
    assert searched == sorted(searched, reverse=True)
    assert (listed[-1]["trial"], listed[-1]["state"], listed[-1]["value"]) == ("t0001", "failed", None)
    best = listed[0]
    assert (best["trial"], best["strategy"], best["device_s"]) == ("t0011", "intelligen", 88.0)
    assert best["settings"]["strategy"]["policy"]["name"] == "static"
    assert best["scores"]["test/bleu"] > 0
    table = call(runs, "trials", "small")
    (line,) = (line for line in table.splitlines() if line.startswith("t0011"))
    assert "learning_rate 0.00" in line
    assert "complete" in line


def test_a_trial_under_way_is_interrupted_where_its_sweep_does_not_run(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path / "runs", confirm=False, closed=False)
    study.write()

    def state() -> str:
        listed = json.loads(call(study.store, "trials", "small", "--json"))["trials"]
        return next(one["state"] for one in listed if one["trial"] == "t0100")

    with Ledger.open(study.directory, {}) as ledger:
        config = dict(ledger.trials["t0003"].config)
        where = {"directory": "trials/t0100", "number": 100}
        ledger.start("t0100", kind="trial", row="standard", seed=1, params={}, config=config, **where)
        assert state() == "running"
    assert state() == "interrupted"


def test_of_all_scores_the_list_shows_those_of_the_results_table(runs: Path) -> None:
    scores = json.loads(call(runs, "trials", "small", "--json"))["trials"][0]["scores"]
    table = call(runs, "trials", "small")
    heading = table.partition("t0011")[0]
    assert [len(scores) > 10, heading.count("test/"), heading.count("bleu")] == [True, 1, 2]
    assert "Not shown" not in table


@pytest.mark.parametrize(("order", "key"), [("cost", "device_s"), ("epochs", "epochs")])
def test_trials_are_sorted_by_what_is_asked_for(runs: Path, order: str, key: str) -> None:
    found = [one[key] for one in json.loads(call(runs, "trials", "small", "--sort", order, "--json"))["trials"]]
    assert found == sorted(found, reverse=True)
    back = [
        one[key] for one in json.loads(call(runs, "trials", "small", "--sort", order, "--reverse", "--json"))["trials"]
    ]
    assert back == sorted(found)


def test_reversed_the_last_started_is_first_and_what_has_no_score_last(runs: Path) -> None:
    def listed(*words: str) -> list[str]:
        return [one["trial"] for one in json.loads(call(runs, "trials", "small", "--json", *words))["trials"]]

    assert listed("--sort", "started", "--reverse") == listed("--sort", "started")[::-1]
    *scored, baseline, failed = listed("--sort", "score")
    assert failed == "t0001"
    assert listed("--sort", "score", "--reverse") == [*scored[::-1], baseline, failed]


def test_repetitions_come_below_the_trials_of_the_search_and_are_told_from_them(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    SmallStudy(runs, quality={"baseline": 0.9, "standard": 0.6, "standard_matched": 0.62, "intelligen": 0.7}).write()
    kinds = [one["kind"] for one in json.loads(call(runs, "trials", "small", "--json"))["trials"]]
    searched = kinds.count("trial")
    assert kinds[:searched] == ["trial"] * searched
    assert set(kinds[searched:]) == {"baseline", "confirm"}
    shown = [line.split()[1] for line in call(runs, "trials", "small").splitlines() if line.startswith("t00")]
    assert set(shown) == {"trial"}


def test_a_csv_has_every_trial_in_the_same_order(runs: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call(runs, "trials", "small", "--csv", "-"))))
    listed = json.loads(call(runs, "trials", "small", "--json"))["trials"]
    assert [row["trial"] for row in rows] == [one["trial"] for one in listed]
    assert float(rows[0]["param/finetuning.optimizer.learning_rate"]) > 0


def test_status_and_logs_show_the_settings_of_the_best_trials(runs: Path) -> None:
    rate = settings_of(runs, "t0003")["finetuning"]["optimizer"]["learning_rate"]  # type: ignore[index]
    shown = call(runs, "status", "small")
    for row, trial in BEST.items():
        assert f"# {row}: {trial}, valid/bleu " in shown
    assert f"optimizer: {{learning_rate: {rate}}}" in shown
    assert "below `include: [experiment.yaml]`" in shown
    (row,) = (
        one
        for one in json.loads(call(runs, "status", "small", "--json"))["strategies"]
        if one["strategy"] == "standard"
    )
    assert row["best"]["settings"] == settings_of(runs, "t0003")
    log = runs / "sweeps" / "small" / "trials" / "t0003" / "trial.log"
    log.write_text("epoch 1\n")
    assert f"optimizer: {{learning_rate: {rate}}}" in call(runs, "logs", "small", "t0003")
    (logged,) = json.loads(call(runs, "logs", "small", "t0003", "--json"))["trials"]
    assert logged["settings"] == settings_of(runs, "t0003")


def test_export_and_report_have_them(runs: Path, tmp_path: Path) -> None:
    rows = json.loads(call(runs, "export", "small", "--json"))["rows"]
    assert {row["strategy"]: row["best_trial"] for row in rows} == {"baseline": None, **BEST}
    assert rows[1]["best_settings"].startswith("{finetuning: {label_smoothing: ")
    assert "# standard: t0003, valid/bleu " in call(runs, "export", "small", "--markdown", "-")
    page = tmp_path / "page.html"
    call(runs, "report", "small", "--output", str(page))
    assert "# standard: t0003, valid/bleu " in page.read_text()
