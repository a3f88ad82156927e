"""A study in stages: paused after its search, killed while it confirms what it found, and brought to its end."""

import json
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sacrebleu.metrics import BLEU
from test_sweep import Project, require_nothing_left, require_records_agree, wait_for

from intelligen.analysis.result_rows import result_rows
from intelligen.analysis.status import SweepState, read_status
from intelligen.analysis.study import read_study
from intelligen.api import results
from intelligen.cli.main import commands, guarded
from intelligen.state.history import read_history
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.state.trial_result import read_trial
from intelligen.tracking.mlflow_store import open_client
from intelligen.tracking.sweep_parent_run import SCORES_FILE

pytestmark = pytest.mark.slow

SWEEP = """
version: 1
name: tiny
question: Does the winner win again?
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {log_uniform: [1.0e-3, 5.0e-3]}
  strategy: {choice: {standard: {}, generative: {}}}
budget: {trials_per_strategy: 2}
scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}
confirm: {seeds: 2}
test: {searches: [greedy, beam, {beam: 1}]}
"""
SEEDS, STRATEGIES = (2, 3), ("standard", "generative")
BASELINES = {"baseline-1", "baseline-2", "baseline-3"}
TRIALS = {"t0000", "t0001", "t0002", "t0003"}
DAMAGED = "standard-s2"
"""The first that is tested; its weights are damaged meanwhile."""
CONFIRMED = {f"{strategy}-s{seed}" for strategy in STRATEGIES for seed in SEEDS}


@dataclass
class Story:
    """The study's way."""

    project: Project
    paused: dict[str, TrialRecord]
    paused_state: SweepState
    paused_exit: int
    killed: dict[str, TrialRecord]
    histories: dict[str, str]
    """As the kill left them."""
    damaged: dict[str, TrialRecord]
    damaged_exit: int
    damaged_output: str
    exit: int
    output: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    project = Project(tmp_path_factory.mktemp("study"), SWEEP)
    # A model that has learnt so little soon drifts.
    experiment = project.directory / "experiment.yaml"
    experiment.write_text(experiment.read_text().replace("finetuning:\n", "finetuning:\n  health: {patience: null}\n"))
    project.train_baseline()
    paused_exit, output = project.run("--until", "search")
    paused, paused_state = project.trials(), read_status(SweepFiles(project.sweep)).state
    launch = project.launch()
    wait_for(lambda: in_the_middle(project), launch)
    launch.send_signal(signal.SIGKILL)
    launch.communicate()
    killed = project.trials()
    histories = {name: project.history(record).read_text() for name, record in killed.items()}
    project.run("--until", "confirm")
    weights = project.sweep / "confirm" / DAMAGED / "selected.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    damaged_exit, damaged_output = project.run()
    damaged = project.trials()
    weights.write_bytes(whole)
    code, output = project.run()
    return Story(
        *(project, paused, paused_state, paused_exit, killed, histories, damaged, damaged_exit, damaged_output),
        *(code, output),
    )


def in_the_middle(project: Project) -> bool:
    """Whether one repetition has ended, and another has come to its first checkpoint."""
    repeated = [record for record in project.trials().values() if record.kind == "confirm"]
    states = [record.state for record in repeated]
    return TrialState.COMPLETE in states and any(
        record.state is TrialState.RUNNING and read_history(project.history(record)) for record in repeated
    )


def test_a_launch_ends_with_the_stage_that_it_was_asked_for(story: Story) -> None:
    assert (story.paused_exit, story.paused_state) == (0, SweepState.PAUSED)
    assert story.paused.keys() == BASELINES | TRIALS
    assert not any(record.scores for record in story.paused.values())


def test_what_had_ended_is_not_repeated_and_the_rest_goes_on(story: Story) -> None:
    assert story.exit == 0, story.output
    after = story.project.trials()
    assert after.keys() == BASELINES | TRIALS | CONFIRMED
    (cut,) = (name for name, record in story.killed.items() if record.state is TrialState.RUNNING)
    for name, text in story.histories.items():
        found = story.project.history(after[name]).read_text()
        assert (after[name].started_ms, after[name].attempts) == (story.killed[name].started_ms, 1 + (name == cut))
        assert found.startswith(text) if name == cut else found == text
    assert after[cut].state is TrialState.COMPLETE
    require_nothing_left(story.project)


