"""Tables of listed variants have a column for each setting that they differ in, blank where it is the control's."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import REPOSITORY
from small_rows import SmallRows

from intelligen import api
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.row_settings import setting_headings, setting_text
from intelligen.cli.main import commands
from intelligen.config.base import comparable
from intelligen.config.load import load_sweep
from intelligen.reporting.html.comparison_page import Compared, page_comparison_table
from intelligen.reporting.html.write_report import read_compared, study_page

LISTED = """\
  variants:
    control: base
    of:
      base: {}
      one-head: {label: (A) h 1, model.heads: 1}
      learned: {model.positions: learned, training.label_smoothing: 0.2}
"""
HEADINGS = ["heads", "d_k", "d_v", "positions", "label_smoothing"]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> SmallRows:
    quality = {"base": 0.7, "one-head": 0.75, "learned": 0.9}
    published = "published: {note: Table 2, rows: {base: {training_flops_by_time: 3.3e+18}}}"
    more = f"resources: {{device_flops: 1.0e+11}}\n{published}"
    files = SmallRows(
        tmp_path_factory.mktemp("listed") / "runs", seeds=(), quality=quality, rows=LISTED, published=more
    )
    files.write()
    return files


@pytest.fixture(scope="module")
def compared(listed: SmallRows) -> Compared:
    return read_compared(listed.directory, store=listed.store)


def exported(listed: SmallRows, *asked: str) -> str:
    result = CliRunner().invoke(
        commands, ["export", "rows", "--runs", str(listed.store), *asked], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output


def settings_of(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in line.split(separator)][1 : 1 + len(HEADINGS)]


def test_tables_for_people_have_the_control_s_values_and_leave_equal_ones_blank(listed: SmallRows) -> None:
    for form, separator in (("--markdown", "|"), ("--latex", "&")):
        lines = exported(listed, form, "-").splitlines()
        rows = [line.removeprefix("| ") for line in lines if separator in line and not line.startswith("|-")]
        found = {row.split(separator)[0].strip(): settings_of(row, separator) for row in rows}
        assert found["row"] == [heading.replace("_", r"\_" if separator == "&" else "_") for heading in HEADINGS]
        assert found["base"] == ["2", "16", "16", "sinusoidal", "0.1"]
        assert found["(A) h 1"] == ["1", "32", "32", "", ""]
        assert found["learned"] == ["", "", "", "learned", "0.2"]
        assert any("Blank: as base." in line for line in lines)


def test_the_page_has_the_columns_and_says_what_a_blank_cell_means(compared: Compared) -> None:
    page = study_page(compared)
    assert "Blank: as base." in page
    assert [heading for heading in HEADINGS if f">{heading}<" not in page] == []


def test_a_comparison_of_sweeps_and_the_terminal_have_no_room_for_settings(compared: Compared) -> None:
    assert not set(HEADINGS) & set(page_comparison_table([compared]).headings)


def test_programs_get_every_row_s_own_value(listed: SmallRows) -> None:
    rows = {row["row"]: row for row in json.loads(exported(listed, "--json"))["rows"]}
    assert (rows["learned"]["setting/model.heads"], rows["one-head"]["setting/model.heads"]) == (2, 1)
    head, base, *_ = exported(listed, "--csv", "-").splitlines()
    assert head.split(",")[:4] == ["row", "label", "setting/model.heads", "setting/model.d_k"]
    assert base.split(",")[:4] == ["base", "base", "2", "16"]
    frame = api.results("rows", runs=listed.store)
    assert frame["setting/model.positions"].tolist() == ["sinusoidal", "sinusoidal", "learned"]


def test_training_cost_by_time_is_of_training_alone_and_stands_beside_others(
    listed: SmallRows, compared: Compared
) -> None:
    # Three epochs of 2 s on one device; 1 s of validation after each does not count.
    (base, *_) = json.loads(exported(listed, "--json"))["rows"]
    assert base["training_flops_by_time"] == pytest.approx(6.0e11)
    heads, _, first, *_ = (line.strip("| ").split(" | ") for line in exported(listed, "--markdown", "-").splitlines())
    found = dict(zip(heads, first, strict=True))
    assert found["training FLOPs by time"] == "6e+11"
    assert found["published training FLOPs by time"] == "3.3e+18"
    assert "resources.device_flops" in study_page(compared)


def test_rows_from_axes_are_told_apart_by_their_axes_alone(tmp_path: Path) -> None:
    sweep, experiment = load_sweep(SmallRows(tmp_path / "runs").files())
    rows = ComparedRows.of(sweep, comparable(experiment))
    assert (rows.setting_keys, rows.heading) == ((), "item")


def test_the_columns_of_the_paper_s_table_are_those_of_its_sweep() -> None:
    sweep, experiment = load_sweep(REPOSITORY / "search_spaces" / "table3.yaml")
    rows = ComparedRows.of(sweep, comparable(experiment))
    assert [*setting_headings(rows.setting_keys).values()] == [
        *("d_model", "d_ff", "heads", "d_k", "d_v", "encoder_layers", "decoder_layers"),
        *("dropout", "positions", "label_smoothing"),
    ]
    assert [*rows.settings["base"].values()] == [128, 512, 8, 16, 16, 6, 6, 0.1, "sinusoidal", 0.1]
    differing = {
        name: {key: value for key, value in settings.items() if value != rows.settings["base"][key]}
        for name, settings in rows.settings.items()
    }
    assert differing["a-h1"] == {"model.heads": 1, "model.d_k": 128, "model.d_v": 128}
    assert differing["b-dk4"] == {"model.d_k": 4}
    assert differing["c-n2"] == {"model.encoder_layers": 2, "model.decoder_layers": 2}
    assert differing["c-d64"] == {"model.d_model": 64, "model.d_k": 8, "model.d_v": 8}
    assert differing["big"] == {"model.d_model": 256, "model.d_ff": 1024, "model.heads": 16, "model.dropout": 0.3}


def test_settings_in_groups_that_some_row_has_not_are_shown() -> None:
    sweep, experiment = load_sweep(REPOSITORY / "search_spaces" / "imdb_variants.yaml")
    rows = ComparedRows.of(sweep, comparable(experiment))
    headings = setting_headings(rows.setting_keys)
    assert {"output_dropout", "augment.delete", "initial.part", "schedule.warmup_ratio"} <= set(headings.values())
    assert rows.settings["base"]["data.augment.delete"] is None
    assert setting_text(rows.settings["frozen-embeddings"]["initial.experiment"]) == "imdb_embeddings.yaml"


def test_a_heading_is_the_shortest_that_is_unlike_the_others() -> None:
    assert setting_headings(["training.epochs", "finetuning.epochs", "training.schedule.name", "strategy.name"]) == {
        "training.epochs": "epochs",
        "finetuning.epochs": "finetuning.epochs",
        "training.schedule.name": "schedule",
        "strategy.name": "strategy",
    }
    assert setting_headings(["model.epochs", "training.epochs"]) == {
        "model.epochs": "model.epochs",
        "training.epochs": "training.epochs",
    }
