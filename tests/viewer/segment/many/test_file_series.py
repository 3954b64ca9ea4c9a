"""Files segmented in a row: read, shown, asked about, and what came of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from desk import Desk
from napari.utils.notifications import Notification
from PIL import Image as Picture
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog
from tables import go_to

from napari_dmoe.cohorts.tables import finding, matching, reading
from napari_dmoe.inference.running import waiting
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.engines import series
from napari_dmoe.viewer.layers.opening import mask_layers
from napari_dmoe.viewer.segment.many import files
from napari_dmoe.viewer.segment.many.plan import Plan
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
    assert " s went by waiting for a busy processor" in said


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


def test_what_was_read_is_seen_whole_at_once(
    desk: Desk, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.dock.resize(320, 700)
    desk.dock.show()
    plan = desk.segmenting.tab.series.plan
    desk.segmenting.tab.series.fold.unfold()
    desk.settle()
    seen: list[tuple[list[str], list[str]]] = []
    show = plan.show_plan

    def shown(made: Plan) -> None:
        show(made)  # what is painted next is what is seen, before any other turn
        texts = plan.title, plan.found, plan.problems
        low = [t.text() for t in texts if t.height() < t.heightForWidth(t.width())]
        combos = plan.combos.items()
        cut = [
            n for n, c in combos if c.isVisible() and c.height() < c.sizeHint().height()
        ]
        seen.append((low, cut))

    monkeypatch.setattr(plan, "show_plan", shown)
    lines = ("a.png,1,63,M,x", "b.png,2,old,F,y", "gone.png,3,61,F,z")
    read_table(desk, folders, "\n".join(("image,id,age,severity,dx", *lines)))
    assert plan.isVisible()
    assert len(plan.found.text().splitlines()) > 1
    assert seen == [([], [])]


def test_a_plan_is_no_wider_than_the_dock(desk: Desk, folders: Folders) -> None:
    source = Path(folders.folders[0])
    for n in range(1200):
        (source / f"image {n}.png").touch()
    tab = desk.segmenting.tab
    tab.series.fold.unfold()
    desk.dock.resize(300, 700)
    desk.dock.show()
    long = "what_the_second_reader_found_in_the_end"
    read_table(desk, folders, f"image_id,sex,{long}\na,m,1\nb,f,2\n")
    desk.settle()
    plan = tab.series.plan
    assert plan.more_box.isVisible()
    assert "1,201" in plan.more_box.text()
    assert tab.body.widget().width() <= tab.body.viewport().width()
    for part in (plan.close_button, plan.combos["sex"], plan.found):
        end = part.mapTo(tab.body.widget(), QPoint(part.width(), 0)).x()
        assert end <= tab.body.viewport().width()
    hint = plan.more_box.sizeHint().width()
    assert hint <= plan.more_box.width()  # nor is its text cut


def test_a_table_without_images_offers_all_its_columns(
    desk: Desk, folders: Folders
) -> None:
    plan = desk.segmenting.tab.series.plan
    desk.segmenting.tab.series.fold.unfold()
    desk.dock.show()
    read_table(desk, folders, "photo,state\na.png,healthy\nb.png,glaucoma\n")
    said = plan.problems.text()
    assert said.startswith("mine.csv has no column 'image': found photo, state.\n")
    assert "Say below which column tells the image" in said
    assert all(combo.isVisible() for combo in plan.combos.values())
    combo = plan.combos["photo"]
    combo.activated.emit(combo.findData("image"))
    desk.wait_until_idle()
    assert plan.start_button.text() == "Segment 2 images…"
    combo = plan.combos["state"]
    combo.activated.emit(combo.findData("age"))
    desk.wait_until_idle()
    assert "Correct the table, or say below that such a column" in plan.problems.text()
    assert not plan.start_button.isEnabled()


def test_rows_without_an_image_are_said_to_become_what_they_become(
    desk: Desk, folders: Folders
) -> None:
    plan = desk.segmenting.tab.series.plan
    read_table(desk, folders, "image\na.png\ngone.png\n")
    assert plan.problems.text() == "1 row without an image here: each fails."
    start(desk)
    rows = desk.segmenting.tab.series.rows
    assert [row["status"] for row in rows] == ["segmented", "failed"]
    lost = "".join(f"gone{n}.png\n" for n in range(20))
    folders.folders[0] = str(Path(folders.folders[0]).parent)
    read_table(desk, folders, f"image\na.png\n{lost}")
    assert plan.problems.text() == "20 rows without an image here: left out."
    start(desk)
    assert [row["id"] for row in desk.segmenting.tab.series.rows] == ["a.png"]


def test_lines_that_come_are_seen_whole_at_once(desk: Desk) -> None:
    section = desk.segmenting.tab.series
    section.fold.unfold()
    desk.dock.resize(320, 700)
    desk.dock.show()
    section.results.show_rows([{"id": "a", "status": "segmented"}])
    desk.settle()
    for n in range(3):
        section.results.add_rows([{"id": f"b{n}", "status": "segmented"}])
        below = section.found.exports.mapTo(section, QPoint(0, 0)).y()
        end = section.table.mapTo(section, QPoint(0, section.table.height())).y()
        assert section.found.exports.isVisible()
        assert end <= below


@pytest.mark.parametrize("is_table", [True, False])
def test_what_is_read_is_gone_through_once(
    desk: Desk, folders: Folders, monkeypatch: pytest.MonkeyPatch, is_table: bool
) -> None:
    (Path(folders.folders[0]) / "t.csv").write_text("image_id,sex\na,M\nb,F\n")
    if is_table:
        folders.folders[0] += "/t.csv"
    walked: list[str] = []
    walk, rows = os.walk, reading.read_rows_of

    def counted(folder: str | Path, **how: bool) -> Iterator:
        walked.append(Path(folder).name)
        return walk(folder, **how)

    def read(table: Path, **how: object) -> reading.TableRows:
        walked.append(table.name)
        return rows(table, **how)

    monkeypatch.setattr(matching.os, "walk", counted)
    monkeypatch.setattr(finding, "read_rows_of", read)
    section = desk.segmenting.tab.series
    desk.click(section.table_button if is_table else section.folder_button)
    desk.wait_until_idle()
    assert section.plan.title.text() == "t.csv: 2 rows"
    assert section.plan.start_button.text() == "Segment 2 images…"
    assert sorted(walked) == ["images", "t.csv"]
    combo = section.plan.combos["sex"]
    combo.activated.emit(combo.findData(""))
    desk.wait_until_idle()
    assert sorted(walked) == ["images", "t.csv", "t.csv"]  # the folder is known


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
    assert section.plan.more_box.text().startswith("Also 2 without a row")
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
    for _ in range(2):
        desk.click(section.reopen_button)
        desk.wait_until_idle()
        assert section.table.file_rows() == before
        assert section.found.summary.text() == "Reopened from masks."
        combo = section.series_combo  # the same folder is there once
        assert [combo.itemText(i) for i in range(combo.count())] == ["masks"]
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


def suited_desk(make_desk: Callable[..., Desk], asked: list[object]) -> Desk:
    """Return a desk whose pictures on disk are all for the second model."""

    def suits(paths: list[Path], *, instead_of: str, progress: object) -> str:
        asked.append(([path.name for path in paths], instead_of))
        return "age"

    return make_desk(suited_to_files=suits)


def test_what_is_read_brings_the_model_for_it_and_says_so(
    make_desk: Callable[..., Desk], folders: Folders
) -> None:
    asked: list[object] = []
    desk = suited_desk(make_desk, asked)
    read_folder(desk)
    desk.wait_until_idle()
    assert desk.session.model_origin == "age"
    assert asked == [
        (["a.png", "b.png", "broken.png"], "fundus"),
        (["a.png", "b.png", "broken.png"], "age"),
    ]
    assert (
        "Model for such pictures: FairSeg"
        in desk.segmenting.tab.series.plan.notices.text()
    )
    assert desk.session.model is not None
    assert len(desk.session.model.notices) == 1


def test_a_model_that_a_person_chose_stays_for_what_is_read(
    make_desk: Callable[..., Desk], folders: Folders
) -> None:
    asked: list[object] = []
    desk = suited_desk(make_desk, asked)
    desk.load("fundus")
    read_folder(desk)
    assert desk.session.model_origin == "fundus"
    assert asked == []
    assert "Model for" not in desk.segmenting.tab.series.plan.notices.text()
