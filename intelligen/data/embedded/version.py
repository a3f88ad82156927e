"""Version of the grammar: raised with every change of a pair that it writes, so that no data are taken for others."""

import gzip
import json
from pathlib import Path

VERSION = 1


def version_parts() -> tuple[str, ...]:
    """What stands for the version in the corpus' fingerprint.

    The data of version 1 are known by the grammar's source text at its first release, so that text is kept beside this
    module: without it, all that was prepared, trained or begun on them would be lost. A later version is its number;
    raising the version includes deleting the text.
    """
    return _sources_of_version_1() if VERSION == 1 else (str(VERSION),)


def _sources_of_version_1() -> tuple[str, ...]:
    packed = Path(__file__).with_name("version_1.json.gz").read_bytes()
    return tuple(json.loads(gzip.decompress(packed)))
