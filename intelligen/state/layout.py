"""Layout of a runs directory (a store): the names of its directories and shared files are here alone.

    RUNS/prepared/IDENTITY             prepared data
    RUNS/baselines/IDENTITY            a baseline's trial
    RUNS/weights/SHA256                weights that trials start from
    RUNS/pretrained/FILES              a copy of a pre-trained model, looked for before the place that settings name
    RUNS/finetuned/STRATEGY-IDENTITY   a trial that was trained outside a sweep
    RUNS/sweeps/NAME                   a sweep: its ledger, its last launch, and what follows
    RUNS/sweeps/NAME/trials/TRIAL      a trial of the search
    RUNS/sweeps/NAME/confirm/TRIAL     such a trial's repetition with another seed
    RUNS/sweeps/NAME/tune              what Ray Tune keeps
    RUNS/replays/TRIAL-NUMBER          a trial that was trained once more, to compare

Files are named by the module that writes them; only those that other modules look for are here.
"""

from collections.abc import Iterator
from pathlib import Path

PREPARED, BASELINES, FINETUNED, SWEEPS, REPLAYS = "prepared", "baselines", "finetuned", "sweeps", "replays"
WEIGHTS, PRETRAINED = "weights", "pretrained"
TRIALS, CONFIRM, TUNE = "trials", "confirm", "tune"

LEDGER_FILE, LAUNCH_FILE, REPORT_FILE = "ledger.jsonl", "launch.json", "report.html"
"""Of a sweep."""
HEARTBEAT_FILE = "pulse.json"
"""Of a trial, while a process works on it."""


def prepared(store: Path, identity: str) -> Path:
    """Prepared data."""
    return store / PREPARED / identity


def baseline(store: Path, identity: str) -> Path:
    """A baseline, by its trial's identity."""
    return store / BASELINES / identity


def weights(store: Path, sha256: str) -> Path:
    """Weights that trials start from, by their file's hash."""
    return store / WEIGHTS / sha256


def pretrained(store: Path, files: str) -> Path:
    """A copy of a pre-trained model, by the content hash of its files."""
    return store / PRETRAINED / files


def finetuned(store: Path, strategy: str, identity: str) -> Path:
    """A fine-tuning outside a sweep."""
    return store / FINETUNED / f"{strategy}-{identity}"


def replay(store: Path, trial: str, number: int) -> Path:
    """One of the replays of a trial of that name."""
    return store / REPLAYS / f"{trial}-{number}"


def sweeps(store: Path) -> Path:
    """The folder of all sweeps."""
    return store / SWEEPS


def sweep(store: Path, name: str) -> Path:
    """A sweep."""
    return sweeps(store) / name


def sweep_names(folder: Path) -> list[str]:
    """All sweeps of the folder of sweeps: what has a ledger."""
    return sorted(ledger.parent.name for ledger in folder.glob(f"*/{LEDGER_FILE}"))


def store_of(sweep_directory: Path) -> Path:
    """The runs directory that a sweep lies in."""
    return sweep_directory.parent.parent


def stores_above(path: Path) -> Iterator[Path]:
    """The runs directories in which a sweep, or a trial of one or of a baseline, may lie."""
    return (folder.parent for folder in path.parents if folder.name in (SWEEPS, BASELINES))


def store_with(identity: str, *, above: Path, default: Path) -> Path:
    """The runs directory that a trial's directory lies in, where it has the trial's data; else the default."""
    return next((folder for folder in above.resolve().parents if prepared(folder, identity).is_dir()), default)


def searched(sweep_directory: Path, trial: str) -> Path:
    """A trial of a sweep's search."""
    return sweep_directory / TRIALS / trial


def repeated(sweep_directory: Path, trial: str) -> Path:
    """A repetition of such a trial."""
    return sweep_directory / CONFIRM / trial


def tune(sweep_directory: Path) -> Path:
    """What Ray Tune keeps of a sweep's launches."""
    return sweep_directory / TUNE
