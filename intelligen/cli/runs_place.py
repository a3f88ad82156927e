"""Where runs may be kept: in a directory that is there for every node, and after the job that wrote into it."""

import re
from itertools import pairwise
from pathlib import Path

from intelligen.errors import UnavailableError

# The path of `s3://bucket` has lost a slash.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_OF_A_JOB = ("runtime_resources", "working_dir_files")
"""Ray unpacks a job's `working_dir` below these, and deletes it after the job."""


def runs_directory(given: str | Path) -> Path:
    """The runs directory that was named.

    Raises:
        UnavailableError: It is no directory, or one that goes with a Ray job.

    """
    place = Path(given)
    if scheme := _SCHEME.match(str(given)):
        raise UnavailableError(
            f"--runs {given}: {scheme[1]}:// is no directory; mount it, and name a directory that every node sees"
        )
    parts = place.absolute().parts
    if _OF_A_JOB in pairwise(parts):
        raise UnavailableError(
            f"--runs {given}: {place.absolute()} lies in the folder into which Ray unpacked this job, and goes with it;"
            " give --runs a directory that every node sees"
        )
    return place
