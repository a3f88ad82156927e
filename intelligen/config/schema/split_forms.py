"""Forms of a split: the files that hold its rows, or rows drawn from another split."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationInfo, create_model

from intelligen.config.base import ADDED, Name, Settings


def _inside_the_folder(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"must be a path inside the folder, got {name!r}")
    return name


ColumnName = Annotated[str, Field(min_length=1)]
RelativeFile = Annotated[str, Field(min_length=1), AfterValidator(_inside_the_folder)]


def _distinct(names: list[str]) -> list[str]:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"the column {twice[0]} occurs twice; give each a name of its own")
    return names


def own_name(column: str, fields: Mapping[str, str], *, source: str, target: str) -> str:
    """What a table or data set calls a column: as `fields` says, else as `source_field` and `target_field` do."""
    return fields.get(column) or {"source": source, "target": target}.get(column, column)


class NamedOnce:
    """Check of `fields`: a column has one name. The defaults of `source_field` and `target_field` give way."""

    def __init__(self, *, source: str, target: str) -> None:
        self._usual = {"source": source, "target": target}

    def __call__(self, fields: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """The same fields, if no column has two names."""
        for column, usual in self._usual.items():
            if column in fields and info.data.get(f"{column}_field", usual) != usual:
                raise ValueError(f"{column}_field names the field of {column} already; give one of the two")
        return fields


class ParallelText(Settings):
    """Two plain or gzip-compressed text files; line i of one translates line i of the other."""

    source: RelativeFile
    target: RelativeFile

    @property
    def files(self) -> dict[str, str]:
        """Column → the file that holds it."""
        return {"source": self.source, "target": self.target}


class LineFiles(Settings):
    """Plain or gzip-compressed text files, one for each column; line i of each belongs to row i."""

    lines: Annotated[dict[Name, RelativeFile], Field(min_length=1)]
    """Column → its file: `{question: train.questions, answer: train.answers}`."""

    @property
    def files(self) -> dict[str, str]:
        """Column → the file that holds it."""
        return dict(self.lines)


class PairTable(Settings):
    """One .tsv, .csv (RFC 4180) or .jsonl file, plain or gzip-compressed."""

    file: RelativeFile
    format: Annotated[Literal["tsv", "csv", "jsonl"] | None, ADDED] = None
    """What the file is, where its ending does not say it (`ratings_train.txt`)."""
    columns: Annotated[Annotated[list[ColumnName], Field(min_length=1), AfterValidator(_distinct)] | None, ADDED] = None
    """Names of the columns, in order, of a .tsv or .csv file without a header row: `[source, target]`. Not given = the
    first row names them."""
    source_field: str = "source"
    """Column or field of the source text; in .jsonl a dot descends into a nested object (`translation.en`)."""
    target_field: str = "target"
    fields: Annotated[dict[Name, str], ADDED, AfterValidator(NamedOnce(source="source", target="target"))] = Field(
        default={}
    )
    """Column of the task → the table's own name of it: `{text: document}`. A column that is not here has its own
    name."""
    quoting: Annotated[Literal["csv", "none"] | None, ADDED] = None
    """Of a .tsv: `csv` = fields may be quoted as in CSV; `none` = quotation marks are text; not given = they are text,
    and a file in which 90 % of the fields are quoted is refused.
    """

    def field(self, column: str) -> str:
        """The table's own name of a column."""
        return own_name(column, self.fields, source=self.source_field, target=self.target_field)


class TextFolder(Settings):
    """A folder of .txt files, one text in each: the name of the subfolder that holds it is its label."""

    folder: RelativeFile
    labels: Annotated[list[Name], Field(min_length=1)] | None = None
    """The subfolders that are read; not given = all. aclImdb's `train` needs `[neg, pos]`, since it has texts without
    a label in a third one."""


class Documents(Settings):
    """A plain or gzip-compressed text file of documents, with empty lines between them.

    The lines of a document are joined by spaces.
    """

    documents: RelativeFile


DEFAULT_READ = "question: {question} context: {context}"


def _names_known_fields(text: str) -> str:
    try:
        fields = [field for field in Formatter().parse(text) if field[1] is not None]
    except ValueError as error:
        raise ValueError(f"{text!r} is no template: {error}; write {{question}} and {{context}}") from None
    names = {name for _, name, _, _ in fields if name is not None}
    if any(spec or conversion for _, _, spec, conversion in fields):
        raise ValueError(f"{text!r}: a field is replaced as it is; write {{question}}, without `:` and `!`")
    if unknown := sorted(names - {"question", "context", "title"}):
        raise ValueError(f"{{{unknown[0]}}} is no field of a question; there are {{question}}, {{context}}, {{title}}")
    if "question" not in names:
        raise ValueError(f"must contain {{question}}, got {text!r}")
    return text


class Squad(Settings):
    """A JSON file of questions as SQuAD (Rajpurkar et al. 2016) and KorQuAD have them, plain or gzip-compressed.

    Its columns are `question`, `answer` and `article`. A split that is drawn from it has whole articles.
    """

    squad: RelativeFile
    source: Annotated[str, AfterValidator(_names_known_fields)] = DEFAULT_READ
    """What models read of a question: text with the fields `{question}`, `{context}` and `{title}`, its article's."""


class Dialogues(Settings):
    """Dialogues as AIHub publishes them: a .json file, or a folder with some at any depth, plain or gzip-compressed.

    Each line is the answer to the one before it. Successive lines of one speaker are joined by spaces first. The
    columns are `question`, `answer`, `category` and `dialogue`. A split that is drawn from them has whole dialogues.
    """

    dialogues: RelativeFile
    categories: Annotated[list[str], Field(min_length=1)] | None = None
    """The categories (`info[].category`) that are read; not given = all."""


# `from` is a keyword of Python, so that no class body can declare it.
_FROM: dict[str, Any] = {
    "from": (Literal["train"], Field(description="The split that the rows are drawn and removed from."))
}


class HeldOut(create_model("_HeldOut", __base__=Settings, **_FROM)):  # type: ignore[misc] # the base is made by a call
    """Distinct rows drawn from the training split, which loses them and their duplicates.

    Those with the smallest hashes of their content are drawn: the order of the rows does not matter, and rows that are
    added displace a drawn one only where they are drawn themselves.
    """

    rows: PositiveInt
    """How many rows; with `group`, how many at least."""
    group: Annotated[str | None, ADDED] = None
    """A field of the training data, such as the article of a question: rows with the same value of it are drawn
    together, so that no group is in two splits. Not given = the article where `train` is a `squad` file, the dialogue
    where it is `dialogues`, else none."""


SplitFiles = ParallelText | LineFiles | PairTable | TextFolder | Documents | Squad | Dialogues


def natural_group(files: object) -> str | None:
    """The column by which splits that are drawn from files keep their rows together; none where rows are alone."""
    return "article" if isinstance(files, Squad) else "dialogue" if isinstance(files, Dialogues) else None


def known_columns(files: SplitFiles) -> tuple[str, ...] | None:
    """The columns that files have; None where only their content can tell."""
    match files:
        case ParallelText() | LineFiles():
            return tuple(files.files)
        case PairTable():
            return None
        case TextFolder():
            return ("text", "label")
        case Documents():
            return ("text",)
        case Squad():
            return ("question", "answer", "article")
        case Dialogues():
            return ("question", "answer", "category", "dialogue")
