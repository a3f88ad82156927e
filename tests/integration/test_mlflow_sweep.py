"""A whole sweep as MLflow shows it: what went in and came out, no secret, and a model that translates elsewhere."""

import contextlib
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import optuna
import psutil
import pytest
from conftest import REPOSITORY, TIERE, TINY_EXPERIMENT, WORDS, write_tiny_corpus
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tracking_servers import free_port, tracking_server

from intelligen.cli.main import commands, guarded
from intelligen.state.ledger import read_ledger
from intelligen.tracking.mlflow_store import open_client

pytestmark = pytest.mark.slow

CANARY = "CANARY-8d1f"
SWEEP = f"""
version: 1
name: tiny
question: "Which wins? See https://me:{CANARY}@host/plan"
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {{log_uniform: [1.0e-3, 5.0e-3]}}
  strategy: {{choice: {{standard: {{}}, generative: {{}}}}}}
budget: {{trials_per_strategy: 1}}
scheduler: {{name: none}}
"""
EXPERIMENT = TINY_EXPERIMENT.replace(
    "    folder: corpus\n",
    f"    folder: corpus\n    hub: {{name: hub, dataset: 'https://me:{CANARY}@hub/data'}}\n",
).replace("epochs: 4", "epochs: 2")
SECRETS = {
    "HF_TOKEN": f"hf_{CANARY}",
    "MLFLOW_TRACKING_PASSWORD": f"pw_{CANARY}",
    "SOME_API_KEY": f"key_{CANARY}",
    "AWS_ACCESS_KEY_ID": f"aws_{CANARY}-id",
    "AWS_SECRET_ACCESS_KEY": f"aws_{CANARY}-secret",
    "AWS_SESSION_TOKEN": f"aws_{CANARY}-session",
}

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a sweep has run.

    All that it printed is in `output`, the command lines of its processes are in `processes`, Ray's own files in `ray`.
    """
    directory = tmp_path_factory.mktemp("tracked sweep")
    (directory / "corpus").mkdir()
    write_tiny_corpus(directory / "corpus")
    (directory / "experiment.yaml").write_text(EXPERIMENT)
    (directory / "sweep.yaml").write_text(SWEEP)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    with (directory / "output").open("w") as output, tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as short:
        launched = subprocess.Popen(
            [sys.executable, REPOSITORY / "launch.py", "sweep.yaml"],
            cwd=directory,
            env=environment | SECRETS | {"RAY_TMPDIR": short},
            stdout=output,
            stderr=output,
        )
        (directory / "processes").write_text("\n".join(command_lines(launched, timeout_s=300)))
        shutil.copytree(short, directory / "ray", ignore=lambda _, names: [n for n in names if n == "sockets"])
    assert launched.returncode == 0, (directory / "output").read_text()
    return directory


def command_lines(launched: subprocess.Popen[bytes], *, timeout_s: float) -> set[str]:
    """Those of a process and of all that it starts, until it has ended."""
    seen: set[str] = set()
    deadline = time.monotonic() + timeout_s
    while launched.poll() is None:
        assert time.monotonic() < deadline, "it has not ended in time"
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(launched.pid)
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    seen.add(" ".join(one.cmdline()))
        time.sleep(0.02)
    return seen


@pytest.fixture(scope="module")
def client(project: Path) -> MlflowClient:
    return open_client(f"sqlite:///{project / 'mlflow.db'}")


@pytest.fixture(scope="module")
def runs(client: MlflowClient) -> dict[str, Run]:
    """By trial; the sweep's own under `sweep`."""
    experiment = client.get_experiment_by_name("tiny")
    return {run.data.tags.get("trial_id", "sweep"): run for run in client.search_runs([experiment.experiment_id])}


