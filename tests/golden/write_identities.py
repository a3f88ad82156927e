"""Adds what the rewritten sweep files have become to `identities.json`; an entry that is there stays as it is."""

import json
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent
sys.path += [str(GOLDEN.parent), str(GOLDEN.parent / "configs")]

from shipped_copy import copy_shipped  # noqa: E402
from test_identities import EARLIER, fingerprint_of_sweep  # noqa: E402

COMPARED = ("sweep", "experiment", "prepared", "prepared_rows", "pretraining")

if __name__ == "__main__":
    file = GOLDEN / "identities.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    rewritten = stored.setdefault("rewritten_sweeps", {})
    with tempfile.TemporaryDirectory() as temporary:
        place = copy_shipped(Path(temporary))
        for path in sorted(f"search_spaces/{earlier.name}" for earlier in EARLIER.iterdir()):
            made = fingerprint_of_sweep(path, place)
            kept = {key: made[key] for key in COMPARED if key in made}
            rewritten.setdefault(path, json.loads(json.dumps(kept).replace(f"{place}/", "../")))
    file.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
