"""Copy what a trained model needs to translate: settings, selected weights, vocabularies, without checkpoints or data.

    intelligen train tests/golden/model.yaml --runs runs/golden --device cpu
    python scripts/pack_model.py runs/golden/baselines/* tests/golden/model

made the golden checkpoint. `intelligen inference tests/golden/model/trial` translates with such a copy.
"""

import argparse
from pathlib import Path

from intelligen.state import layout
from intelligen.tracking.packed_model import pack


def main() -> None:
    """Pack a trial."""
    parser = argparse.ArgumentParser(description="Copy what a trained model needs to translate.")
    parser.add_argument("trial", type=Path, help="the trial's directory, below a runs directory")
    parser.add_argument("target", type=Path, help="a new directory")
    arguments = parser.parse_args()
    arguments.target.mkdir()
    store = next(place for place in arguments.trial.absolute().parents if (place / layout.PREPARED).is_dir())
    pack(arguments.trial, store=store, target=arguments.target)


if __name__ == "__main__":
    main()
