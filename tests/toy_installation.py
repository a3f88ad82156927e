"""The folders that make the package in tests/toy_package an installed one, in this process or in a command's."""

import os
from pathlib import Path

TOY_PATH = (Path(__file__).parent / "toy_package", Path(__file__).parent / "conformance")
"""The package with its metadata, and the network that it imports."""
TOY_PYTHONPATH = os.pathsep.join(map(str, TOY_PATH))
