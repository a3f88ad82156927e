"""scripts/golden.py finds a difference in each kind of thing that it compares, and none in clocks and machines."""

import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from conftest import REPOSITORY
from mlflow import MlflowClient
from revisions.comparing import Comparison, compare
from revisions.reading import things_in
from revisions.running import STORY, Revision, RevisionError
from safetensors.torch import load_file, save_file

from intelligen.config.schema.strategies import STRATEGY_NAMES

Plant = Callable[[Path], None]

SWEEP = Path("runs", "sweeps", "earlier")
LEDGER = SWEEP / "ledger.jsonl"
TRIAL = SWEEP / "trials" / "t0000"
HYPOTHESES = TRIAL / "scores" / "test-beam.json"
LOSSES, WEIGHTS = "earlier t0000 losses and scores", "earlier t0000 weights and optimizer"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a story leaves: the files of a small sweep, and a store with a run in it."""
    directory = tmp_path_factory.mktemp("story") / "made"
    with tarfile.open(REPOSITORY / "tests" / "golden" / "earlier_sweep.tar.gz") as archive:
        archive.extractall(directory, filter="data")
    client = store_of(directory)
    run = client.create_run(client.create_experiment("tiny"), run_name="t0000")
    client.log_param(run.info.run_id, "seed", "1")
    client.set_tag(run.info.run_id, "strategy", "generative")
    client.log_metric(run.info.run_id, "train/loss", 1.5, step=10)
    client.set_terminated(run.info.run_id)
    return directory


def store_of(directory: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{directory}/mlflow.db")


def differing(before: Path, after: Path) -> list[Comparison]:
    return [
        comparison for comparison in compare(things_in(before), things_in(after)) if comparison.difference is not None
    ]


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert re.search(old, text), old
    path.write_text(re.sub(old, new, text, count=1))


def in_text(file: Path, old: str, new: str) -> Plant:
    return lambda directory: rewrite(directory / file, old, new)


def in_weights(directory: Path) -> None:
    tensors = load_file(directory / TRIAL / "selected.safetensors")
    first = next(iter(tensors.values())).view(-1)
    first[0] = torch.nextafter(first[0], torch.tensor(9.0))
    save_file(tensors, directory / TRIAL / "selected.safetensors")


def in_optimizer(directory: Path) -> None:
    (path,) = (directory / TRIAL).rglob("training.pt")
    state = torch.load(path, weights_only=True)
    torch.save({**state, "planted": torch.ones(1)}, path)


def in_prepared(directory: Path) -> None:
    (path,) = directory.rglob("train.source.tokens")
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")


def in_store(kind: str) -> Plant:
    def change(directory: Path) -> None:
        client = store_of(directory)
        (run,) = client.search_runs(["1"])
        if kind == "metric":
            client.log_metric(run.info.run_id, "train/loss", 1.25, step=20)
        elif kind == "tag":
            client.set_tag(run.info.run_id, "strategy", "standard")
        else:
            client.create_run("1", run_name="t0001")

    return change


@pytest.mark.parametrize(
    ("plant", "thing", "key"),
    [
        (in_prepared, r"prepared data \w+", "train.source.tokens"),
        (in_text(LEDGER, r'"state": "\w+"', '"state": "failed"'), "earlier decisions", r"event \d.state"),
        (in_text(LEDGER, '"warmup_updates": 2', '"warmup_updates": 3'), "earlier settings", ".*warmup_updates"),
        (
            in_text(TRIAL / "history.jsonl", r'"train/loss": \d', '"train/loss": 9'),
            LOSSES,
            ".*train/loss",
        ),
        (in_text(TRIAL / "result.json", '"stop_reason": "', r"\g<0>x"), LOSSES, "result.stop_reason"),
        (lambda directory: shutil.rmtree(directory / TRIAL), LOSSES, "it"),
        (in_text(TRIAL / "lock.json", r'"threads": \d', '"threads": 9'), "earlier t0000 settings", "lock.threads"),
        (in_weights, WEIGHTS, "selected.safetensors.*"),
        (in_optimizer, WEIGHTS, ".*training.pt.planted"),
        (in_text(HYPOTHESES, r'"hypotheses": \[\s*"', r"\g<0>x"), "earlier t0000 hypotheses", "test-beam.hypotheses.0"),
        (in_store("metric"), "MLflow t0000 rows", "train/loss at step 20"),
        (in_store("tag"), "MLflow t0000 rows", "tag.strategy"),
        (in_store("run"), "MLflow t0001 rows", "it"),
    ],
)
def test_a_planted_difference_is_found(made: Path, tmp_path: Path, plant: Plant, thing: str, key: str) -> None:
    changed = Path(shutil.copytree(made, tmp_path / "changed"))
    plant(changed)
    found = differing(made, changed)
    assert found
    assert re.fullmatch(thing, found[0].thing), found[0]
    assert found[0].difference is not None
    assert re.fullmatch(key, found[0].difference.key), found[0]
    assert str(found[0]).startswith(f"differs  {found[0].thing}: ")


def test_clocks_machines_and_versions_are_no_difference(made: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(made, tmp_path / "changed"))
    rewrite(changed / LEDGER, r'"time_ms": \d+', '"time_ms": 1')
    rewrite(changed / LEDGER, r'"host": "[^"]*"', '"host": "elsewhere"')
    rewrite(changed / TRIAL / "history.jsonl", r'"time/epoch_s": [\d.e-]+', '"time/epoch_s": 77.0')
    rewrite(changed / TRIAL / "lock.json", r'"commit": ("\w+(-dirty)?"|null)', '"commit": "another"')
    client = store_of(changed)
    (run,) = client.search_runs(["1"])
    client.log_metric(run.info.run_id, "cpu/memory_peak_mib", 500.0, step=10)
    assert differing(made, changed) == []


def test_the_former_word_for_a_finished_trial_is_no_difference(made: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(made, tmp_path / "changed"))
    rewrite(changed / TRIAL / "result.json", "ran its course", "finished")
    rewrite(changed / LEDGER, "ran its course", "finished")
    assert differing(made, changed) == []


def test_a_new_setting_is_reported_and_no_difference(made: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(made, tmp_path / "changed"))
    rewrite(changed / TRIAL / "trial.json", r'"d_model"', '"planted": 1, "d_model"')
    added = [comparison for comparison in compare(things_in(made), things_in(changed)) if comparison.added]
    assert [str(comparison) for comparison in added] == ["same     earlier t0000 settings (new: trial.model.planted)"]
    assert differing(changed, made), "a setting that has gone is a difference"


def test_a_revision_that_does_not_run_is_named_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text("raise SystemExit('planted failure')")
    revision = Revision("planted", tmp_path)
    with pytest.raises(RevisionError, match=r"planted: .*launch\.py x\.yaml --local ended with 1:\nplanted failure"):
        revision.launch(tmp_path, "x")
    with pytest.raises(RevisionError, match=r"planted: imports .* instead of"):
        revision.require_own_code(tmp_path)
    with pytest.raises(RevisionError, match=r"planted: x ended before it could be killed:\nplanted failure"):
        revision.launch_and_kill(tmp_path, "x", lambda: False)


def test_the_story_has_every_strategy_and_control() -> None:
    spaces = [yaml.safe_load((STORY / f"{sweep}.yaml").read_text())["space"] for sweep in ("strategies", "treatments")]
    assert {name for space in spaces for name in space["strategy"]["choice"]} == set(STRATEGY_NAMES)


def test_a_revision_that_refuses_a_sweep_of_the_story_runs_its_earlier_spelling(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text((STORY / "experiment.yaml").read_text())
    told = (STORY / "treatments.yaml").read_text()
    (tmp_path / "known.yaml").write_text(told)
    (tmp_path / "known.earlier.yaml").write_text("planted")
    (tmp_path / "unknown.yaml").write_text(told.replace("generative_risk", "planted"))
    (tmp_path / "unknown.earlier.yaml").write_text(told)
    for sweep in ("known", "unknown"):
        Revision("this tree", REPOSITORY).spell(tmp_path, sweep)
        assert (tmp_path / f"{sweep}.yaml").read_text() == told
