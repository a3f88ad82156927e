"""Reproducibility manifest (lock.json): what decides a trial's bits beside its settings; written before it trains."""

import hashlib
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from intelligen.config.base import Settings
from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.pretrained_source import Resolved
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import ChangedError, StorageError
from intelligen.state import layout
from intelligen.state.atomic_files import sha256, write_atomically
from intelligen.state.trial_result import read_result
from intelligen.training.selected_weights import selected_weights

MANIFEST_FILE = "lock.json"
PACKAGES = ("torch", "numpy", "safetensors", "sacrebleu", "sentencepiece")

_NAME_ONLY = {"format", "commit", "pretrained"}
"""What the identity of the settings and the hash of the code say already."""
_PACKAGE = Path(__file__).parents[1]

Fact = str | int | None


class ReproducibilityManifest(Settings):
    """lock.json: with trial.json beside it, all that a trial's numbers follow from. Hashes are SHA-256."""

    format: Literal[1] = 1
    settings: str
    """Identity of the trial's settings: trial.json is what it was."""
    data: str
    """Of the prepared data's files."""
    start: str | None
    """Of the baseline's weights that it starts from; none = `initial`, or random ones."""
    initial: str | None = None
    """Of the initial weights; none = it has none, or was trained before there were any."""
    pretrained: Resolved | None = None
    """The pre-trained model: its path or repository, revision and files; none = it has none, or was trained before this
    was written down."""
    code: str
    """Of this package's source files."""
    commit: str | None
    """That they come from, `-dirty` where they differ from it."""
    versions: dict[str, str]
    processor: str
    """Its name, and the instructions that torch uses there: sums in another order are other sums."""
    device: str
    """`cpu`, or the name of a GPU."""
    threads: int
    """Of each process."""
    processes: int
    matmul: Matmul = "mkl"
    """By what a processor computed products of weights; so were all before this was written down."""
    micro_batch_tokens: int | None = None
    """In which parts updates are made because the memory did not suffice, as memory.json says; none = as the settings
    have it."""


@dataclass(frozen=True)
class ChangedFact:
    """A fact of the manifest that has changed."""

    key: str
    """`data`, `versions.torch`, …"""
    before: Fact
    after: Fact

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.before)} → {_shown(self.after)}"


def take_manifest(
    trial: Trial,
    *,
    store: Path,
    device: torch.device,
    threads: int,
    processes: int,
    matmul: Matmul,
    micro_batch_tokens: int | None = None,
) -> ReproducibilityManifest:
    """The manifest of a training here and now.

    Raises:
        DataError: No epoch of what the trial starts from has ended.
        StorageError: The prepared data or the weights to start from are gone or damaged.

    """
    start = trial.start
    pretrained = trial.model if isinstance(trial.model, Pretrained) else None
    packages = (*PACKAGES, *(() if pretrained is None else pretrained.packages))
    return ReproducibilityManifest(
        settings=trial.identity,
        data=_data_hash(open_prepared(layout.prepared(store, trial.prepared))),
        start=None if start is None else _weights_hash(layout.baseline(store, start)),
        initial=None if trial.initial is None else trial.initial.weights,
        pretrained=None if pretrained is None else pretrained.found,
        code=_code_hash(),
        commit=git_commit(),
        versions={"python": platform.python_version()}
        | {package: version(package) for package in packages}
        | trial.plugins(),
        processor=f"{processor()}, {torch.backends.cpu.get_cpu_capability()}",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=threads,
        processes=processes,
        matmul=matmul,
        micro_batch_tokens=micro_batch_tokens,
    )


