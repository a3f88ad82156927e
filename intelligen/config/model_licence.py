"""Licence of a pre-trained model, as its directory states it."""

from pathlib import Path
from typing import Final

import yaml

CARD: Final = "README.md"
LICENCE_FILES: Final = "LICEN[CS]E*"
_FENCE = "---"


def licence_in(directory: Path) -> str | None:
    """What the model card has under `license` in its front matter, or else how the licence file begins; None = neither.

    Args:
        directory: Of the model. A file that cannot be read states nothing.

    """
    try:
        return _in_card(directory / CARD) or _in_file(directory)
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _in_card(card: Path) -> str | None:
    if not card.is_file():
        return None
    fence, *lines = card.read_text(encoding="utf-8").splitlines() or [""]
    if fence.strip() != _FENCE or _FENCE not in lines:
        return None
    front = yaml.safe_load("\n".join(lines[: lines.index(_FENCE)]))
    if not isinstance(front, dict):
        return None
    stated = front.get("license")
    # `other` only says that the hub has no name for it.
    named = front.get("license_name") if stated == "other" else None
    found = named or stated
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found) if found else None


def _in_file(directory: Path) -> str | None:
    for file in sorted(directory.glob(LICENCE_FILES)):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                return f"{line.strip()} ({file.name})"
    return None
