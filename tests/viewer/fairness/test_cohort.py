"""What the dock shows of a cohort before anything runs, and how one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fairness_desk import PROBLEM, FairnessDesk, drop, make_cohort
from PIL import Image as Picture
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.engines import open_cohort
from napari_dmoe.viewer.fairness.cohort import control
from napari_dmoe.viewer.fairness.cohort.control import is_audit
from napari_dmoe.viewer.fairness.cohort.reading import Reading, Wish, told

pytestmark = pytest.mark.gui


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "cohort"
    folder.mkdir()
    return folder


def test_an_empty_dock_says_what_to_do(desk: FairnessDesk) -> None:
    assert "press Phantoms" in desk.dock.cohort.found.text()
    assert not desk.dock.foot.button.isEnabled()
    assert desk.dock.foot.button.toolTip() == "Choose a cohort first."
    assert not desk.dock.foot.report_button.isEnabled()


def test_what_was_read_is_shown_before_anything_runs(
    desk: FairnessDesk, source: Path
) -> None:
    desk.read(source)
    section = desk.dock.cohort
    assert section.title.text() == "cohort/cohort.csv: 12 cases"
    assert section.found.text().splitlines() == [
        "Read as a folder with a table.",
        "Truth found for all of them.",
    ]
    assert section.attributes.text().splitlines() == [
        "Sex: female 8, unknown 4",
        "Age: 20–31 (12)",
        "centre: north 9, south 3",
    ]
    assert desk.status == "Read 12 cases: nothing is run or written yet."
    assert desk.fakes.calls == []
    assert desk.dock.foot.button.isEnabled()


def test_a_folder_and_a_table_are_chosen_in_dialogs(
    desk: FairnessDesk, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = source / "cohort.csv"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(source))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(table), ""))
    desk.click(desk.dock.cohort.folder_button)
    desk.settle()
    assert desk.dock.cohort.title.text() == "cohort/cohort.csv: 12 cases"
    desk.click(desk.dock.cohort.table_button)
    desk.settle()
    assert desk.dock.cohort.title.text() == "cohort.csv: 12 cases"


def test_one_click_gives_a_newcomer_phantoms_and_the_model_made_for_them(
    desk: FairnessDesk,
) -> None:
    desk.click(desk.dock.cohort.phantoms_button)
    desk.settle()
    assert desk.fakes.asked("draw") == ["fundus"]
    assert desk.compared == ["Fundus, driven by severity"]
    assert desk.dock.foot.button.isEnabled()


def test_cohorts_that_were_read_and_other_phantoms_are_offered(
    desk: FairnessDesk, source: Path
) -> None:
    desk.read(source)
    combo = desk.dock.cohort.other_combo
    titles = [combo.itemText(place) for place in range(combo.count())]
    assert titles[0] == "cohort"
    assert titles[1] == "Phantoms: fundus, driven by race"
    combo.activated.emit(titles.index("Phantoms: skin lesions, driven by sex and age"))
    desk.settle()
    assert desk.fakes.asked("draw") == ["skin"]
    assert desk.compared == ["Skin"]
    combo.activated.emit(0)
    desk.settle()
    assert desk.dock.cohort.title.text() == "cohort/cohort.csv: 12 cases"


def test_problems_stand_in_a_table_and_nothing_runs_until_they_are_left_out(
    desk: FairnessDesk, source: Path
) -> None:
    desk.fakes.cohorts[source] = make_cohort(problems=(PROBLEM,))
    desk.read(source)
    section = desk.dock.cohort
    assert section.problems_fold.button.text() == "▾ 1 problem"
    assert desk.status == "Read 12 cases, and 1 problem: see the cohort."
    assert section.problems.text().splitlines()[1] == "4\tage\told\tan age in years"
    assert not desk.dock.foot.button.isEnabled()
    assert "Leave these rows out" in desk.dock.foot.button.toolTip()
    section.skip_box.click()
    assert desk.dock.foot.button.isEnabled()
    desk.run()
    ((_, _, how),) = desk.fakes.asked("evaluate")
    assert how["skips"]


def test_what_cannot_be_read_is_said_and_the_dock_goes_on(
    desk: FairnessDesk, tmp_path: Path
) -> None:
    desk.read(tmp_path / "broken")
    section = desk.dock.cohort
    assert section.error.text() == "broken: no column tells the images"
    assert desk.dock.foot.button.toolTip().startswith("The cohort cannot be read")
    desk.read(tmp_path / "good")
    assert section.error.text() == ""
    assert desk.dock.foot.button.isEnabled()


def test_a_column_is_put_right_and_the_cohort_read_anew(
    make_fairness: Callable[..., FairnessDesk], tmp_path: Path
) -> None:
    desk = make_fairness(open_cohort=open_cohort)
    table = tmp_path / "cohort.csv"
    Picture.new("L", (8, 8)).save(tmp_path / "a.png")
    table.write_text("image,grp\na.png,north\n", encoding="utf-8")
    desk.read(table)
    assert desk.dock.cohort.columns.combos == {}
    desk.click(desk.dock.cohort.columns_fold.button)
    desk.settle()
    combo = desk.dock.cohort.columns.combos["grp"]
    place = combo.findData("race")
    combo.setCurrentIndex(place)
    combo.activated.emit(place)
    desk.settle()
    assert "Race: north 1" in desk.dock.cohort.attributes.text()


def test_the_last_cohort_that_was_asked_for_is_the_one_that_is_shown(
    desk: FairnessDesk, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        drop(desk.dock, str(tmp_path / name))
    desk.settle()
    assert desk.dock.cohort.title.text().startswith("c/")


def test_masks_without_images_are_said_to_be_so() -> None:
    row = CohortRow(2, "a", Path(), Path("/in/a.png"), Patient())
    cohort = replace(make_cohort(0), rows=(row,))
    found = told(Reading(Wish(Path("in")), cohort)).found
    assert "No case has an image: masks alone can be audited." in found


def test_values_are_not_told_one_by_one_where_there_are_many() -> None:
    rows = [
        CohortRow(n, str(n), Path("a"), None, Patient(others={"psa": str(n)}))
        for n in range(30)
    ]
    cohort = replace(make_cohort(0), rows=tuple(rows))
    reading = told(Reading(Wish(Path("in")), cohort))
    assert reading.attributes == ("psa: 30 different values",)
    assert "nothing can be scored" in reading.found[1]


def test_a_folder_of_audits_is_one(tmp_path: Path) -> None:
    assert not is_audit(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "cases.csv").touch()
    assert is_audit(tmp_path)
    assert is_audit(tmp_path / "model")
    assert is_audit(tmp_path / "model" / "cases.csv")


def test_phantoms_are_drawn_where_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "user_cache_path", lambda *_, **__: tmp_path)
    folders = {control.phantoms_folder(kind) for kind in control.PHANTOMS}
    assert len(folders) == len(control.PHANTOMS)
    assert all(folder.is_relative_to(tmp_path) for folder in folders)