@pytest.fixture
def command(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(project)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = guarded(lambda: commands.main(list(arguments), standalone_mode=False))
        return code, *capfd.readouterr()

    return call


def artifacts(run: Run) -> Path:
    return Path(unquote(urlsplit(run.info.artifact_uri).path))


def test_no_secret_is_in_any_output(project: Path) -> None:
    # What the data were prepared from stays on this machine, and must be known to prepare them again.
    given = {project / name for name in ("sweep.yaml", "experiment.yaml")} | set(
        project.glob("runs/prepared/*/manifest.json")
    )
    searched = [path for path in project.rglob("*") if path.is_file() and path not in given]
    names = {path.name for path in searched}
    assert {
        "ledger.jsonl",
        "history.jsonl",
        "mlflow.db",
        "table.md",
        "output",
        "processes",
        "runtime_env_agent.log",
        "leaderboard.csv",
        "sweep.json",
    } <= names
    assert [path for path in searched if CANARY.encode() in path.read_bytes()] == []
    assert "https://[redacted]@host/plan" in (project / "output").read_text()


def test_a_trial_shows_what_went_in_and_what_came_out(project: Path, runs: dict[str, Run]) -> None:
    fingerprint, trials, _ = read_ledger(project / "runs" / "sweeps" / "tiny")
    assert runs.keys() == {"sweep", "baseline-1", "t0000", "t0001"} == {"sweep", *trials}
    for trial_id, record in trials.items():
        run = runs[trial_id]
        assert (run.info.status, run.data.tags["stop_reason"]) == ("FINISHED", "finished")
        measured = {f"{split}/{name}" for split in ("valid", "test") for name in ("bleu", "chrf", "ter", "loss")}
        exposure = {f"{split}/{name}" for split in ("valid", "test") for name in ("exposure_gap", "distinct_2")}
        progress = {"progress/epoch", "progress/update", "progress/target_tokens", "time/epoch_s", "cost/device_s"}
        assert measured | exposure | progress <= run.data.metrics.keys()
        assert run.data.metrics["gpu/count"] == 0
        assert run.data.metrics["cpu/memory_peak_mib"] == run.data.metrics["system/cpu_memory_peak_mib"] > 0
        assert run.data.tags["state"] == "complete"
        assert {"bleu_signature", "chrf_signature", "ter_signature", "git_commit"} <= run.data.tags.keys()
        assert run.data.params["strategy.name"] == record.row
        assert {(one.dataset.name, one.tags[0].value, one.dataset.digest) for one in run.inputs.dataset_inputs} == {
            (f"tiny-{split}", context, fingerprint["prepared"])
            for split, context in (("train", "training"), ("valid", "validation"), ("test", "test"))
        }
        assert "| source | hypothesis | reference |" in run.data.tags["mlflow.note.content"]
        assert len(json.loads((artifacts(run) / "samples.json").read_text())["data"]) == 8


def test_the_sweep_shows_its_question_its_answer_and_where_it_ran(runs: dict[str, Run]) -> None:
    run = runs["sweep"]
    assert (run.info.status, run.data.tags["stop_reason"]) == ("FINISHED", "complete")
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(
        "Which wins? See https://[redacted]@host/plan\n\n**Trials:** 2 complete. **Baselines:** 1 complete."
    )
    assert "| generative | 1 |" in note
    folder = artifacts(run)
    packages = (folder / "environment" / "packages.txt").read_text()
    assert packages.startswith("# python 3.")
    assert "\ntorch==" in packages
    assert len((folder / "leaderboard.csv").read_text().splitlines()) == 1 + 3
    for name in ("best_so_far.png", "by_strategy.png"):
        assert (folder / "plots" / name).read_bytes().startswith(b"\x89PNG")


def test_the_last_lines_of_the_launch_open_the_prepared_comparison_and_status_says_the_same(
    project: Path, client: MlflowClient, runs: dict[str, Run], command: Command
) -> None:
    lines = (project / "output").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("compare  "))
    opening = [line.removeprefix("compare").strip() for line in lines[at : at + 2]]
    assert shlex.split(opening[0]) == ["mlflow", "ui", "--backend-store-uri", f"sqlite:///{project / 'mlflow.db'}"]
    key = opening[1].partition("viewStateShareKey=")[2].partition("&")[0]
    experiment = client.get_experiment_by_name("tiny")
    assert f"mlflow.sharedViewState.{key}" in experiment.tags
    assert key in experiment.tags["mlflow.note.content"]
    assert key in runs["sweep"].data.tags["mlflow.note.content"]
    assert json.loads(command("status", "tiny", "--json")[1])["comparison"] == opening
    assert [line.removeprefix("compare").strip() for line in command("status", "tiny")[1].splitlines()][-2:] == opening


def test_optuna_s_study_links_each_trial_to_its_run(project: Path, runs: dict[str, Run]) -> None:
    storage = JournalStorage(JournalFileBackend(str(project / "runs" / "sweeps" / "tiny" / "study.journal")))
    study = optuna.load_study(study_name=None, storage=storage)
    notes = storage.get_study_system_attrs(study._study_id)
    for trial in study.trials:
        run = runs[f"t{trial.number:04d}"]
        assert run.info.run_id in notes[f"dashboard:{trial._trial_id}:note_str:0"]
        assert trial.user_attrs["selected/valid/bleu"] == run.data.metrics["selected/valid/bleu"] == trial.value
    assert study.metric_names == ["valid/bleu"]


