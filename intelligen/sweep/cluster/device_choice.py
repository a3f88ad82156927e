"""What a sweep leaves open of its devices: processors or GPUs, chosen at its first launch and kept; trials at once."""

from collections.abc import Iterator, Mapping

from intelligen.config.schema.resources import Resources
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.capacity import Capacity

STAGES = ("baseline", "resources")


def on_devices(sweep: Sweep, capacity: Capacity, recorded: Mapping[str, int]) -> Sweep:
    """The sweep with numbers in place of `gpus_per_worker: auto` and `concurrent_trials: auto`.

    Where a stage that left its GPUs open is to use some and there are fewer than its workers, fewer trials run at once;
    where not even one trial's workers find a GPU each, it has fewer workers.

    Args:
        sweep: Its settings.
        capacity: Of the machine or cluster where it is to run.
        recorded: Stage → GPUs per worker at its last launch; empty before its first.

    Raises:
        UnavailableError: It has used GPUs so far, and there are none.

    """
    open_stages = [key for key in STAGES if _stage(sweep, key).gpus_per_worker == "auto"]
    gpus = {key: recorded.get(key, 1 if capacity.gpus else 0) for key in open_stages}
    most = {"baseline": 1 + (0 if sweep.confirm is None else sweep.confirm.at_most), "resources": _most_trials(sweep)}
    if any(gpus.values()) and not capacity.gpus:
        overrides = " ".join(f"-o {key}.gpus_per_worker=0" for key in open_stages)
        raise UnavailableError(
            f"the sweep has trained on GPUs so far, and {capacity.location} has none; resume it where there are"
            f" GPUs, or continue on processors: {overrides}"
        )
    fitted = {key: _fitted(_stage(sweep, key), number, capacity) for key, number in gpus.items()}
    sweep = sweep.model_copy(update=fitted)
    return sweep.model_copy(update={key: _at_once(_stage(sweep, key), capacity, most[key]) for key in STAGES})


def gpus_of_stages(sweep: Sweep) -> dict[str, int]:
    """Stage → GPUs per worker, of a sweep without `auto`."""
    return {key: _stage(sweep, key).gpus for key in STAGES}


def devices_line(asked: Sweep, sweep: Sweep, capacity: Capacity) -> str:
    """One line: what there is, what each stage takes of it, what was lowered, and what is idle in the search.

    Args:
        asked: The settings as they were given.
        sweep: As they are obeyed: from `on_devices`.
        capacity: Of the machine or cluster where the sweep is to run.

    """
    trial = sweep.resources
    taken = trial.workers * trial.at_once
    idle = [
        f"{number} of {_count(there, kind)}"
        for kind, there, each in (("GPU", capacity.gpus, trial.gpus), ("CPU", capacity.cpus, trial.cpus_per_worker))
        if (number := there - taken * each) > 0
    ]
    lowered = ", ".join(_lowered(asked, sweep))
    parts = [
        f"{capacity.location}: {_count(capacity.cpus, 'CPU')} and {_count(capacity.gpus, 'GPU')}",
        f"search {_count(trial.at_once, 'trial')} at once, {_workers(trial)}",
        f"baseline{_baselines(sweep)} {_workers(sweep.baseline)}",
    ]
    if lowered:
        parts.append(f"lowered to fit the GPUs: {lowered}")
    if idle:
        parts.append(f"idle in the search: {' and '.join(idle)}")
    if trial.gpus == 0 and capacity.gpus and asked.resources.gpus_per_worker == "auto":
        parts.append("the sweep began without GPUs: -o resources.gpus_per_worker=1 uses them from now on")
    return "; ".join(parts)


def _fitted(resources: Resources, gpus: int, capacity: Capacity) -> Resources:
    update: dict[str, int] = {"gpus_per_worker": gpus}
    room = capacity.workers(resources.cpus_per_worker, gpus)
    if gpus and room:
        update["workers"] = min(resources.workers, room)
        if resources.concurrent_trials != "auto":
            update["concurrent_trials"] = min(resources.concurrent_trials, room // update["workers"])
    return resources.model_copy(update=update)


def _at_once(resources: Resources, capacity: Capacity, most: int | None) -> Resources:
    """With a number in place of `concurrent_trials: auto`; 1 too where not even one trial fits, which is refused."""
    if resources.concurrent_trials != "auto":
        return resources
    room = max(1, capacity.fitting(resources))
    return resources.model_copy(update={"concurrent_trials": room if most is None else max(1, min(room, most))})


def _most_trials(sweep: Sweep) -> int | None:
    """Most that could run at the same time in any stage after the baselines; none where nothing bounds them."""
    total = sweep.total_trials()
    return None if total is None else max(total, sweep.total_repetitions(), sweep.total_control_trials())


def _lowered(asked: Sweep, sweep: Sweep) -> Iterator[str]:
    for key in STAGES:
        for name in ("workers", "concurrent_trials"):
            before, after = getattr(_stage(asked, key), name), getattr(_stage(sweep, key), name)
            if before not in (after, "auto"):
                yield f"{key}.{name} {before} → {after}"


def _stage(sweep: Sweep, key: str) -> Resources:
    resources: Resources = getattr(sweep, key)
    return resources


def _baselines(sweep: Sweep) -> str:
    """`s 2 at once,` where a sweep trains several of them, for the seeds that confirm; else empty."""
    return "" if sweep.confirm is None else f"s {sweep.baselines_at_once()} at once,"


def _workers(resources: Resources) -> str:
    on = f"{resources.gpus} GPU" if resources.gpus else _count(resources.cpus_per_worker, "CPU")
    return f"{_count(resources.workers, 'worker')} on {on}" + (" each" if resources.workers > 1 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
