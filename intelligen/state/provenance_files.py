"""Provenance of a sweep, as read: the diff of the code and the packages that it started with."""

from pathlib import Path

FOLDER = "provenance"
DIFF, PACKAGES = "diff.patch", "packages.txt"


def read_provenance(directory: Path, name: str) -> str:
    """A provenance file of the sweep in `directory`; empty where there is none."""
    path = directory / FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else ""
