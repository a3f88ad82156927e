"""Exports hold what the report says: CSV every digit, LaTeX and Markdown what people read."""

import csv
import io
import re
from typing import Any

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.config.schema.rows import Row
from intelligen.evaluation.sacrebleu_metrics import Bleu
from intelligen.reporting.export import latex_escaped, to_csv, to_latex, to_markdown

KNOWN: dict[str, Any] = {
    "strategy": "standard_matched",
    "test_set": "test",
    "search": "beam",
    "seeds": 3,
    "bleu": 31.23456789,
    "bleu_low": 30.1,
    "bleu_high": 32.2,
    "delta": -0.5,
    "delta_low": -1.25,
    "delta_high": 0.25,
    "control": "standard",
    "p_value": 0.12344,
    "verdict": "open",
    "effect_size": None,
}
BARE: dict[str, Any] = {
    **dict.fromkeys(KNOWN),
    "strategy": "baseline",
    "test_set": "test",
    "search": "beam",
    "seeds": 3,
}


def test_a_csv_gives_back_every_number() -> None:
    read = list(csv.DictReader(io.StringIO(to_csv([KNOWN, BARE]))))
    assert [row["strategy"] for row in read] == ["standard_matched", "baseline"]
    assert float(read[0]["bleu"]) == KNOWN["bleu"]
    assert float(read[0]["delta"]) == -0.5
    assert {read[1][name] for name in ("bleu", "delta", "effect_size")} == {""}


def test_no_text_of_a_csv_is_a_formula() -> None:
    read = list(csv.DictReader(io.StringIO(to_csv([{**KNOWN, "strategy": "=1+1"}]))))
    assert read[0]["strategy"] == "'=1+1"


def test_latex_prints_its_own_signs() -> None:
    assert latex_escaped(r"a_b & 50 % #1 ${x} ~ ^ \\") == (
        r"a\_b \& 50 \% \#1 \$\{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}\textbackslash{}"
    )
    table = to_latex([KNOWN, BARE], [Bleu()])
    scores = r"standard\_matched & test & beam & 31.23 [30.10, 32.20] & "
    assert rf"{scores}standard & -0.50 [-1.25, 0.25] & 0.1234 & open & 3 \\" in table
    assert r"baseline & test & beam & – & – & – & – & – & 3 \\" in table
    columns = re.search(r"\\begin\{tabular\}\{(.*)\}", table)
    assert columns is not None
    assert {line.count(" & ") + 1 for line in table.splitlines() if " & " in line} == {len(columns[1])}


def test_variants_say_how_their_scores_were_computed_below_the_table_or_where_they_differ_by_row() -> None:
    compared = ComparedRows("row", "a", {name: Row(name, name, {}, {}) for name in ("a", "b")})
    shared = {"test_set": "test", "search": "beam", "bleu": 30.0, "bleu_low": 29.0, "bleu_high": 31.0}
    records = [{**shared, "label": name, "signature": "nrefs:1|tok:13a"} for name in ("a", "b")]
    markdown, latex = (write(records, [Bleu()], compared) for write in (to_markdown, to_latex))
    assert markdown.endswith("\n\nBLEU signature: nrefs:1|tok:13a\n")
    assert r"\footnotesize BLEU signature: nrefs:1|tok:13a} \\" in latex
    assert "signature" not in markdown.splitlines()[0]
    records[1]["signature"] = "nrefs:1|tok:zh"
    markdown = to_markdown(records, [Bleu()], compared)
    assert "| BLEU signature |" in markdown.splitlines()[0]
    assert [line.rstrip(" |").rpartition("| ")[2] for line in markdown.splitlines()[2:]] == [
        r"nrefs:1\|tok:13a",
        r"nrefs:1\|tok:zh",
    ]
    # Metrics whose name says everything have none, and strategies' tables are as they were.
    for one in records:
        one["signature"] = ""
    assert "signature" not in to_markdown(records, [Bleu()], compared)
    assert "signature" not in to_markdown([{**KNOWN, "signature": "nrefs:1"}], [Bleu()])


def test_markdown_has_as_many_cells_in_every_line() -> None:
    lines = to_markdown([{**KNOWN, "strategy": "a|b"}, BARE], [Bleu()]).splitlines()
    assert lines[0].startswith("| strategy | test set | search | BLEU |")
    assert lines[2].startswith(r"| a\|b | test | beam | 31.23 [30.10, 32.20] |")
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
