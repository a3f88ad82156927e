"""A table fits its terminal: it takes more lines, leaves out columns or becomes a list, and cuts no text."""

from io import StringIO

from rich.console import Console

from intelligen.reporting.terminal.fitting_table import Column, FittingTable

COLUMNS = [Column("strategy"), Column("test/bleu", is_number=True), Column("max memory", is_number=True, rank=1)]
ROWS = [["standard", "20.00\n[18.50, 21.50]", "1,000\nMiB"], ["汉字", "3.00", "9\nMiB"]]


def printed(width: int) -> list[str]:
    output = StringIO()
    Console(file=output, width=width).print(FittingTable(COLUMNS, ROWS, title="Which [one]?", rest="table.md has them"))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_where_there_is_room_a_row_is_a_line():
    lines = printed(80)
    assert sum("standard" in line and "20.00 [18.50, 21.50]" in line and "1,000 MiB" in line for line in lines) == 1
    assert lines[0] == "Which [one]?"


def test_cells_take_more_lines_before_a_column_is_left_out():
    lines = printed(42)
    assert any("max" in line and "memory" not in line for line in lines)
    assert any("[18.50, 21.50]" in line and "20.00" not in line for line in lines)
    assert "Not shown" not in " ".join(lines)


def test_columns_that_are_left_out_are_named():
    lines = printed(34)
    assert "Not shown: max memory; table.md" in lines[-2]
    assert not any("MiB" in line for line in lines)


def test_where_no_table_fits_each_row_is_a_list():
    lines = printed(20)
    assert [line for line in lines if line.startswith("  ")][:2] == ["  test/bleu   20.00", "  [18.50, 21.50]"]
    assert all(len(line) <= 20 for line in lines)
