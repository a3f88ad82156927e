"""A new test set is read as the experiment's own, and what a message names works when it is typed."""

import shlex
from pathlib import Path

import pytest

from intelligen.cli.new_test_set_option import new_test_sets
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, FilesCorpus
from intelligen.config.schema.data import Tokenizer as TokenizerSettings
from intelligen.config.schema.split_forms import HeldOut, PairTable
from intelligen.data.new_test_set import NewTestSet
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.errors import DataError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """All splits come from one table with columns of its own."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = "".join(f"ape {number}\taffe {number}\n" for number in range(100))
    (folder / "train.tsv").write_text(f"src\ttgt\n{rows}", encoding="utf-8")
    drawn = HeldOut.model_validate({"from": "train", "rows": 5})
    train = PairTable(file="train.tsv", source_field="src", target_field="tgt")
    corpus = FilesCorpus(folder=str(folder), splits={"train": train, "valid": drawn, "test": drawn})
    return prepare(
        Data(corpus=corpus, tokenizer=TokenizerSettings(vocabulary=30)), folder / "store", columns=SOURCE_AND_TARGET
    )


def pairs_in(prepared: Prepared, test_set: NewTestSet) -> int:
    with test_set.encoded(prepared, SOURCE_AND_TARGET) as (_, report):
        return report.kept


def test_columns_are_called_as_those_that_the_test_set_is_drawn_from(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("src\ttgt\nape\taffe\n", encoding="utf-8")
    assert pairs_in(prepared, NewTestSet("new", (tmp_path / "new.tsv",))) == 1


@pytest.mark.parametrize("columns", [("src", "tgt"), ("English text", "it's German")])
def test_the_fix_of_a_quoted_table_keeps_its_columns(
    prepared: Prepared, tmp_path: Path, columns: tuple[str, str]
) -> None:
    file = tmp_path / "it's, new.tsv"
    file.write_text("\t".join(columns) + '\n"ape"\t"affe"\n', encoding="utf-8")
    table = PairTable(file=file.name, source_field=columns[0], target_field=columns[1])
    with pytest.raises(DataError) as caught:
        pairs_in(prepared, NewTestSet("new", (file,), None if columns[0] == "src" else table))
    (option, written) = shlex.split(str(caught.value).partition("CSV with ")[2].partition(", or as text")[0])
    assert option == "--data"
    (test_set,) = new_test_sets((written.replace("NAME", "new"),))
    assert pairs_in(prepared, test_set) == 1
