"""How fast a large parallel file is prepared, and that memory does not grow with it.

    python benchmarks/preparing.py [--full] [--threads 2]

Lines count both sides. The speed is that of all of `prepare` (hashing, reading twice, filtering, encoding, writing,
making durable) but SentencePiece's own training; the plain way beside it reads the same files and encodes every line
with the same vocabulary in a loop, and does nothing else. Peak memory is that of a process of its own. SentencePiece
holds two million lines while it learns: the quick look leaves learning out, the full one begins at that bound.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import sentencepiece
from rounds import Row, Rows, Table, compare, parser, print_table, resident_mib, round_robin

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, EmbeddedCorpus, FilesCorpus, Tokenizer
from intelligen.config.schema.split_forms import ParallelText
from intelligen.data import preparation, vocabularies
from intelligen.data.embedded import sentence_pairs
from intelligen.data.sentencepiece_tokenizer import train_tokenizer

WANTED_LINES_PER_S = 50_000.0
SIDES = ("en", "de")
FILES = {split: ParallelText(source=f"{split}.en", target=f"{split}.de") for split in ("train", "valid", "test")}
VOCABULARY = "vocabulary.model"


def write_corpus(folder: Path, *, pairs: int) -> Data:
    """Sentences of the embedded corpus, drawn again and again, as files, and a vocabulary learnt from them."""
    sentences = list(sentence_pairs("train", EmbeddedCorpus(train=5000)))
    settings = Tokenizer(vocabulary=4000)
    folder.mkdir()
    for split, count in (("train", pairs), ("valid", 100), ("test", 100)):
        for side, language in enumerate(SIDES):
            rng = random.Random(split)  # the same draws for both sides
            with (folder / f"{split}.{language}").open("w", encoding="utf-8") as file:
                file.writelines(f"{rng.choice(sentences)[side]}\n" for _ in range(count))
    (folder / VOCABULARY).write_bytes(train_tokenizer((line for pair in sentences for line in pair), settings))
    return Data(corpus=FilesCorpus(folder=str(folder), splits=FILES), tokenizer=settings)


def leave_out_learning(model: bytes) -> None:
    """From now on preparations in this process read the text to learn from, and take this vocabulary."""

    def learnt(lines: Iterable[str], settings: Tokenizer) -> bytes:
        deque(lines, maxlen=0)
        return model

    vocabularies.train_tokenizer = learnt


def prepare(data: Data, scratch: Path) -> float:
    """Lines per second of a preparation."""
    with tempfile.TemporaryDirectory(dir=scratch) as store:
        started = time.perf_counter()
        prepared = preparation.prepare(data, Path(store), columns=SOURCE_AND_TARGET)
        return 2 * sum(report.read for report in prepared.manifest.splits.values()) / (time.perf_counter() - started)


def plain_loop(folder: Path, scratch: Path) -> float:
    """Lines per second of encoding line by line."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / VOCABULARY))
    started, lines = time.perf_counter(), 0
    for split in FILES:
        for language in SIDES:
            with (folder / f"{split}.{language}").open(encoding="utf-8") as file, (scratch / "ids").open("wb") as ids:
                for line in file:
                    array("H", processor.encode(line.rstrip("\n"))).tofile(ids)
                    lines += 1
    return lines / (time.perf_counter() - started)


def speeds(scratch: Path, *, pairs: int, rounds: int, threads: int) -> Table:
    """Against the plain loop, and against the lines per second that are wanted of two processors."""
    folder = scratch / "speed"
    data = write_corpus(folder, pairs=pairs)
    leave_out_learning((folder / VOCABULARY).read_bytes())
    sides = {"ours": partial(prepare, data, scratch), "loop": partial(plain_loop, folder, scratch)}
    figures = round_robin(sides, rounds=rounds)
    ours, wanted = figures["ours"], [WANTED_LINES_PER_S] * rounds
    target = "≥ 1.0" if threads > 1 else ""
    return [
        compare("preparing against a plain loop", ours, figures["loop"], unit="lines/s", faster=True),
        compare("preparing against the speed wanted", ours, wanted, unit="lines/s", faster=True, target=target),
    ]


def peak_mib(folder: Path, *, pairs: int, learning: bool) -> float:
    """Most resident memory of a process that prepares so many pairs."""
    data = write_corpus(folder, pairs=pairs)
    command = [sys.executable, __file__, "--peak", data.model_dump_json(), str(folder), "learning" * learning]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_peak(settings: str, folder: str, learning: str) -> None:
    """Prepare here, and print this process' peak."""
    if not learning:
        leave_out_learning((Path(folder) / VOCABULARY).read_bytes())
    prepare(Data.model_validate_json(settings), Path(folder))
    print(resident_mib())


def memory(scratch: Path, *, few: int, many: int, learning: bool) -> Row:
    """Peak memory for many pairs as a multiple of that for few."""
    peaks = [peak_mib(scratch / str(pairs), pairs=pairs, learning=learning) for pairs in (many, few)]
    what = f"memory for {many:,} pairs against {few:,}, {'with' if learning else 'without'} learning"
    return compare(what, peaks[:1], peaks[1:], unit="MiB", faster=False, target="≤ 1.2")


def measure(*, full: bool, threads: int) -> Rows:
    """Speed and memory, on so many processors; a full run takes two, as the target for speed does."""
    threads = max(threads, 2) if full else threads
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        yield from speeds(scratch, pairs=300_000 if full else 50_000, rounds=5 if full else 3, threads=threads)
        few, many = (1_000_000, 5_000_000) if full else (50_000, 500_000)
        yield memory(scratch, few=few, many=many, learning=full)


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--peak"]:
        print_own_peak(*sys.argv[2:])
        return
    arguments = parser(__doc__).parse_args()
    print_table(measure(full=arguments.full, threads=arguments.threads), threads=arguments.threads)


if __name__ == "__main__":
    main()
