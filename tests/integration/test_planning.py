"""`plan` and `doctor` report what a sweep would do and need; neither trains or leaves anything."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ray.cluster_utils import Cluster
from test_sweep import SWEEP, Project

import intelligen
from intelligen.cli.main import commands, guarded
from intelligen.state.ledger import Ledger

CHECKS = {"python", "packages", "pins", "machine", "gpu", "runs", "storage", "clock", "disk", "mlflow", "hub", "nodes"}
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Project(tmp_path_factory.mktemp("a place"), SWEEP).directory


@pytest.fixture
def call(directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """A verb in this process, in the sweep's working directory."""
    monkeypatch.chdir(directory)
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "INTELLIGEN_RUNS"):
        monkeypatch.delenv(name, raising=False)

    def called(*arguments: str) -> tuple[int, str, str]:
        code = guarded(lambda: commands.main(list(arguments), standalone_mode=False))
        return code, *capfd.readouterr()

    return called


def test_a_plan_shows_settings_trials_machines_and_cost_and_trains_nothing(directory: Path, call: Call) -> None:
    code, out, _ = call("plan", "sweep.yaml", "-o", "budget.trials_per_strategy=5", "--json")
    document = json.loads(out)
    assert (code, document["refusal"], document["no_cost"]) == (0, None, None)
    assert document["sweep"]["budget"]["trials_per_strategy"] == 5
    assert [trial["strategy"] for trial in document["trials"]] == ["standard", "generative"] * 2 + ["standard"]
    assert all(0 < trial["seconds"]["low"] <= trial["seconds"]["high"] for trial in document["trials"])
    cost = document["cost"]
    assert 0 < cost["baseline_s"]["low"] <= cost["baseline_s"]["high"]
    shortest, longest = (
        choose(trial["seconds"][end] for trial in document["trials"]) for choose, end in ((min, "low"), (max, "high"))
    )
    assert 10 * shortest <= cost["search_s"]["low"] <= cost["search_s"]["high"] <= 10 * longest
    both = cost["baseline_s"]["high"] + cost["search_s"]["high"]
    assert cost["device_hours"]["high"] == pytest.approx(both / 3600)
    assert any("early stops" in left for left in document["leaves_out"])
    assert any("no `standard_matched`" in warning for warning in document["warnings"])
    assert any(
        line.startswith("in two splits: ") and " rows of valid are in train" in line for line in document["data"]
    )
    assert [path.name for path in (directory / "runs").iterdir()] == ["prepared"]


def test_a_plan_says_the_same_to_people_and_to_python(directory: Path, call: Call) -> None:
    code, out, _ = call("plan", "sweep.yaml", "--no-calibrate")
    assert code == 0
    for said in (
        "sweep       tiny: Does it resume?",
        "tpe, seed 1",
        "enough for",
        "not estimated: skipped by --no-calibrate",
        "data        not checked: skipped by --no-calibrate",
    ):
        assert said in out
    loaded = intelligen.load_sweep(directory / "sweep.yaml")
    plan = intelligen.plan(loaded, calibrate=False)
    assert (plan.cost, plan.no_cost) == (None, "skipped by --no-calibrate")
    assert len(plan.trials) == 5
    for trial in plan.trials:
        rate = trial.settings["finetuning.optimizer.learning_rate"]
        assert 1e-4 <= rate <= 5e-3
        assert f"learning_rate={rate:.3g}" in out


def test_a_plan_that_cannot_run_here_says_so_and_prepares_nothing(call: Call, tmp_path: Path) -> None:
    code, out, err = call("plan", "sweep.yaml", "-o", "resources.workers=64", "--runs", str(tmp_path), "--json")
    document = json.loads(out)
    assert code == 69
    assert "asks for 64 CPUs" in document["refusal"]
    assert document["refusal"] in err
    assert (document["concurrent_fit"], document["cost"]) == (0, None)
    assert not list(tmp_path.iterdir())


