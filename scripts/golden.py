"""Compares this tree with another revision, bit for bit: for a change that must change no number.

    python scripts/golden.py main

checks the revision `main` out beside this tree and lets both run one story on this machine, side by side, each with
its own code: the baseline, every strategy and control, a population, an ASHA search, a trial of two workers, a sweep
that is killed and resumed. One line for each thing that is compared: losses, decisions, weights, hypotheses, rows of
MLflow. Then this tree resumes and reports what the parent has left. Exit code 1 where something differs, 2 where a
revision fails.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from revisions.comparing import compare
from revisions.reading import Facts, things_in
from revisions.running import Revision, RevisionError, take_over, tell_story

TREE = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run both revisions and say what differs."""
    parser = argparse.ArgumentParser(description="Compare this tree's numbers with those of another revision.")
    parser.add_argument("parent", help="the revision to compare with, as git names it")
    parser.add_argument("--place", type=Path, help="an empty directory that keeps what they make; a temporary one else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        place = (arguments.place or Path(temporary, "place")).absolute()
        place.mkdir(parents=True, exist_ok=True)
        try:
            with checked_out(arguments.parent, Path(temporary, "parent")) as root:
                made = both(Revision(arguments.parent, root), Revision("this tree", TREE), place)
        except RevisionError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    return print_comparison(*made)


def both(parent: Revision, tree: Revision, place: Path) -> tuple[dict[str, Facts], dict[str, Facts], dict[str, Facts]]:
    """What the parent makes, what the tree makes, and what the tree makes of the parent's unfinished work."""
    handed_over = place / "handed-over"
    with ThreadPoolExecutor(2) as side_by_side:
        first = side_by_side.submit(tell_story, parent, place / "parent", handed_over=handed_over)
        second = side_by_side.submit(tell_story, tree, place / "tree")
        first.result()
        second.result()
    take_over(tree, handed_over)
    return things_in(place / "parent"), things_in(place / "tree"), things_in(handed_over, made_in=place / "parent")


def print_comparison(parent: dict[str, Facts], tree: dict[str, Facts], taken_over: dict[str, Facts]) -> int:
    """Print a line for each thing; 1 where one differs."""
    differing = 0
    for heading, made in (("made by both", tree), ("begun by the parent, ended by this tree", taken_over)):
        print(f"{heading}:")
        for comparison in compare(parent, made):
            print(f"  {comparison}")
            differing += comparison.difference is not None
    print(f"{differing} things differ" if differing else "no difference")
    return int(differing > 0)


@contextmanager
def checked_out(revision: str, directory: Path) -> Iterator[Path]:
    """A revision's files in a directory, until the end.

    Raises:
        RevisionError: git cannot check it out.

    """
    git = ["git", "-C", str(TREE), "worktree"]
    added = subprocess.run([*git, "add", "--detach", str(directory), revision], capture_output=True, text=True)
    if added.returncode:
        raise RevisionError(f"cannot check out {revision}: {added.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run([*git, "remove", "--force", str(directory)], check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
