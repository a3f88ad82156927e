"""Does a sweep of rows lose anything that is killed in its pre-training, its baselines, its test stage or between?

    python benchmarks/row_kills.py [--at 'in a baseline' …] [--place DIRECTORY]

One of two rows starts from an epoch of another experiment. The sweep runs undisturbed once; then another is killed with
SIGKILL at each of the places in turn, and the same command is run again at once after each kill, until it exits 0. What
is left is compared with the undisturbed sweep; epochs that were trained to their end twice are counted.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.killing import Killer
from chaos.moments import Moment
from chaos.ours import Ours
from chaos.sweeps import over_rows
from kills import ATTEMPTS, Undisturbed, figures

from intelligen.state.history import HISTORY_FILE
from intelligen.state.ledger import read_ledger

_FIRST, _BASELINE, _TESTED = "first-1", "baseline-started-1", "t0001"
_Find = Callable[[Path], Moment]
"""Directory of the undisturbed sweep → the moment."""


def _after_an_epoch(of: str) -> _Find:
    def moment(sweep: Path) -> Moment:
        directory = read_ledger(sweep)[1][of].directory
        return Moment("launcher", "history", "after", f"{directory}/{HISTORY_FILE}:1", 0, 0)

    return moment


def _at_an_entry(how: str, entry: str) -> _Find:
    return lambda sweep: Moment("launcher", "ledger", how, entry, 0, 0)


PLACES: Mapping[str, _Find] = {
    "in the pre-training": _after_an_epoch(_FIRST),
    "after the pre-training": _at_an_entry("after", f"finish {_FIRST}"),
    "in the copy of its weights": lambda sweep: Moment("launcher", "weights", "inside", "", 0, 0),
    "in a baseline": _after_an_epoch(_BASELINE),
    "before the search": _at_an_entry("before", "search"),
    "in a row": _after_an_epoch(_TESTED),
    "after the search": _at_an_entry("after", "searched"),
    "in the test stage": _at_an_entry("inside", f"score {_TESTED}"),
}
"""Where to kill, in the course's order."""


def main() -> int:
    """Print what was lost, as JSON."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--at", action="append", choices=list(PLACES), help="instead of all places")
    options.add_argument("--place", type=Path, help="a directory that is kept")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = (asked.place or Path(temporary)).absolute()
        undisturbed = Undisturbed(_side, place / "undisturbed")
        whole = _side(place / "undisturbed").sweep
        moments = [find(whole) for name, find in PLACES.items() if name in (asked.at or PLACES)]
        side = _side(place / "killed")
        found = figures(Killer(side).run(moments), side, undisturbed)
    print(json.dumps(found, indent=1))
    unlike = found.keys() - {"kills", "seconds", "gone after"}
    return 1 if found["kills"] < len(moments) or any(found[key] for key in unlike) else 0


def _side(place: Path) -> Ours:
    return Ours(place, over_rows(attempts=ATTEMPTS))


if __name__ == "__main__":
    sys.exit(main())
