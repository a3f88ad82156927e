"""Every benchmark, one table: what is compared, both medians, the ratio with its spread over rounds, and the target.

    python benchmarks/run.py [--full] [--threads 1] [--only training --only decoding]

Quick takes some twenty minutes on two cores, full an hour and a half. Peers that are not installed are left out, and
named: `benchmarks/peers/install` makes an environment that has them.
"""

import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context

from rounds import HEAD, Remark, line, machine, parser

BENCHMARKS = ("training", "decoding", "updates", "overhead", "scaling", "startup", "preparing", "quickstart")


def print_rows(name: str, full: bool, threads: int) -> None:
    """Print one benchmark's rows, each as soon as it is there."""
    for row in import_module(name).measure(full=full, threads=threads):
        print(line(row), flush=True)


def main() -> int:
    """Run them one after the other, each in a process of its own; a limit of time loses no row that is finished."""
    options = parser(__doc__)
    options.add_argument("--only", action="append", choices=BENCHMARKS, help="instead of all; may be given again")
    arguments = options.parse_args()
    failed = False
    print(machine(arguments.threads), HEAD, sep="\n\n", flush=True)
    for name in arguments.only or BENCHMARKS:
        print(f"{name} …", file=sys.stderr, flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            try:
                process.submit(print_rows, name, arguments.full, arguments.threads).result()
            except Exception:
                traceback.print_exc()
                print(line(Remark(name, "it failed")), flush=True)
                failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
