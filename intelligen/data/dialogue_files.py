"""Dialogues in JSON files as AIHub publishes them: each line is the answer to the one before it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby, islice, pairwise
from pathlib import Path

from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.split_forms import Dialogues
from intelligen.data.checksums import sha256
from intelligen.data.corpus_interface import SplitReader
from intelligen.data.json_fields import nearest_of
from intelligen.data.json_files import JsonValue, read_json
from intelligen.errors import DataError


class DialogueReader(SplitReader):
    """Reads `info[].category`, and of `info[].annotations.lines[]` the `norm_text` and the `speaker`.

    Successive lines of one speaker are joined by spaces; a line without a speaker is one of its own. Lines without text
    are left out and counted.

    Args:
        path: A file, or a folder that has files at any depth.
        settings: Which categories are read.
        columns: Of the rows.

    """

    def __init__(self, path: Path, settings: Dialogues, columns: Sequence[Column]) -> None:
        self._path, self._categories = path, settings.categories
        self._names = [column.name for column in columns]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file; none where it is a folder."""
        return () if self._path.is_dir() else (self._path,)

    def rows(self, notes: Counter[str]) -> Iterator[Row]:
        """The pairs of lines, in the order of the files' names.

        Raises:
            DataError: a file is not built so (file:path), or none has one of the categories.

        """
        return (row for row, _ in self._placed(notes))

    def locate(self, row: int) -> str:
        """`file:path` of the dialogue that has it."""
        _, place = next(islice(self._placed(Counter()), row, None))
        return place

    def fingerprint(self) -> list[str]:
        """Hashes of what is read, and how it is read."""
        # The files' names are part of the dialogues' own.
        named = "dialogue" in self._names
        files = [part for file in self._files for part in (self._name(file) * named, sha256(file))]
        return ["dialogues", *self._names, *sorted(self._categories or ()), *files]

    @cached_property
    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        found = sorted(path for path in self._path.rglob("*") if path.name.endswith((".json", ".json.gz")))
        if not found:
            raise DataError(f"{self._path}: no .json file in this folder or in those inside it")
        return found

    def _name(self, file: Path) -> str:
        return file.relative_to(self._path).as_posix() if self._path.is_dir() else ""

    def _placed(self, notes: Counter[str]) -> Iterator[tuple[Row, str]]:
        """Rows, and where their dialogues are."""
        found: dict[str, None] = {}
        for file in self._files:
            for dialogue in read_json(file, notes).field("info").items():
                category = self._category(dialogue)
                found[category] = None
                if self._categories is not None and category not in self._categories:
                    continue
                name = f"{self._name(file)}{dialogue.path}"
                for question, answer in pairwise(_turns(dialogue, notes)):
                    texts = {"question": question, "answer": answer, "category": category, "dialogue": name}
                    yield tuple([texts[column] for column in self._names]), dialogue.place
        for category in self._categories or ():
            if category not in found:
                raise DataError(f"{self._path}: no dialogue of the category `{category}`{nearest_of(category, found)}")

    def _category(self, dialogue: JsonValue) -> str:
        wanted = self._categories is not None or "category" in self._names
        category = dialogue.field("category") if wanted else dialogue.get("category")
        return "" if category is None else category.text().strip()


def _turns(dialogue: JsonValue, notes: Counter[str]) -> Iterator[str]:
    """What is said until another speaker says something."""
    lines = [*dialogue.field("annotations").field("lines").items()]
    said = [(_speaker(line, number), line.field("norm_text").text().strip()) for number, line in enumerate(lines)]
    spoken = [(speaker, text) for speaker, text in said if text]
    notes["lines_without_text"] += len(said) - len(spoken)
    for _, of_one in groupby(spoken, key=lambda one: one[0]):
        yield " ".join(text for _, text in of_one)


def _speaker(line: JsonValue, number: int) -> object:
    """Their name or number; where there is none, the line's own number, which no other line has."""
    speaker = line.get("speaker")
    if speaker is not None and isinstance(speaker.value, dict):
        speaker = speaker.get("id")
    if speaker is None or speaker.value is None:
        return ("line", number)
    if isinstance(speaker.value, str | int):
        return str(speaker.value).strip()
    raise DataError(f"{speaker.place}: must be a name, a number, or an object with `id`")
