"""Checks of the training on a GPU: one line a check, and all of them in less than eight minutes.

    python scripts/gpu_check.py [--device cuda|cpu] [--json PATH] [--only NAME …]

Without a GPU, stand-ins take the place of the checks that have one, and the others are skipped. Exit codes: 0 no check
fails, 1 one does, 69 the GPU that is asked for is not there. Neither Ray nor Optuna nor MLflow is needed.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

# Before torch is imported: products of a GPU's library have a fixed order with it alone.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch
from gpu_checks import gpu_loop, memory_and_speed, training, waiting
from gpu_checks.outcome import SkippedError
from gpu_checks.stand_in_gpu import register
from gpu_checks.work import Work

from intelligen.training.device_memory import memory_name

CHECKS: Final[dict[str, Callable[[Work], str]]] = {
    "uuid": training.records_name_the_device,
    "fp32": partial(training.losses_agree, precision="fp32"),
    "bf16": partial(training.losses_agree, precision="bf16"),
    "fp16": partial(training.losses_agree, precision="fp16"),
    "overflow": training.overflow_is_skipped,
    "resume": training.resumes_alike,
    "cache": memory_and_speed.cache_changes_nothing,
    "graphs": gpu_loop.graphs_change_nothing,
    "segments": gpu_loop.segments_change_nothing,
    "strategies": training.strategies_train,
    "ranks": training.one_rank_trains_alike,
    "updates-without-waiting": waiting.updates_do_not_wait,
    "rollouts-without-waiting": waiting.rollouts_seldom_wait,
    "memory": memory_and_speed.shortage_halves_the_parts,
    "benchmark": memory_and_speed.benchmark_runs,
}


def checked(name: str, work: Work) -> dict[str, Any]:
    """Run a check; its name, state, what it found and its seconds."""
    began = time.perf_counter()
    try:
        state, detail = "passed", CHECKS[name](work)
    except SkippedError as skipped:
        state, detail = "skipped", str(skipped)
    except Exception as error:
        # One check that fails does not end the others.
        state, detail = "failed", f"{type(error).__name__}: {error}"
    return {"name": name, "state": state, "detail": detail, "seconds": round(time.perf_counter() - began, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks, print a line for each, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--json", type=Path, metavar="PATH", help="a file for all that was found")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=[*CHECKS], metavar="NAME", help=", ".join(CHECKS))
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no GPU that torch can use; --device cpu runs the stand-ins", file=sys.stderr)
        return 69
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
    else:
        register()  # before the first backward pass, which asks for the devices that there are
    found = []
    with tempfile.TemporaryDirectory() as store:
        work = Work.begin(device, Path(store))
        for name in given.only:
            found.append(checked(name, work))
            first = next(iter(found[-1]["detail"].splitlines()), "")
            print(f"{found[-1]['state']:7} {name}: {first} ({found[-1]['seconds']} s)", flush=True)
    if given.json is not None:
        head = {"device": memory_name(device), "torch": torch.__version__}
        given.json.write_text(json.dumps(head | {"checks": found}, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(any(one["state"] == "failed" for one in found))


if __name__ == "__main__":
    sys.exit(main())
