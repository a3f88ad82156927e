"""`gpus_per_worker: auto` becomes a number once: by what is there at the first launch, and the same ever after."""

import json
import re
from pathlib import Path

import pytest
from searches import sweep

from intelligen.config.schema.resources import Resources
from intelligen.config.schema.stages_after_search import Confirmation
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import UnavailableError
from intelligen.state.ledger import Ledger, recorded_devices
from intelligen.sweep.cluster.capacity import Capacity, Node
from intelligen.sweep.cluster.device_choice import devices_line, gpus_of_stages, on_devices


def capacity_of(*, cpus: int = 16, gpus: int = 0) -> Capacity:
    return Capacity("this machine", (Node("this machine", cpus, gpus),))


def asked(baseline: dict | None = None, **resources: object) -> Sweep:
    return sweep(resources=Resources(**resources), baseline=Resources(**(baseline or {})))


def resolved(settings: Sweep, capacity: Capacity, recorded: dict[str, int] | None = None) -> tuple[int, ...]:
    """GPUs, workers and trials at once of the search, then GPUs and workers of a baseline."""
    found = on_devices(settings, capacity, recorded or {})
    stages = found.resources, found.baseline
    search = stages[0].gpus, stages[0].workers, stages[0].concurrent_trials
    return *search, stages[1].gpus, stages[1].workers


@pytest.mark.parametrize(
    ("gpus", "workers", "concurrent", "baseline", "found"),
    [
        (0, 2, 4, 4, (0, 2, 4, 0, 4)),
        (8, 2, 4, 4, (1, 2, 4, 1, 4)),
        (4, 1, 8, 8, (1, 1, 4, 1, 4)),
        (5, 2, 4, 2, (1, 2, 2, 1, 2)),
        (1, 1, 1, 2, (1, 1, 1, 1, 1)),
        (2, 4, 3, 1, (1, 2, 1, 1, 1)),
    ],
)
def test_every_worker_gets_a_gpu_and_trials_and_workers_are_as_many_as_the_gpus_hold(
    gpus: int, workers: int, concurrent: int, baseline: int, found: tuple[int, ...]
) -> None:
    settings = asked({"workers": baseline}, workers=workers, concurrent_trials=concurrent)
    assert resolved(settings, capacity_of(gpus=gpus)) == found


def test_a_number_is_obeyed_whatever_is_there() -> None:
    settings = asked({"gpus_per_worker": 0}, gpus_per_worker=0, concurrent_trials=8)
    assert resolved(settings, capacity_of(gpus=4), {"resources": 1, "baseline": 1}) == (0, 1, 8, 0, 1)
    settings = asked({"gpus_per_worker": 1}, gpus_per_worker=1, concurrent_trials=8)
    assert resolved(settings, capacity_of(gpus=4)) == (1, 1, 8, 1, 1)
    with pytest.raises(UnavailableError, match="resources: asks for 8 GPUs"):
        capacity_of(gpus=4).require(settings)


@pytest.mark.parametrize(
    ("cpus", "gpus", "resources", "found"),
    [
        (16, 0, {"cpus_per_worker": 4}, 4),
        (16, 0, {"workers": 2, "cpus_per_worker": 4}, 2),
        (16, 4, {}, 4),
        (16, 4, {"gpus_per_worker": 0, "cpus_per_worker": 3}, 5),
        (64, 0, {}, 6),
        (1, 0, {"cpus_per_worker": 2}, 1),
    ],
)
def test_as_many_trials_run_at_once_as_fit_and_as_the_sweep_has_where_that_is_left_open(
    cpus: int, gpus: int, resources: dict, found: int
) -> None:
    settings = asked({"concurrent_trials": "auto"}, concurrent_trials="auto", **resources)
    capacity = capacity_of(cpus=cpus, gpus=gpus)
    chosen = on_devices(settings, capacity, {})
    assert (settings.total_trials(), chosen.resources.at_once) == (6, found)
    assert chosen.baseline.at_once == 1  # of one seed
    assert "lowered" not in devices_line(settings, chosen, capacity)
    if found * resources.get("cpus_per_worker", 1) <= cpus:
        capacity.require(chosen)