def test_a_model_that_cannot_be_tested_is_named_and_the_others_are(story: Story) -> None:
    assert story.damaged_exit == 74, story.damaged_output
    assert f"{DAMAGED}: cannot score the test sets: " in story.damaged_output
    assert "Traceback" not in story.damaged_output
    scored = {name for name, record in story.damaged.items() if record.scores}
    assert scored == CONFIRMED - {DAMAGED} | BASELINES - {"baseline-1"}


def test_the_same_command_repeats_nothing_and_another_is_refused(
    story: Story, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(story.project.directory)

    def run(*arguments: str) -> tuple[int, str]:
        code = guarded(lambda: commands.main(["run", "sweep.yaml", *arguments], standalone_mode=False))
        return code, capfd.readouterr().err

    before = (story.project.sweep / "ledger.jsonl").read_text()
    assert run()[0] == 0
    for override, why in (
        ("test.searches=[greedy]", "sweep.test.searches: ['greedy', 'beam', {'beam': 1}] → ['greedy']"),
        ("confirm=null", "sweep.confirm.seeds: 2 → None"),
        ("budget.trials_per_strategy=3", "its best configurations are being confirmed, so its search has ended"),
    ):
        code, output = run("-o", override)
        assert (code, why in output) == (78, True), output
    assert (story.project.sweep / "ledger.jsonl").read_text() == before


def test_a_repetition_has_the_settings_of_its_trial_and_the_baseline_of_its_seed(story: Story) -> None:
    trials = story.project.trials()
    by_strategy = {
        strategy: max(
            (record for record in trials.values() if record.kind == "trial" and record.row == strategy),
            key=lambda record: max(r.metrics["valid/bleu"] for r in read_history(story.project.history(record))),
        )
        for strategy in STRATEGIES
    }
    for strategy in STRATEGIES:
        for seed in SEEDS:
            record = trials[f"{strategy}-s{seed}"]
            chosen = by_strategy[strategy]
            assert (record.kind, record.confirms, record.number) == ("confirm", chosen.id, None)
            assert (record.row, record.seed, record.params) == (strategy, seed, chosen.params)
            trial = read_trial(story.project.sweep / record.directory)
            baseline = story.project.sweep / trials[f"baseline-{seed}"].directory
            changes = {"seed": seed, "start": read_trial(baseline).identity}
            assert trial == read_trial(story.project.sweep / chosen.directory).model_copy(update=changes)
            assert len(read_history(story.project.history(record))) == trial.training.epochs


def test_only_what_was_confirmed_and_its_baselines_are_tested_with_every_search(story: Story) -> None:
    trials = story.project.trials()
    tested = {name for name, record in trials.items() if record.scores}
    assert tested == CONFIRMED | (BASELINES - {"baseline-1"})
    references = (story.project.directory / "corpus" / "test.de").read_text().splitlines()
    for name in tested:
        files = {path.stem: json.loads(path.read_text()) for path in scores_of(story, trials[name])}
        assert files.keys() == {"test-beam", "test-greedy", "test-beam_size1"}
        assert files["test-beam_size1"]["hypotheses"] == files["test-greedy"]["hypotheses"]
        for file, prefix in (("test-beam", "test"), ("test-greedy", "test-greedy"), ("test-beam_size1",) * 2):
            bleu = BLEU().corpus_score(files[file]["hypotheses"], [references]).score
            assert trials[name].scores[f"{prefix}/bleu"] == pytest.approx(bleu)
    for name in trials.keys() - tested:
        assert scores_of(story, trials[name]) == []


def scores_of(story: Story, record: TrialRecord) -> list[Path]:
    return sorted((story.project.sweep / record.directory).glob("scores/*.json"))


def test_mlflow_shows_repetitions_below_the_sweep_once(story: Story) -> None:
    require_records_agree(story.project)
    trials = story.project.trials()
    tags = story.project.query("select run_uuid, key, value from tags")
    runs: dict[str, dict[str, str]] = {}
    for run, key, value in tags:
        runs.setdefault(run, {})[key] = value
    (sweep,) = (run for run, found in runs.items() if found["kind"] == "sweep")
    shown = {found["trial_id"]: found for found in runs.values() if found["kind"] == "confirm"}
    assert shown.keys() == CONFIRMED
    for name, found in shown.items():
        assert (found["confirms"], found["mlflow.parentRunId"]) == (trials[name].confirms, sweep)
    note = runs[sweep]["mlflow.note.content"]
    assert "**Trained again with other seeds:** 4 complete." in note
    counted = Counter(story.project.query("select run_uuid, key, step from metrics"))
    assert set(counted.values()) == {1}
    (uri,) = (uri for (uri,) in story.project.query("select artifact_uri from runs where run_uuid = ?", sweep))
    table = json.loads((Path(unquote(urlsplit(uri).path)) / SCORES_FILE).read_text())
    means = dict(table["data"])
    for strategy in STRATEGIES:
        scores = [trials[f"{strategy}-s{seed}"].scores["test-greedy/bleu"] for seed in SEEDS]
        assert means[f"confirmed/{strategy}/test-greedy/bleu"] == pytest.approx(sum(scores) / 2)
    inputs = story.project.query("select distinct name from datasets")
    assert {name for (name,) in inputs} == {"tiny-train", "tiny-valid", "tiny-test"}


def test_every_number_of_the_report_leads_to_runs_in_mlflow_that_make_it_again(story: Story) -> None:
    store = story.project.directory / "runs"
    client = open_client(f"sqlite:///{story.project.directory / 'mlflow.db'}")
    study = read_study(story.project.sweep, store=store)
    references = (story.project.directory / "corpus" / "test.de").read_text().splitlines()
    page = (story.project.sweep / "report.html").read_text()
    assert study.runs.trials.keys() == story.project.trials().keys()
    assert all(run_id in page for run_id in [study.runs.sweep, *study.runs.trials.values()])
    of_sweep = f"tags.sweep_id = '{study.sweep_id}'"
    found = [row.values() for row in result_rows(study)]
    assert len(found) == 3 * 3
    for row in found:
        scores = []
        for run_id in row["mlflow_runs"].split():
            run = client.get_run(run_id)
            assert run.data.tags["trial_id"] in row["trials"].split()
            path = Path(client.download_artifacts(run_id, f"scores/{row['test_set']}-{row['search']}.json"))
            scores.append(BLEU().corpus_score(json.loads(path.read_text())["hypotheses"], [references]).score)
        assert row["bleu"] == pytest.approx(sum(scores) / len(SEEDS))
        strategy = row["strategy"]
        name = "kind = 'baseline'" if strategy == "baseline" else f"strategy = '{strategy}' AND tags.kind != 'baseline'"
        runs = client.search_runs([study.runs.experiment], f"{of_sweep} AND tags.{name}")
        points = {
            key: [point.value for run in runs for point in client.get_metric_history(run.info.run_id, key)]
            for key in ("cost/device_s", "time/epoch_s", "cpu/memory_avg_mib", "cpu/memory_peak_mib")
        }
        assert row["trials_run"] == len(runs)
        assert row["device_hours"] == pytest.approx(sum(points["cost/device_s"]) / 3600)
        for column, key in (("epoch_s", "time/epoch_s"), ("memory_avg_mib", "cpu/memory_avg_mib")):
            assert row[column] == pytest.approx(sum(points[key]) / len(points[key]))
        assert row["memory_peak_mib"] == max(points["cpu/memory_peak_mib"])


def test_table_status_and_data_frame_agree(story: Story) -> None:
    trials = story.project.trials()
    table = (story.project.sweep / "table.md").read_text()
    scores = sorted(trials[f"generative-s{seed}"].scores["test/bleu"] for seed in SEEDS)
    shown = f"{sum(scores) / 2:.2f} ({scores[0]:.2f} to {scores[1]:.2f})"
    row, _verdict, curve = (line for line in table.splitlines() if line.startswith("| generative |"))
    assert shown in row
    assert "| BLEU of test by beam size | 1 | " in table
    greedy = [trials[f"generative-s{seed}"].scores["test-greedy/bleu"] for seed in SEEDS]
    assert curve.startswith(f"| generative | {sum(greedy) / 2:.2f} [")
    now = read_status(SweepFiles(story.project.sweep))
    assert (now.state, now.ended, now.confirmed["complete"], now.confirmations) == (SweepState.COMPLETE, 4, 4, 4)
    counts = {one.strategy: (sum(one.trials.values()), one.confirmed["complete"]) for one in now.strategies}
    assert counts == {"baseline": (3, 0), "standard": (2, 2), "generative": (2, 2)}
    frame = results("tiny", runs=story.project.directory / "runs", columns="all")
    assert dict(frame["kind"].value_counts()) == {"baseline": 3, "trial": 4, "confirm": 4}
    assert frame.loc["generative-s3", "confirms"] == trials["generative-s3"].confirms
