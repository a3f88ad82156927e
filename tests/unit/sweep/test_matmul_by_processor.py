"""A ledger says by what trials compute products: found before the first training, and the same ever after."""

from collections.abc import Callable
from pathlib import Path

import pytest
from launches import Launches
from searches import sweep

from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.experiment import Experiment, baseline_trial
from intelligen.state.ledger import Ledger
from intelligen.sweep import matmul_by_processor
from intelligen.sweep.matmul_by_processor import settle_matmul
from intelligen.training.matmul_choice import MATMUL_VARIABLE
from intelligen.training.reproducibility_manifest import processor

ON_PROCESSORS = {"resources": {"gpus_per_worker": 0, "cpus_per_worker": 3}, "baseline": {"gpus_per_worker": 0}}
ON_GPUS = {"resources": {"gpus_per_worker": 1}, "baseline": {"gpus_per_worker": 1}}
Settle = Callable[..., dict[str, Matmul]]


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads with which products are timed from now on; oneDNN is faster."""
    monkeypatch.delenv(MATMUL_VARIABLE)
    threads: list[int] = []

    def faster(model: object, training: object, count: int) -> Matmul:
        threads.append(count)
        return "onednn"

    monkeypatch.setattr(matmul_by_processor, "_faster", faster)
    return threads


@pytest.fixture
def settle(tmp_path: Path) -> Settle:
    def settled(**settings: object) -> dict[str, Matmul]:
        with Launches(tmp_path, sweep(**(ON_PROCESSORS | settings))).run() as context:
            settle_matmul(context, None)
            trial = baseline_trial(context.experiment, prepared="x")
            told = context.worker_config(trial, tmp_path / "t", context.sweep.resources)["matmul"]
            assert told == context.ledger.matmul
        return told

    return settled


def ledger_of(place: Path) -> Ledger:
    return Ledger.open(place / "sweeps" / sweep().name, {"sweep_id": "0"})


def begin(ledger: Ledger) -> None:
    trial = baseline_trial(Experiment(version=1, name="e"), prepared="x")
    config = trial.model_dump(mode="json")
    ledger.start("baseline-1", kind="baseline", row="standard", seed=1, params={}, config=config, directory="../b")


def test_it_is_timed_once_with_a_workers_threads_and_stays(timed: list[int], settle: Settle, tmp_path: Path) -> None:
    assert settle() == {processor(): "onednn"}
    with ledger_of(tmp_path) as ledger:
        begin(ledger)
    assert settle() == {processor(): "onednn"}
    assert timed == [3]


def test_what_the_environment_says_is_kept_too(
    timed: list[int], settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MATMUL_VARIABLE, "onednn")
    assert settle() == {processor(): "onednn"}
    monkeypatch.setenv(MATMUL_VARIABLE, "mkl")
    assert settle() == {processor(): "onednn"}
    assert not timed


def test_where_mkl_is_asked_for_a_ledger_says_nothing(
    timed: list[int], settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MATMUL_VARIABLE, "mkl")
    assert settle() == {}
    with ledger_of(tmp_path) as ledger:
        begin(ledger)
    monkeypatch.delenv(MATMUL_VARIABLE)
    assert settle() == {}
    assert not timed


def test_a_sweep_of_an_earlier_revision_goes_on_by_mkl(timed: list[int], settle: Settle, tmp_path: Path) -> None:
    with ledger_of(tmp_path) as ledger:
        begin(ledger)
    assert settle() == {}
    assert not timed


def test_another_kind_of_processor_is_added(timed: list[int], settle: Settle, tmp_path: Path) -> None:
    with ledger_of(tmp_path) as ledger:
        ledger.record_matmul({"another": "mkl"})
        begin(ledger)
    assert settle() == {"another": "mkl", processor(): "onednn"}


def test_nothing_is_timed_for_gpus(timed: list[int], settle: Settle) -> None:
    assert settle(**ON_GPUS) == {}
    assert not timed