def test_a_gpu_whose_node_has_too_few_processors_is_refused_and_no_trial_runs_without_it() -> None:
    settings = on_devices(asked(cpus_per_worker=2), capacity_of(cpus=1, gpus=1), {})
    assert settings.resources.gpus == 1
    with pytest.raises(UnavailableError, match="resources: asks for 2 CPUs"):
        capacity_of(cpus=1, gpus=1).require(settings)


def test_gpus_that_an_autoscaler_can_add_count() -> None:
    capacity = Capacity("the cluster", (), (Node("node type gpu", 4, 1, count=3),))
    assert resolved(asked(concurrent_trials=4), capacity) == (1, 1, 3, 1, 1)


@pytest.mark.parametrize(("recorded", "gpus"), [(0, 4), (1, 4)])
def test_a_later_launch_keeps_what_the_first_has_found(recorded: int, gpus: int) -> None:
    assert resolved(asked(), capacity_of(gpus=gpus), {"resources": recorded, "baseline": recorded})[0] == recorded


def test_a_launch_whose_gpus_are_gone_is_refused_and_the_overrides_that_it_names_work() -> None:
    settings, recorded = asked(), {"resources": 1, "baseline": 1}
    with pytest.raises(UnavailableError, match="trained on GPUs so far, and this machine has none") as refused:
        on_devices(settings, capacity_of(), recorded)
    overrides = dict(re.findall(r"-o (\w+)\.gpus_per_worker=(\d)", str(refused.value)))
    assert overrides == {"resources": "0", "baseline": "0"}
    again = asked({"gpus_per_worker": int(overrides["baseline"])}, gpus_per_worker=int(overrides["resources"]))
    assert resolved(again, capacity_of(), recorded) == (0, 1, 1, 0, 1)


def test_the_first_line_says_what_is_taken_what_was_lowered_and_what_is_idle() -> None:
    settings, capacity = asked({"workers": 8}, concurrent_trials=6), capacity_of(gpus=4)
    assert devices_line(settings, on_devices(settings, capacity, {}), capacity).split("; ") == [
        "this machine: 16 CPUs and 4 GPUs",
        "search 4 trials at once, 1 worker on 1 GPU",
        "baseline 4 workers on 1 GPU each",
        "lowered to fit the GPUs: baseline.workers 8 → 4, resources.concurrent_trials 6 → 4",
        "idle in the search: 12 of 16 CPUs",
    ]
    settings = asked({"gpus_per_worker": 0}, gpus_per_worker=0)
    assert "; idle in the search: 4 of 4 GPUs and 15 of 16 CPUs" in devices_line(settings, settings, capacity)
    several = settings.model_copy(update={"confirm": Confirmation(seeds=3)})
    several = on_devices(several, capacity, {})
    assert "; baselines 1 at once, 1 worker on 1 CPU; " in devices_line(several, several, capacity)


def test_a_sweep_that_began_without_gpus_is_reported_how_to_use_them() -> None:
    capacity = capacity_of(gpus=2)
    settings = on_devices(asked(), capacity, {"resources": 0, "baseline": 0})
    line = devices_line(asked(), settings, capacity)
    assert line.endswith("; the sweep began without GPUs: -o resources.gpus_per_worker=1 uses them from now on")
    again = asked(gpus_per_worker=1)
    assert "began without" not in devices_line(again, on_devices(again, capacity, {"baseline": 0}), capacity)


def fingerprint(**gpus: object) -> dict:
    return {"sweep": {key: {"gpus_per_worker": value} for key, value in gpus.items()}}


def test_the_ledger_remembers_the_number_and_the_last_launch_counts(tmp_path: Path) -> None:
    assert recorded_devices(tmp_path) == {}
    with Ledger.open(tmp_path, fingerprint(baseline="auto", resources="auto")) as ledger:
        assert recorded_devices(tmp_path) == {}
        for gpus in (1, 1, 0):
            ledger.record_devices({"baseline": gpus, "resources": gpus})
            assert recorded_devices(tmp_path) == {"baseline": gpus, "resources": gpus}
    events = [json.loads(line)["event"] for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert events == ["open", "devices", "devices"]


def test_a_sweep_that_began_with_numbers_goes_on_with_them_where_its_file_says_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, fingerprint(baseline=0, resources=0)) as ledger:
        found = on_devices(asked(), capacity_of(gpus=4), recorded_devices(tmp_path))
        assert gpus_of_stages(found) == {"baseline": 0, "resources": 0}
        ledger.record_devices(gpus_of_stages(found))
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1