def test_a_plan_uses_the_gpus_that_are_there_and_says_so(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    code, out, _ = call("plan", "sweep.yaml", "--no-calibrate", "-o", "resources.concurrent_trials=2")
    (line,) = [line for line in out.splitlines() if line.startswith("devices ")]
    assert (code, "and 1 GPU; search 1 trial at once, 1 worker on 1 GPU;" in line) == (0, True)
    assert "lowered to fit the GPUs: resources.concurrent_trials 2 → 1" in line


def test_a_sweep_whose_gpus_are_gone_is_refused_and_the_override_that_is_named_works(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with Ledger.open(tmp_path / "sweeps" / "tiny", {"sweep": {}}) as ledger:
        ledger.record_devices({"baseline": 1, "resources": 1})
    arguments = ("plan", "sweep.yaml", "--no-calibrate", "--runs", str(tmp_path))
    code, _, err = call(*arguments)
    assert (code, "the sweep has trained on GPUs so far, and this machine has none" in err) == (69, True)
    overrides = err.partition("continue on processors: ")[2].split()
    assert len(overrides) == 4
    assert call(*arguments, *overrides)[0] == 0


def test_a_doctor_finds_all_well_and_leaves_nothing_behind(
    directory: Path, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    # Too deep for Ray's sockets, which a launch puts elsewhere.
    deep = tmp_path_factory.mktemp("deep") / "/".join(["deeper"] * 20)
    deep.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(deep))
    (directory / "mlflow.db").unlink()
    before = sorted(directory.rglob("*"))
    code, out, err = call("doctor", "--json")
    document = json.loads(out)
    findings = {finding["check"].split()[0]: finding for finding in document["findings"]}
    assert (code, document["healthy"]) == (0, True), document
    assert set(findings) >= CHECKS
    assert findings["mlflow"]["found"].endswith("does not exist yet; the first sweep creates it")
    assert findings["hub"]["found"] == "present"
    assert findings["ray"]["found"].startswith("starts on this machine")
    assert "canary" not in out + err
    assert sorted(directory.rglob("*")) == before


def test_a_doctor_names_what_is_broken_with_its_fix(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    code, out, _ = call("doctor", "--runs", "/proc/nowhere", "--tracking-uri", "http://me:canary@127.0.0.1:9")
    failed = {line.split()[1]: line for line in out.splitlines() if line.startswith("fail")}
    assert code == 69
    assert {"storage", "mlflow", "ray"} <= set(failed) <= {"storage", "mlflow", "ray", "disk"}
    assert "set HOME to a directory of yours" in failed["ray"]
    assert "name another directory with --runs" in failed["storage"]
    assert "--tracking-uri" in failed["mlflow"]
    assert "canary" not in out


def test_a_cluster_that_does_not_answer_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTELLIGEN_LOCAL")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    code, out, _ = call("doctor")
    (line,) = [line for line in out.splitlines() if " nodes " in line]
    assert (code, line[:4]) == (69, "fail")
    assert "(RAY_ADDRESS names it)" in line
    assert "--local runs the sweep on this machine instead" in line
    code, out, _ = call("doctor", "--local")
    assert (code, "sweeps run on this machine" in out) == (0, True)


@pytest.mark.slow
def test_a_cluster_is_counted_and_every_node_of_it_is_asked(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        address = cluster.address
        monkeypatch.delenv("INTELLIGEN_LOCAL")
        monkeypatch.setenv("RAY_ADDRESS", address)
        code, out, _ = call("doctor", "--json")
        nodes = [one for one in json.loads(out)["findings"] if one["check"].startswith("node ")]
        code, out, err = call("plan", "sweep.yaml", "--json", "-o", "baseline.workers=2")
    finally:
        cluster.shutdown()
    assert [node["verdict"] for node in nodes] == ["ok", "ok"], nodes
    document = json.loads(out)
    assert (code, document["cpus"], document["concurrent_fit"]) == (69, 1, 1)
    assert "baseline: asks for 2 CPUs" in err
    assert document["place"] == f"the cluster at {address}"
