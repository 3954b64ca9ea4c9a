"""Files segmented in a row: read, shown, asked about, and what came of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import Desk
from napari.utils.notifications import Notification
from PIL import Image as Picture
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from tables import go_to

from napari_dmoe.inference.running import waiting
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.engines import series
from napari_dmoe.viewer.layers.opening import mask_layers
from napari_dmoe.viewer.segment.many import files
from napari_dmoe.viewer.segment.many.replaced import Answer, InTheWay
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


class Folders:
    """Answers the dialogs, and notes what was asked."""

    def __init__(self, source: Path, target: Path) -> None:
        self.folders = [str(source), str(target)]
        self.asked: list[InTheWay] = []
        self.dialogs = 0
        self.answer = Answer.REPLACE

    def folder(self, parent: object, title: str, *_: object) -> str:
        self.dialogs += 1
        return self.folders[0 if title.startswith("Folder of") else 1]

    def table(self, *_: object) -> tuple[str, str]:
        self.dialogs += 1
        return self.folders[0], ""

    def ask(self, parent: object, there: InTheWay) -> Answer:
        self.asked.append(there)
        return self.answer


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    source, target = tmp_path / "images", tmp_path / "masks"
    source.mkdir()
    target.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (12, 9, 3), np.uint8)
        Picture.fromarray(pixels).save(source / f"{name}.png")
    (source / "broken.png").write_text("no picture")
    made = Folders(source, target)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", made.folder)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", made.table)
    monkeypatch.setattr(files, "ask", made.ask)
    return made


def read_folder(desk: Desk) -> None:
    """Choose a folder, and wait until it is read."""
    desk.click(desk.segmenting.tab.series.folder_button)
    desk.wait_until_idle()


def read_table(desk: Desk, folders: Folders, text: str) -> None:
    table = Path(folders.folders[0]) / "mine.csv"
    table.write_text(text)
    folders.folders[0] = str(table)
    desk.click(desk.segmenting.tab.series.table_button)
    desk.wait_until_idle()


def start(desk: Desk) -> None:
    """Press Segment, choose where to, and wait until all is done and shown."""
    desk.click(desk.segmenting.tab.series.plan.start_button)
    desk.wait_until_idle()
    desk.segmenting.series.flush()
    desk.wait_until_idle()


def run_folder(desk: Desk) -> None:
    read_folder(desk)
    start(desk)


def test_a_series_that_others_slowed_down_says_so(
    desk: Desk, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_LEAST_WAIT_S", -1.0)
    monkeypatch.setattr(waiting, "FAR_SLOWER", 0.0)
    run_folder(desk)
    said = desk.segmenting.tab.series.found.summary.text()
    assert "The processor was busy with other work: " in said


def test_a_folder_is_segmented_and_a_broken_file_is_told(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    run_folder(desk)
    rows = {row["id"]: row for row in section.rows}
    assert list(rows) == ["a", "b", "broken"]
    assert rows["a"]["labels"] == "a.labels.tif"
    assert rows["a"]["severity"] == "unknown"
    assert "unknown (3 values mixed)" in rows["a"]["outcome"]
    assert rows["broken"]["status"] == "failed"
    assert not rows["broken"]["labels"]
    assert "broken.png" in rows["broken"]["outcome"]
    assert section.found.badge.text() == "2 segmented · 1 failed"
    assert section.found.summary.text().startswith("3 images into masks.")
    names = {path.name for path in (tmp_path / "masks").iterdir()}
    assert {"a.labels.tif", "b.labels.tif", "segment.csv"} <= names
    assert folders.asked == []
    assert folders.dialogs == 2
    assert len(desk.viewer.layers) == 1  # nothing is opened unasked
    go_to(section.table, 1)
    desk.qtbot.keyClick(section.table, Qt.Key.Key_Return)
    desk.wait_until_idle()
    desk.qtbot.waitUntil(lambda: len(desk.viewer.layers) >= 3)
    desk.wait_until_idle()
    image = desk.session.image
    assert image is not None
    assert image.name == "b"
    (mask,) = [each for each in desk.masks if each.name.startswith("b")]
    assert mask.data.shape == image.data.shape[:2] == (12, 9)
    assert mask.metadata["napari-dmoe"]["drivers"][0]["value"] is None
    assert not desk.viewer.layers["retina"].visible


def test_the_table_of_the_window_is_that_of_the_disk(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    run_folder(desk)
    table = desk.segmenting.tab.series.table
    with (tmp_path / "masks" / "segment.csv").open(encoding="utf-8-sig") as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == table.headers()
    assert [each["labels"] for each in written] == [
        each["labels"] for each in table.file_rows()
    ]
    assert [each["outcome"] for each in written] == [
        each["outcome"] for each in table.file_rows()
    ]


def test_what_is_read_is_shown_before_any_folder_is_asked_for(
    desk: Desk, folders: Folders
) -> None:
    plan = desk.segmenting.tab.series.plan
    text = "image,severity,age,Ward\na.png,healthy,63,5\nb.png,,,5\ngone.png,,,6\n"
    read_table(desk, folders, text)
    assert folders.dialogs == 1
    assert plan.title.text() == "mine.csv: 3 rows"
    assert "2 images to segment." in plan.found.text()
    assert "Severity is not known of 1" in plan.found.text()
    assert "1 row without an image here" in plan.problems.text()
    assert plan.start_button.text() == "Segment 2 images…"
    meanings = {name: combo.currentData() for name, combo in plan.combos.items()}
    assert meanings == {
        "image": "image",
        "severity": "severity",
        "age": "age",
        "Ward": "",
    }
    assert desk.segment.calls == []


def test_what_a_column_means_is_put_right(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    plan = desk.segmenting.tab.series.plan
    read_table(desk, folders, "image,state\na.png,healthy\nb.png,glaucoma\n")
    assert plan.combos["state"].currentData() == ""
    assert "Severity is not known of any" in plan.found.text()
    combo = plan.combos["state"]
    combo.setCurrentIndex(combo.findData("severity"))
    combo.activated.emit(combo.currentIndex())
    desk.wait_until_idle()
    assert plan.combos["state"].currentData() == "severity"
    assert "not known" not in plan.found.text()
    start(desk)
    rows = desk.segmenting.tab.series.rows
    assert [row["severity"] for row in rows] == ["healthy", "glaucoma"]


def test_truth_of_the_table_gives_dice(desk: Desk, folders: Folders) -> None:
    source = Path(folders.folders[0])
    (source / "truth").mkdir()
    for name, value in (("a", 1), ("b", 2)):
        labels = np.full((12, 9), value, np.uint8)
        Picture.fromarray(labels).save(source / "truth" / f"{name}.png")
    text = "image,labels\na.png,truth/a.png\nb.png,truth/b.png\n"
    read_table(desk, folders, text)
    section = desk.segmenting.tab.series
    assert "Truth found for all of them" in section.plan.found.text()
    start(desk)
    rows = section.rows
    assert all(row["cup Dice"] or row["rim Dice"] for row in rows)
    assert "mean Dice" in section.found.badge.text()
    assert section.results.worst_button.isVisibleTo(section)


def test_images_without_a_row_are_offered(desk: Desk, folders: Folders) -> None:
    section = desk.segmenting.tab.series
    read_table(desk, folders, "image,severity\na.png,healthy\n")
    assert section.plan.start_button.text() == "Segment 1 image…"
    assert section.plan.more_box.text().startswith("Also 2 images")
    section.plan.more_box.click()
    desk.wait_until_idle()
    assert section.plan.start_button.text() == "Segment 3 images…"
    start(desk)
    rows = {row["id"]: row for row in section.rows}
    assert [row["severity"] for row in rows.values()] == [
        "healthy",
        "unknown",
        "unknown",
    ]


@pytest.mark.parametrize("from_table", [False, True])
def test_stated_shares_are_used_and_recorded_for_files(
    desk: Desk, folders: Folders, tmp_path: Path, from_table: bool
) -> None:
    section = desk.segmenting.tab.series
    desk.what_if.tab.priors.boxes["severity"][0].setValue(100)
    if from_table:
        read_table(desk, folders, "image,severity\na.png,\nb.png,glaucoma\n")
        start(desk)
    else:
        run_folder(desk)
    drivers = []
    for row in section.rows[:2]:
        mask = tmp_path / "masks" / row["labels"]
        (layer,) = mask_layers(mask)
        drivers.append(layer[1]["metadata"]["napari-dmoe"]["drivers"][0])
    assert drivers[0]["prior"] == "given"
    assert drivers[0]["weights"] == pytest.approx((1, 0, 0))
    assert drivers[1]["prior"] == (None if from_table else "given")
    assert drivers[1]["value"] == ("glaucoma" if from_table else None)


def test_files_are_not_replaced_unasked_and_are_named(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    (tmp_path / "masks" / "a.labels.tif").write_text("mine")
    (tmp_path / "masks" / "other.txt").write_text("another's")
    folders.answer = Answer.STOP
    run_folder(desk)
    assert list(section.rows) == []
    assert (tmp_path / "masks" / "a.labels.tif").read_text() == "mine"
    assert folders.asked[0].masks == ("a.labels.tif",)
    assert "has 1 mask of these 3 images already: a.labels.tif." in (
        folders.asked[0].text
    )
    folders.answer = Answer.REPLACE
    start(desk)
    assert len(section.rows) == 3
    assert len(folders.asked) == 2
    assert (tmp_path / "masks" / "other.txt").read_text() == "another's"


def test_what_is_done_is_kept_when_one_says_so(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    options: list[tuple[object, object]] = []

    def noted(*arguments: object, **how: object) -> list:
        options.append((how["resume"], how["overwrite"]))
        return series(*arguments, **how)

    desk.segmenting._engines.__dict__["series"] = noted
    run_folder(desk)
    statuses = [row["status"] for row in section.rows]
    assert statuses == ["segmented", "segmented", "failed"]
    folders.answer = Answer.KEEP
    run_folder(desk)
    assert folders.asked[0].masks == ("a.labels.tif", "b.labels.tif")
    assert options == [(False, False), (True, False)]  # resume, overwrite


def test_a_table_gives_each_image_its_patient(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    text = "image,severity,age\na.png,healthy,63\nb.png,glaucoma,\n"
    read_table(desk, folders, text)
    start(desk)
    outcomes = [row["outcome"] for row in section.rows]
    assert "severity healthy" in outcomes[0]
    assert "severity glaucoma" in outcomes[1]
    records = (tmp_path / "masks").glob("*.json")
    assert all('"age"' not in each.read_text() for each in records)


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("name\nx\n", "no column 'image'", "which column tells the image"),
        ("image,severity\n", "", "Choose a table with a row for each image."),
        ("image\nmissing.png\n", "1 row without an image", "which column"),
    ],
)
def test_a_table_that_cannot_be_used_says_why_and_what_to_do(
    desk: Desk, folders: Folders, text: str, problem: str, advice: str
) -> None:
    read_table(desk, folders, text)
    plan = desk.segmenting.tab.series.plan
    assert problem in plan.problems.text()
    assert advice in plan.problems.text()
    assert not plan.start_button.isEnabled()
    assert desk.dock.footer.button.isEnabled()


def test_values_that_the_model_does_not_know_are_told(
    desk: Desk, folders: Folders
) -> None:
    read_table(desk, folders, "image,severity\na.png,healthy\nb.png,terrible\n")
    plan = desk.segmenting.tab.series.plan
    assert "1 image will fail" in plan.problems.text()
    assert "terrible" in plan.problems.text()


def test_a_series_of_files_can_be_stopped_and_lists_what_was_done(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    stop = desk.dock.work.stop

    def stop_after_one(*arguments: object, tell: Callable, **options: object) -> list:
        def tell_and_stop(done: object) -> None:
            tell(done)
            stop()

        return series(*arguments, tell=tell_and_stop, **options)

    desk.segmenting._engines.__dict__["series"] = stop_after_one
    run_folder(desk)
    section = desk.segmenting.tab.series
    assert [row["id"] for row in section.rows] == ["a"]
    assert section.found.summary.text().startswith("Stopped after 1 of 3 images")
    table = (tmp_path / "masks" / "segment.csv").read_text()
    assert "a.labels.tif" in table
    assert "b.labels.tif" not in table


def test_closed_dialogs_begin_nothing(desk: Desk, folders: Folders) -> None:
    kept, folders.folders[0] = folders.folders[0], ""
    read_folder(desk)
    plan = desk.segmenting.tab.series.plan
    assert not plan.isVisibleTo(desk.segmenting.tab.series)
    folders.folders[:] = [kept, ""]
    run_folder(desk)
    assert list(desk.segmenting.tab.series.rows) == []
    assert plan.start_button.isEnabled()  # what was read is still there
    desk.click(plan.close_button)
    assert not plan.isVisibleTo(desk.segmenting.tab.series)
    assert desk.segment.calls == []


def test_the_patient_on_the_screen_plays_no_part_in_a_folder(
    desk: Desk, folders: Folders
) -> None:
    desk.choose("severity", "glaucoma")
    run_folder(desk)
    session = session_of(desk.viewer)
    assert session.patient_of(session.image) == Patient(severity="glaucoma")
    rows = desk.segmenting.tab.series.rows
    assert len(rows) == 3
    # Mixed with the others it is there, but as nobody's value.
    assert all("severity glaucoma" not in row["outcome"] for row in rows)
    assert sum("severity unknown" in row["outcome"] for row in rows) == 2


def test_a_wrong_click_loses_no_table(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    run_folder(desk)
    before = section.table.text()
    (tmp_path / "other").mkdir()
    folders.folders[0] = str(tmp_path / "other")  # by mistake: nothing in it
    read_folder(desk)
    assert section.table.text() == before
    assert "holds no image" in section.plan.problems.text()
    folders.folders[:] = [str(tmp_path / "images"), str(tmp_path / "other")]
    run_folder(desk)
    assert section.series_combo.count() == 2
    section.series_combo.setCurrentIndex(1)
    section.series_combo.activated.emit(1)
    assert section.table.text() == before
    assert section.found.badge.text() == "2 segmented · 1 failed"


def test_a_closed_dock_keeps_the_table(
    desk: Desk, folders: Folders, make_desk: Callable[..., Desk]
) -> None:
    run_folder(desk)
    before = desk.segmenting.tab.series.table.text()
    again = make_desk(desk.viewer)
    assert again.segmenting.tab.series.table.text() == before


def test_a_finished_folder_is_reopened(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    read_table(desk, folders, "image,severity\na.png,healthy\nb.png,glaucoma\n")
    start(desk)
    before = section.table.file_rows()
    folders.folders[0] = str(tmp_path / "masks" / "segment.csv")
    desk.click(section.reopen_button)
    desk.wait_until_idle()
    assert section.table.file_rows() == before
    assert section.found.summary.text() == "Reopened from masks."
    assert section.series_combo.count() == 1  # the same folder is there once
    go_to(section.table, 1)
    desk.qtbot.keyClick(section.table, Qt.Key.Key_Return)
    desk.qtbot.waitUntil(lambda: desk.session.image.name == "b")
    desk.wait_until_idle()
    patient = desk.session.patient_of(desk.session.image)
    assert patient.severity == "glaucoma"


def test_the_folder_of_masks_is_reopened_where_images_are_asked_for(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    run_folder(desk)
    folders.folders[0] = str(tmp_path / "masks")
    read_folder(desk)
    assert section.found.summary.text() == "Reopened from masks."
    assert len(section.rows) == 3
    assert not section.plan.isVisibleTo(section)


def test_what_is_no_finished_series_is_said(
    desk: Desk,
    folders: Folders,
    tmp_path: Path,
    notifications: list[Notification],
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("a,b\n1,2\n")
    folders.folders[0] = str(table)
    desk.click(desk.segmenting.tab.series.reopen_button)
    desk.wait_until_idle()
    assert len(notifications) == 1
    assert list(desk.segmenting.tab.series.rows) == []
