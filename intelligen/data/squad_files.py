"""Questions with their contexts in one JSON file, as SQuAD (Rajpurkar et al. 2016) and KorQuAD have them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from intelligen.config.schema.columns import Column, Row, joined_references
from intelligen.config.schema.split_forms import Squad
from intelligen.data.checksums import sha256
from intelligen.data.corpus_interface import SplitReader
from intelligen.data.json_files import JsonValue, read_json
from intelligen.errors import DataError


class SquadReader(SplitReader):
    """Reads `data[].paragraphs[].qas[]`.

    An answer must be in its context at its offset. Of questions with one that does not, training loses the row, and
    evaluation keeps it. Questions without an answer, as SQuAD 2 has them, are left out. Both are counted.

    Args:
        path: Of the file.
        settings: What models read of a question.
        columns: Of the rows.
        training: Whether models train on them.

    """

    def __init__(self, path: Path, settings: Squad, columns: Sequence[Column], *, training: bool) -> None:
        self._path, self._template, self._training = path, settings.source, training
        self._names = [column.name for column in columns]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self._path,)

    def rows(self, notes: Counter[str]) -> Iterator[Row]:
        """The questions in the file's order.

        Raises:
            DataError: the file is not built so (file:path), or most of its answers are not at their offsets.

        """
        return (row for row, _ in self._placed(notes))

    def locate(self, row: int) -> str:
        """`file:path` of a question."""
        _, place = next(islice(self._placed(Counter()), row, None))
        return place

    def fingerprint(self) -> list[str]:
        """Hashes of what is read, and how it is read."""
        return ["squad", self._template, *self._names, sha256(self._path)]

    def _placed(self, notes: Counter[str]) -> Iterator[tuple[Row, str]]:
        """Rows, and where their questions are in the file."""
        misplaced: list[JsonValue] = []
        read = unanswered = 0
        for question, title, context in self._questions(notes):
            read += 1
            answers = [*question.field("answers").items()]
            if not answers:
                unanswered += 1
                continue
            wrong = [answer for answer in answers if not _at_its_offset(answer, context)]
            misplaced += wrong[:1]
            if wrong and self._training:
                continue
            fields = {"question": question.field("question").text(), "context": context, "title": title.text()}
            texts = {
                "question": self._template.format(**fields),
                "answer": joined_references(answer.field("text").text() for answer in answers),
                "article": fields["title"],
            }
            yield tuple([texts[name] for name in self._names]), question.place
        if unanswered:
            notes["questions_without_an_answer"] += unanswered
        if misplaced:
            self._tell(misplaced, notes, answered=read - unanswered)

    def _questions(self, notes: Counter[str]) -> Iterator[tuple[JsonValue, JsonValue, str]]:
        """Each with the title of its article and its context."""
        for article in read_json(self._path, notes).field("data").items():
            title = article.field("title")
            for paragraph in article.field("paragraphs").items():
                context = paragraph.field("context").text()
                for question in paragraph.field("qas").items():
                    yield question, title, context

    def _tell(self, misplaced: Sequence[JsonValue], notes: Counter[str], *, answered: int) -> None:
        first = misplaced[0]
        if 2 * len(misplaced) > answered:
            raise DataError(
                f"{first.place}: the answer {first.field('text').text()!r} is not in its context at `answer_start`, nor"
                f" are those of {len(misplaced) - 1:,} more of {answered:,} questions: offsets must count characters"
            )
        what = "questions_left_out_because_an_answer" if self._training else "questions_an_answer_of_which"
        notes[f"{what}_is_not_at_its_offset (first {self._path.name}:{first.path})"] += len(misplaced)


def _at_its_offset(answer: JsonValue, context: str) -> bool:
    text, start = answer.field("text").text(), answer.field("answer_start").value
    if not isinstance(start, int):
        raise DataError(f"{answer.place}.answer_start: must be a whole number")
    return start >= 0 and context.startswith(text, start)
