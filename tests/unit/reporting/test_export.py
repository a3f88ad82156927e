"""Exports hold what the report says: CSV every digit, LaTeX and Markdown what people read."""

import csv
import io
import re
from typing import Any

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
    "p_holm": 0.12344,
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
    assert r"standard\_matched & test & beam & 31.23 [30.10, 32.20] & -0.50 [-1.25, 0.25] & 0.1234 & 3 \\" in table
    assert r"baseline & test & beam & – & – & – & 3 \\" in table
    columns = re.search(r"\\begin\{tabular\}\{(.*)\}", table)
    assert columns is not None
    assert {line.count(" & ") + 1 for line in table.splitlines() if " & " in line} == {len(columns[1])}


def test_markdown_has_as_many_cells_in_every_line() -> None:
    lines = to_markdown([{**KNOWN, "strategy": "a|b"}, BARE], [Bleu()]).splitlines()
    assert lines[0].startswith("| strategy | test set | search | BLEU |")
    assert lines[2].startswith(r"| a\|b | test | beam | 31.23 [30.10, 32.20] |")
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