def keep_manifest(directory: Path, manifest: ReproducibilityManifest, *, update: int) -> None:
    """Write the manifest of an attempt that goes on after an update: only where circumstances are not what they were.

    The first attempt's is lock.json; `lock-40.json` is that of one that went on after update 40 in other circumstances.

    Raises:
        StorageError: An earlier manifest is damaged.

    """
    known = _manifest_files(directory)
    for later in [at for at in known if at >= update]:
        known.pop(later).unlink()  # nothing is left of what was trained under it
    if not known or changes(_read(known[max(known)]), manifest):
        name = MANIFEST_FILE if update == 0 else f"lock-{update}.json"
        write_atomically(directory / name, manifest.model_dump_json(indent=1))


def read_manifests(directory: Path) -> dict[int, ReproducibilityManifest]:
    """The update after which a trial went on in other circumstances → what they were; 0 → those of its beginning.

    Raises:
        StorageError: A manifest is damaged.

    """
    return {at: _read(path) for at, path in _manifest_files(directory).items()}


def require_same_data(directory: Path, prepared: Prepared) -> None:
    """Refuse prepared data that are other than those that a trial was trained on, under the same identity.

    The identity says from what they are made, and the version that prepares them has a part in what they become.

    Args:
        directory: The trial's; one that was not begun was trained on nothing.
        prepared: The data.

    Raises:
        ChangedError: They are.
        StorageError: A manifest or the data are damaged.

    """
    manifests = read_manifests(directory).values()
    if any(manifest.data != _data_hash(prepared) for manifest in manifests):
        raise ChangedError(
            f"{directory}: was trained on other data than {prepared.directory} holds now: another version of IntelliGEN"
            " or of SentencePiece prepared them from the same corpus; restore that directory from a copy, or train anew"
            " in another runs directory: --runs NEW"
        )


def changes(before: ReproducibilityManifest, after: ReproducibilityManifest) -> list[ChangedFact]:
    """What differs; a commit only names the code, which is compared itself."""
    facts, others = _flat(before), _flat(after)
    return [
        ChangedFact(key, facts.get(key), others.get(key))
        for key in dict.fromkeys([*facts, *others])
        if facts.get(key) != others.get(key)
    ]


@cache
def git_commit() -> str | None:
    """The commit that this package runs from, `-dirty` where files differ from it; none outside a repository."""
    command = ["git", "-C", str(_PACKAGE), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None


@cache
def processor() -> str:
    """The processor's name; on Linux it is in a file alone."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _manifest_files(directory: Path) -> dict[int, Path]:
    """By update, the earliest first."""
    found = {int(path.stem.removeprefix("lock-")): path for path in directory.glob("lock-[0-9]*.json")}
    if (directory / MANIFEST_FILE).exists():
        found[0] = directory / MANIFEST_FILE
    return dict(sorted(found.items()))


def _read(path: Path) -> ReproducibilityManifest:
    try:
        return ReproducibilityManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise StorageError(f"{path}: damaged ({error.errors()[0]['msg']}); restore it from a copy") from error


def _flat(manifest: ReproducibilityManifest) -> dict[str, Fact]:
    facts = manifest.model_dump(exclude=_NAME_ONLY | {"versions"})
    return facts | {f"versions.{package}": number for package, number in manifest.versions.items()}


def _data_hash(prepared: Prepared) -> str:
    """Of the names and hashes of all files: what was prepared again elsewhere from the same data has the same."""
    digest = hashlib.sha256()
    for name in sorted(prepared.manifest.files):
        digest.update(f"{name} {prepared.file_hash(name)}\n".encode())
    return digest.hexdigest()


def _weights_hash(directory: Path) -> str:
    """Of the selected weights: when those of a finished trial are loaded, they are compared with its result's."""
    result = read_result(directory)
    return sha256(selected_weights(directory)) if result is None else result.sha256


@cache
def _code_hash() -> str:
    """As it is when the process first asks, which has then loaded it."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE)} {sha256(path)}\n".encode())
    return digest.hexdigest()


def _shown(fact: Fact) -> str:
    """Hashes by their first digits."""
    return fact[:12] if isinstance(fact, str) and len(fact) == 64 else str(fact)
