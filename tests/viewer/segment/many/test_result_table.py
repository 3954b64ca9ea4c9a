"""The table of many images: summary, filters, columns, and thousands of rows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from desk import Desk
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from tables import column_of, heads_of

from napari_dmoe.viewer.segment.many import results
from napari_dmoe.viewer.segment.many.view import SeriesSection
from napari_dmoe.viewer.segment.many.words import line_of, summary_of
from napari_dmoe.viewer.session.pictures import Filter, Picture, dice_of
from napari_dmoe.viewer.session.series import Series

pytestmark = pytest.mark.gui

N_MANY = 8_729


def row(name: str, dice: str = "", status: str = "segmented") -> dict[str, str]:
    return {
        "id": name,
        "image": name,
        "status": status,
        "headline": "Implausible: two lesions" if name == "odd" else "lesion 9 px",
        "outcome": "why" if status == "failed" else "segmented",
        "age": "55",
        "model": "m",
        "settings": "",
        "lesion (px)": "9",
        "lesion Dice": dice,
        "labels": "" if status == "failed" else f"{name}.labels.tif",
        "dx": "nv",
    }


ROWS = [
    row("a", "0.9000"),
    row("b", "", "failed"),
    row("c", "0.3000"),
    row("odd", "0.6000"),
    *(row(f"d{i}", "0.8000") for i in range(6)),
]


@pytest.fixture
def section(qtbot: QtBot) -> SeriesSection:
    section = SeriesSection()
    qtbot.addWidget(section)
    section.fold.unfold()
    section.results.show_rows(ROWS)
    section.show()
    return section


def test_a_sentence_says_how_many_and_how_well(section: SeriesSection) -> None:
    assert section.results.summary == (
        "9 segmented · mean Dice 0.733 (median 0.800) · 1 below 0.5 · 1 failed"
    )
    kept = [row("k", "0.5000", "kept"), row("l", "0.7000", "corrected"), row("m")]
    assert summary_of([line_of(each) for each in kept]) == (
        "1 segmented · 1 kept · 1 corrected · mean Dice of 2 0.600 (median 0.600)"
    )


def test_dice_is_the_mean_over_the_regions_that_are_told() -> None:
    cells = {"rim Dice": "0.5", "cup Dice": "0.7", "disc Dice": "", "cup IoU": "0.1"}
    assert dice_of(cells) == pytest.approx(0.6)
    assert math.isnan(dice_of({"cup Dice": ""}))


def test_a_table_of_an_earlier_version_tells_a_status_all_the_same() -> None:
    old = {"image": "a", "outcome": "segmented", "labels": "a.labels.tif"}
    assert line_of(old).cells["status"] == "segmented"
    assert line_of(old).cells["id"] == "a"
    assert line_of({"image": "a", "outcome": "no"}).cells["status"] == "failed"


def test_the_worst_come_first_and_the_failed_last(section: SeriesSection) -> None:
    section.results.worst_button.click()
    shown = column_of(section.table, 0)
    assert shown[:3] == ["c", "odd", "d0"]
    assert shown[-1] == "b"
    assert column_of(section.table, 1)[0] == "0.300"


def test_of_a_long_name_its_end_is_seen(section: SeriesSection) -> None:
    """As names of published images begin alike."""
    assert section.table.textElideMode() == Qt.TextElideMode.ElideMiddle


def test_other_columns_leave_the_worst_first(section: SeriesSection) -> None:
    results, table = section.results, section.table
    results.worst_button.click()
    for _ in range(2):
        results.all_box.click()
        assert column_of(table, 0)[:3] == ["c", "odd", "d0"]
        header = table.horizontalHeader()
        assert heads_of(table)[header.sortIndicatorSection()] == "Dice"
    results.add_rows([row("e", "0.1000")])
    assert column_of(table, 0)[:3] == ["e", "c", "odd"]


def test_lines_stay_sorted_by_a_column_that_is_no_longer_shown(
    section: SeriesSection,
) -> None:
    section.results.all_box.click()
    place = heads_of(section.table).index("labels")
    section.table.sortByColumn(place, Qt.SortOrder.DescendingOrder)
    section.results.all_box.click()
    assert column_of(section.table, 0)[:2] == ["odd", "d5"]
    section.results.find_edit.setText("d")
    assert column_of(section.table, 0)[:3] == ["odd", "d5", "d4"]


def test_few_columns_are_shown_and_all_are_copied(section: SeriesSection) -> None:
    assert heads_of(section.table) == ["image", "Dice", "status", "found"]
    lines = [each.split("\t") for each in section.table.text().splitlines()]
    assert lines[0][0] == "id"
    assert lines[0][-1] == "dx"
    first = dict(zip(lines[0], lines[1], strict=True))
    assert {name: cell for name, cell in first.items() if cell} == {
        name: cell for name, cell in ROWS[0].items() if cell
    }
    section.results.all_box.click()
    heads = heads_of(section.table)
    assert heads[:4] == ["image", "Dice", "status", "found"]
    assert {"age", "lesion (px)", "dx", "labels"} <= set(heads)
    place = heads.index("age")
    assert column_of(section.table, place)[0] == "55"


def test_some_images_are_chosen_and_found_by_name(section: SeriesSection) -> None:
    combo = section.results.filter_combo
    texts = [combo.itemText(i) for i in range(combo.count())]
    assert texts == [
        "All (10)",
        "Failed (1)",
        "Dice below 0.5 (1)",
        "Implausible (1)",
    ]
    combo.setCurrentIndex(2)
    assert column_of(section.table, 0) == ["c"]
    combo.setCurrentIndex(0)
    section.results.find_edit.setText("D3")
    assert column_of(section.table, 0) == ["d3"]
    section.results.find_edit.clear()
    assert len(column_of(section.table, 0)) == 10


def test_a_row_that_was_corrected_is_counted_anew(section: SeriesSection) -> None:
    section.results.replace_row(2, row("c", "0.9500", "corrected"))
    assert "below" not in section.results.summary
    assert "1 corrected" in section.results.summary
    combo = section.results.filter_combo
    texts = [combo.itemText(i) for i in range(combo.count())]
    assert "Corrected (1)" in texts
    assert not any(text.startswith("Dice below") for text in texts)


def series_of(desk: Desk, n: int) -> Series:
    made = desk.segmenting.series.begin("many", Path("/nowhere/masks"))
    for number in range(n):
        name = f"{number:05d}"
        cells = row(name, f"{number % 90 / 100:.4f}")
        desk.segmenting.series.add(
            made, Picture(name, path=Path(f"{name}.png"), row=cells)
        )
    return made


def test_thousands_of_rows_are_shown_some_at_a_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No turn of the event loop shows more than some hundred rows."""
    section = desk.segmenting.tab.series
    sizes: list[int] = []
    add = section.results.add_rows

    def counted(rows: list[dict[str, str]]) -> None:
        sizes.append(len(rows))
        add(rows)

    monkeypatch.setattr(section.results, "add_rows", counted)
    first = series_of(desk, N_MANY)
    desk.qtbot.waitUntil(lambda: len(section.rows) == N_MANY, timeout=60_000)
    assert max(sizes) <= results._MOST
    assert len(sizes) < N_MANY / 50  # in batches, not one by one
    assert [each["id"] for each in section.rows] == [
        picture.row["id"] for picture in first.pictures
    ]
    # Going back to it is as fluid.
    desk.segmenting.series.begin("another")
    assert len(section.rows) == 0
    sizes.clear()
    desk.session.series.choose(1)
    desk.qtbot.waitUntil(lambda: len(section.rows) == N_MANY, timeout=60_000)
    assert max(sizes) <= results._MOST
    desk.qtbot.waitUntil(lambda: len(desk.session.pictures) == N_MANY)


def test_to_go_through_thousands_is_offered_in_a_turn_of_its_own(desk: Desk) -> None:
    pictures = [Picture(f"{n:05}", row=row(f"{n:05}", "0.5")) for n in range(500)]
    control, gone_through = desk.segmenting.series, desk.session.pictures
    control.show_finished(Series("finished", Path("finished"), pictures))
    seen = []
    for _ in range(3):
        seen.append((len(desk.segmenting.tab.series.rows), gone_through.is_series))
        control.flush()
    assert seen == [(results._MOST, False), (500, False), (500, True)]


def test_worst_first_is_also_the_order_of_next(desk: Desk) -> None:
    series_of(desk, 12)
    desk.segmenting.series.flush()
    section = desk.segmenting.tab.series
    section.results.worst_button.click()
    assert desk.session.pictures.filter is Filter.WORST
    assert desk.session.pictures.order[0] == 0


def test_a_corrected_picture_brings_its_row(desk: Desk) -> None:
    series_of(desk, 12)
    desk.segmenting.series.flush()
    desk.session.pictures.update(3, row=row("00003", "0.9990", "corrected"))
    section = desk.segmenting.tab.series
    assert section.rows[3]["status"] == "corrected"
    assert "1 corrected" in section.found.badge.text()
