"""Fingerprint of a sweep's settings, in the head of its ledger: a directory holds one sweep."""

import platform
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.config.base import comparable, recorded
from intelligen.config.document import dotted
from intelligen.config.files.suggested_fixes import ANOTHER_SWEEP
from intelligen.config.load import row_experiments
from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.local_keys import local_keys
from intelligen.config.schema.local_path import Local
from intelligen.config.schema.model import MODELS
from intelligen.config.schema.replicates import replicates
from intelligen.config.schema.strategies import STRATEGIES
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.tasks import TASKS
from intelligen.config.schema.uncompared_keys import uncompared_keys
from intelligen.errors import ChangedError
from intelligen.state.redaction import redact
from intelligen.sweep.row_data import DataOfRows
from intelligen.training.reproducibility_manifest import git_commit

COMPARED = ("sweep", "experiment", "prepared", "prepared_rows", "prepared_pretraining", "pretraining")
COMPARED_IF_RECORDED = ("initial_path_content",)
"""What ledgers of earlier revisions may lack."""
# A resumed sweep may get more trials or other machines; anything else would mix two experiments.
MAY_CHANGE = (
    "sweep.budget",
    "sweep.resources",
    "sweep.baseline",
    "sweep.question",
    "sweep.confirm.prior",
    "sweep.published",
    "sweep.device_flops",
)
# More fixed seeds add to what is there.
MAY_RISE = "sweep.confirm.seeds"
PLAN_OF_LOOKS = ("sweep.confirm.seeds.", "sweep.confirm.until", "sweep.confirm.difference")
"""What the levels of a sequential study's looks, and its verdicts, follow from."""
PLAN_OF_SEARCHES = ("sweep.search.replicates",)
NAMED_DIFFERENCES = 5


def sweep_fingerprint(sweep: Sweep, experiment: Experiment, *, data: DataOfRows) -> dict[str, Any]:
    """The fingerprint of a sweep that starts now: settings, data, code and machine."""
    packages = ("intelligen", "torch", "ray", "optuna", "mlflow", "sacrebleu", "sentencepiece")
    rows = row_experiments(sweep, experiment)
    trained = rows.values() or (experiment,)
    strategies = sweep.strategies() or [one.strategy.name for one in trained]
    parts = (
        (TASKS, [experiment.task.name]),
        (MODELS, dict.fromkeys(one.model.name for one in trained)),
        (STRATEGIES, dict.fromkeys(strategies)),
    )
    others = {"prepared_rows": dict(data.by_row)} | data.starts.fingerprint()
    others["plugins"] = {package: version for arm, names in parts for package, version in arm.versions(names).items()}
    return {
        "sweep_id": uuid.uuid4().hex,
        # The address of the study's database may hold a password.
        "sweep": redact(comparable(sweep)),
        "experiment": recorded(experiment),
        "prepared": data.shared,
        "git_commit": git_commit(),
        "host": socket.gethostname(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
    } | {name: found for name, found in others.items() if found}


def require_unchanged(stored: Mapping[str, Any], now: Mapping[str, Any], directory: Path) -> None:
    """Refuse to go on with a sweep under other settings.

    Raises:
        ChangedError: Rows, settings or data differ from those that the sweep started with, key by key.
    """
    _require_same_rows(stored, now, directory)
    # Secrets are not kept, so what they were is not compared.
    keys = (*COMPARED, *(key for key in COMPARED_IF_RECORDED if key in stored))
    before, after = (_flat(redact({key: fingerprint.get(key) for key in keys})) for fingerprint in (stored, now))
    paths, for_people = _path_keys(now), {*_uncompared_keys(stored), *_uncompared_keys(now)}
    different = [
        f"{key}: {before.get(key)!r} → {after.get(key)!r}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and not key.startswith(MAY_CHANGE)
        and not any(f"{key}.".startswith(f"{other}.") for other in for_people)
        and not (key in paths and paths[key].may_be(before.get(key), after.get(key)))
        and not (key == MAY_RISE and (after.get(key) or 0) > (before.get(key) or 0))
    ]
    if different:
        more = f"; and {len(different) - NAMED_DIFFERENCES} more" if len(different) > NAMED_DIFFERENCES else ""
        planned = {PLAN_OF_LOOKS: "looks are", PLAN_OF_SEARCHES: "the number of searches is"}
        what = [words for keys, words in planned.items() if any(one.startswith(keys) for one in different)]
        if what:
            more += f"; {what[0]} planned before the first run, and another plan takes other seeds"
            fix = f"{ANOTHER_SWEEP} -o experiment.seed={_first_new_seed(stored)}"
        else:
            fix = ANOTHER_SWEEP
        raise ChangedError(
            f"{directory}: the sweep was started with other settings: {'; '.join(different[:NAMED_DIFFERENCES])}{more};"
            f" restore them, or {fix}"
        )


def _first_new_seed(stored: Mapping[str, Any]) -> int:
    """Above those that the sweep uses, or may."""
    sweep, seed = stored["sweep"], int(stored["experiment"]["seed"])
    seeds = (sweep.get("confirm") or {}).get("seeds", 0)
    used = seeds["at_most"] if isinstance(seeds, Mapping) else seeds
    last = replicates(sweep.get("search", {}).get("replicates", 1), seed=seed, search_seed=0)[-1]
    return last.seed + int(used) + 1


def _require_same_rows(stored: Mapping[str, Any], now: Mapping[str, Any], directory: Path) -> None:
    """Name the rows that came or went, of which each has several keys."""
    before, after = (ComparedRows.recorded(fingerprint).variants for fingerprint in (stored, now))
    if before.keys() != after.keys():
        changes = {
            "without": [row for row in before if row not in after],
            "with": [row for row in after if row not in before],
        }
        what = ", ".join(f"{word} {_listed(rows)}" for word, rows in changes.items() if rows)
        raise ChangedError(
            f"{directory}: the sweep was started with other rows, and a row that is renamed is another one: the file is"
            f" now {what}; restore them, or {ANOTHER_SWEEP}"
        )


def _listed(rows: Sequence[str]) -> str:
    more = f" and {len(rows) - NAMED_DIFFERENCES} more" if len(rows) > NAMED_DIFFERENCES else ""
    return ", ".join(rows[:NAMED_DIFFERENCES]) + more


def _path_keys(fingerprint: Mapping[str, Any]) -> dict[str, Local]:
    """The keys that name paths, which may differ where a sweep was moved: the data themselves are compared."""
    return {
        f"{part}.{dotted(key)}": local
        for part, settings in (("sweep", Sweep), ("experiment", Experiment))
        for key, local in local_keys(settings, fingerprint[part]).items()
    }


def _uncompared_keys(fingerprint: Mapping[str, Any]) -> Iterator[str]:
    """The keys that are recorded for people."""
    yield from (f"experiment.{dotted(key)}" for key in uncompared_keys(Experiment, fingerprint.get("experiment")))
    for row, trial in fingerprint.get("pretraining", {}).items():
        part = ".".join(filter(None, ("pretraining", row)))
        yield from (f"{part}.{dotted(key)}" for key in uncompared_keys(Trial, trial))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in _flat(inner, ".".join(filter(None, (prefix, name)))).items()
    }
