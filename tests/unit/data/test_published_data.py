"""Real corpora, read as their experiments read them: what is counted of them is what others count."""

from collections import Counter
from pathlib import Path

import pytest

from intelligen.config.schema.columns import Column
from intelligen.config.schema.data import Data, FilesCorpus
from intelligen.config.schema.split_forms import Documents, HeldOut, PairTable, Squad
from intelligen.config.schema.tasks import QuestionAnswering
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_files import FileRows
from intelligen.data.row_filters import Counts, evaluation_rows, training_rows
from intelligen.data.split_overlap import OverlapCount, RowHashes

LABELLED = (Column("text", read=True), Column("label", read=False, kind="label"))
CLASSES = {"label": ("0", "1")}


def test_of_nsmc_all_rows_are_kept_and_797_texts_of_the_test_set_are_known_from_training(optional_data: Path) -> None:
    if not (optional_data / "nsmc").is_dir():
        pytest.skip("no NSMC here")
    files = {split: PairTable(file=f"{split}.tsv.gz", fields={"text": "document"}) for split in ("train", "test")}
    corpus, train, test = FileRows(optional_data / "nsmc", files, LABELLED), Counts(), Counts()
    hashes = RowHashes.of(evaluation_rows(corpus, "test", LABELLED, Data(), test, CLASSES), LABELLED)
    shared = OverlapCount({"test": hashes}, LABELLED)
    shared.add_train(list(training_rows(corpus, LABELLED, Data(), train)))
    assert (train.read, train.dropped, len(hashes), test.notes) == (150_000, {}, 50_000, {"empty_text": 3})
    (overlap,) = shared.overlaps()
    assert (overlap.distinct, overlap.rows) == (797, 50_000)


def test_of_kowiki_each_article_is_a_document(optional_data: Path) -> None:
    if not (optional_data / "kowiki").is_dir():
        pytest.skip("no kowiki here")
    files = {split: Documents(documents=f"{split}.txt.gz") for split in ("train", "valid")}
    corpus = FileRows(optional_data / "kowiki", files, (Column("text", read=False, windowed=True),))
    assert [sum(1 for _ in corpus.rows(split)) for split in files] == [13_844, 57]


def test_of_korquad_every_answer_is_at_its_offset_and_splits_share_no_article(optional_data: Path) -> None:
    if not (optional_data / "korquad").is_dir():
        pytest.skip("no KorQuAD here")
    drawn = HeldOut.model_validate({"from": "train", "rows": 500})
    splits = {"train": Squad(squad="KorQuAD_v1.0_dev.json.gz"), "valid": drawn}
    corpus = FilesCorpus(folder=str(optional_data / "korquad"), splits=splits)
    columns, notes = (*QuestionAnswering.columns, Column("article", read=True, kind="label")), Counter[str]()
    found = open_corpus(corpus, columns)
    train, valid = ([row[2] for row in found.rows(split, notes)] for split in ("train", "valid"))
    assert notes == {"held_out": len(valid) + 1, "line_breaks": 10}  # a question of theirs stands there twice
    assert len(train) + notes["held_out"] == 5_774
    assert not {*train} & {*valid}
    assert len({*train, *valid}) == 140