def test_only_the_owner_reads_the_database(project: Path) -> None:
    assert stat.S_IMODE((project / "mlflow.db").stat().st_mode) == 0o600


def test_a_promoted_model_translates_elsewhere_as_inference_does(
    project: Path, client: MlflowClient, command: Command, tmp_path: Path
) -> None:
    code, out, err = command("promote", "tiny/t0001", "--json")
    assert code == 0, err
    promoted = json.loads(out)
    assert (promoted["name"], promoted["version"], promoted["uri"]) == ("tiny", "1", "models:/tiny/1")
    assert promoted["store"] == f"sqlite:///{project / 'mlflow.db'}"
    sentences = [" ".join(WORDS[(row * project) % 10] for project in range(1, 2 + row % 5)) for row in range(70)]
    lines = [*sentences[:3], "", *sentences[3:]]
    script = (
        "import json, sys, mlflow\n"
        "model = mlflow.pyfunc.load_model('models:/tiny@champion')\n"
        "translations = model.predict(json.loads(sys.stdin.read()))\n"
        "import intelligen\n"
        "print(json.dumps([translations, intelligen.__file__, str(model.metadata.signature)]))\n"
    )
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    translations, package, signature = json.loads(done.stdout.splitlines()[-1])
    inferred = subprocess.run(
        [
            sys.executable,
            "-m",
            "intelligen",
            "inference",
            f"tiny/{promoted['trial']}",
        ],
        cwd=project,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    assert translations == inferred.stdout.splitlines()
    assert translations[3] == ""
    assert set(" ".join(translations).split()) & set(TIERE)
    assert "string" in signature
    # The model brings its code along, and nothing that would be unpickled.
    assert REPOSITORY not in Path(package).parents
    model = Path(unquote(urlsplit(client.get_model_version("tiny", "1").source).path))
    assert {"MLmodel", "input_example.json", "requirements.txt"} <= {path.name for path in model.iterdir()}
    assert not {".pkl", ".pt", ".pickle"} & {path.suffix for path in model.rglob("*")}


def test_the_same_weights_are_one_version_and_an_alias_moves(client: MlflowClient, command: Command) -> None:
    best = json.loads(command("promote", "tiny/t0001", "--json")[1])
    assert best["version"] == "1"
    other = next(name for name in ("t0000", "t0001") if name != best["trial"])
    code, out, err = command("promote", "tiny", "--trial", other, "--alias", "challenger")
    assert code == 0, err
    assert out.splitlines()[0] == "model    tiny version 2, alias challenger"
    assert aliases(client) == {"champion": "1", "challenger": "2"}
    assert client.get_model_version("tiny", "2").tags["trial_id"] == other
    # Promoting is no part of the run's course.
    assert client.get_run(client.get_model_version("tiny", "2").run_id).info.status == "FINISHED"
    command("promote", "tiny", "--trial", other)
    assert aliases(client) == {"champion": "2", "challenger": "2"}


def aliases(client: MlflowClient) -> dict[str, str]:
    return {name: str(number) for name, number in client.get_registered_model("tiny").aliases.items()}


def test_a_sweep_that_a_server_does_not_know_yet_is_shown_there_first(command: Command, tmp_path: Path) -> None:
    with tracking_server(tmp_path / "mlflow.db", free_port()) as uri:
        code, out, err = command("promote", "tiny/t0001", "--tracking-uri", uri, "--name", "elsewhere", "--json")
        assert code == 0, err
        client = open_client(uri)
        model = client.get_model_version_by_alias("elsewhere", "champion")
        assert model.run_id == json.loads(out)["run_id"]
        assert client.get_run(model.run_id).data.tags["trial_id"] == json.loads(out)["trial"]
        assert "model/MLmodel" in {file.path for file in client.list_artifacts(model.run_id, "model")}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tyni"], 2, "no sweep 'tyni'"),
        (["tiny", "--trial", "t0009"], 2, "no trial 't0009'; there are baseline-1, t0000, t0001"),
        (["tiny", "--alias", "v1"], 2, "--alias: 'v1'"),
        (["tiny", "--name", "a/b"], 2, "--name: 'a/b'"),
        (["tiny"], 69, "No strategy is ranked: "),
        (["tiny/t0001", "--tracking-uri", "http://127.0.0.1:9"], 69, "http://127.0.0.1:9"),
    ],
)
def test_mistakes_get_one_line_and_their_exit_code(
    command: Command, arguments: list[str], code: int, said: str
) -> None:
    found, out, err = command("promote", *arguments)
    assert (found, said in err) == (code, True), out + err
    assert len(err.strip().splitlines()) == 1
