"""Many images: layers that are selected, a folder, a table; and what became of each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.layers import Image
from napari.utils.notifications import Notification
from PIL import Image as Picture
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox
from tables import go_to

from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.engines import series
from napari_dmoe.viewer.layers.opening import mask_layers
from napari_dmoe.viewer.segment import many_images
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui.work import Order

pytestmark = pytest.mark.gui


@pytest.fixture
def layered(desk: Desk) -> Desk:
    """Return a desk with two images of two patients, and one that does not fit."""
    layers = desk.viewer.layers
    desk.choose("severity", "healthy")
    desk.viewer.add_layer(Image(np.zeros((9, 9, 3)), rgb=False, name="odd"))
    desk.viewer.add_image(IMAGE, name="second")
    desk.choose("severity", "glaucoma")
    desk.click(desk.segmenting.tab.series.fold.button)
    layers.selection.clear()
    return desk


def select(desk: Desk, *names: str) -> None:
    desk.viewer.layers.selection = {desk.viewer.layers[name] for name in names}


def segment_layers(desk: Desk) -> None:
    desk.click(desk.segmenting.tab.series.layers_button)
    desk.qtbot.waitUntil(lambda: desk.segmenting.layer_series._total == 0)
    desk.wait_until_idle()


def test_layers_are_asked_for_by_selecting_them(layered: Desk) -> None:
    button = layered.segmenting.tab.series.layers_button
    select(layered, "retina")
    assert not button.isEnabled()
    assert "Select two or more" in button.toolTip()
    select(layered, "retina", "second")
    assert button.isEnabled()
    assert button.text() == "2 layers"
    layered.click(layered.segmenting.tab.model.unload_button)
    assert not button.isEnabled()
    assert button.toolTip() == "Open a model first."


def test_each_layer_is_segmented_for_its_own_patient_and_a_bad_one_is_told(
    layered: Desk,
) -> None:
    section = layered.segmenting.tab.series
    select(layered, "retina", "odd", "second")
    segment_layers(layered)
    assert [each.severity for each in layered.segment.calls] == ["healthy", "glaucoma"]
    assert [mask.name for mask in layered.masks] == ["retina / mask", "second / mask"]
    rows = {row["image"]: row for row in section.rows}
    assert list(rows) == ["retina", "odd", "second"]
    assert rows["retina"]["cup"] == "1 px"
    assert rows["second"]["cup"] == "9 px"
    assert rows["second"]["labels"] == "second / mask"
    assert "channels or planes" in rows["odd"]["outcome"]
    assert section.found.summary.text() == "3 layers: 2 segmented, 1 failed."
    layered.click(section.found.copy_button)
    assert QApplication.clipboard().text() == section.table.text()
    head = section.table.text().splitlines()[0]
    assert head == "image\trim\tcup\tC/D vertical\tC/D area\theadline\toutcome\tlabels"


def test_of_a_stack_the_table_says_what_all_planes_show(layered: Desk) -> None:
    real = layered.segment

    def in_one_plane(*arguments: object, **options: object) -> Segmentation:
        made = real(*arguments, **options)
        labels = made.labels.copy()
        if labels.ndim == 3:
            labels[1:] = 0
        return replace(made, labels=labels)

    layered.segmenting._engines.__dict__["segment"] = in_one_plane
    layered.viewer.add_image(np.stack([IMAGE] * 5), name="stack")
    layered.viewer.dims.set_current_step(0, 2)
    select(layered, "retina", "stack")
    segment_layers(layered)
    single, stack = layered.segmenting.tab.series.rows
    assert single["cup"] == "1 px"
    assert stack["headline"] == "rim in 1, cup in 1 of 5 planes"
    assert "cup" not in stack  # as in segment.csv: of which plane?


def test_a_layer_whose_run_fails_does_not_stop_the_others(
    layered: Desk, notifications: list[Notification]
) -> None:
    real = layered.segment

    def fail_at_first(*arguments: object, **options: object) -> object:
        real.error = None if real.calls else ValueError("too dark")
        return real(*arguments, **options)

    layered.segmenting._engines.__dict__["segment"] = fail_at_first
    select(layered, "retina", "second")
    segment_layers(layered)
    outcomes = [row["outcome"] for row in layered.segmenting.tab.series.rows]
    assert outcomes[0] == "Failed: too dark"
    assert outcomes[1].startswith("Done in")
    assert [mask.name for mask in layered.masks] == ["second / mask"]
    assert len(notifications) == 1


def test_stop_ends_the_whole_series(layered: Desk) -> None:
    layered.segment.gate.clear()
    layered.segment.started.clear()
    select(layered, "retina", "second")
    layered.click(layered.segmenting.tab.series.layers_button)
    layered.qtbot.waitUntil(layered.segment.started.is_set)
    layered.click_segment()  # it says Stop
    layered.segment.gate.set()
    layered.wait_until_idle()
    assert len(layered.segment.calls) == 1
    assert layered.masks == []
    assert (
        layered.segmenting.tab.series.found.summary.text()
        == "Stopped after 0 of 2 layers."
    )


def test_opening_a_line_shows_its_layer(layered: Desk) -> None:
    select(layered, "retina", "second")
    segment_layers(layered)
    table = layered.segmenting.tab.series.table
    go_to(table, 0)
    layered.qtbot.keyClick(table, Qt.Key.Key_Return)
    assert layered.viewer.layers.selection.active is layered.viewer.layers["retina"]
    assert session_of(layered.viewer).image is layered.viewer.layers["retina"]


class Folders:
    """Answers the dialogs, and notes what was asked."""

    def __init__(self, source: Path, target: Path) -> None:
        self.folders = [str(source), str(target)]
        self.asked: list[str] = []
        self.answer = QMessageBox.StandardButton.Yes

    def folder(self, parent: object, title: str, *_: object) -> str:
        return self.folders[0 if title.startswith("Folder of") else 1]

    def table(self, *_: object) -> tuple[str, str]:
        return self.folders[0], ""

    def question(self, parent: object, title: str, text: str) -> object:
        self.asked.append(text)
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
    monkeypatch.setattr(QMessageBox, "question", made.question)
    return made


def run_folder(desk: Desk) -> None:
    desk.click(desk.segmenting.tab.series.folder_button)
    desk.wait_until_idle()


def test_a_folder_is_segmented_and_a_broken_file_is_told(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    run_folder(desk)
    rows = {row["image"]: row for row in section.rows}
    assert list(rows) == ["a", "b", "broken"]
    assert rows["a"]["labels"] == "a.labels.tif"
    assert "unknown (3 values mixed)" in rows["a"]["outcome"]
    assert "labels" not in rows["broken"]
    assert "broken.png" in rows["broken"]["outcome"]
    assert section.found.summary.text().endswith("masks: 2 segmented, 1 failed.")
    names = {path.name for path in (tmp_path / "masks").iterdir()}
    assert {"a.labels.tif", "b.labels.tif", "segment.csv"} <= names
    assert folders.asked == []
    assert len(desk.viewer.layers) == 1  # nothing is opened unasked
    go_to(section.table, 1)
    desk.qtbot.keyClick(section.table, Qt.Key.Key_Return)
    desk.wait_until_idle()
    image, mask = desk.viewer.layers[-2:]
    assert image.name == "b"
    assert mask.name.startswith("b")
    assert mask.data.shape == image.data.shape[:2] == (12, 9)
    assert mask.metadata["napari-dmoe"]["drivers"][0]["value"] is None


@pytest.mark.parametrize("from_table", [False, True])
def test_stated_shares_are_used_and_recorded_for_files(
    desk: Desk, folders: Folders, tmp_path: Path, from_table: bool
) -> None:
    section = desk.segmenting.tab.series
    desk.what_if.tab.priors.boxes["severity"][0].setValue(100)
    if from_table:
        table = tmp_path / "images" / "mine.csv"
        table.write_text("image,severity\na.png,\nb.png,glaucoma\n")
        folders.folders[0] = str(table)
        desk.click(section.table_button)
        desk.wait_until_idle()
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


def test_files_are_not_replaced_unasked(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    section = desk.segmenting.tab.series
    (tmp_path / "masks" / "a.labels.tif").write_text("mine")
    folders.answer = QMessageBox.StandardButton.No
    run_folder(desk)
    assert section.rows == []
    assert (tmp_path / "masks" / "a.labels.tif").read_text() == "mine"
    assert "segment.csv, are replaced" in folders.asked[0]
    folders.answer = QMessageBox.StandardButton.Yes
    run_folder(desk)
    assert len(section.rows) == 3
    assert len(folders.asked) == 2


def test_a_table_gives_each_image_its_patient(
    desk: Desk, folders: Folders, tmp_path: Path
) -> None:
    table = tmp_path / "images" / "mine.csv"
    table.write_text("image,severity,age\na.png,healthy,63\nb.png,glaucoma,\n")
    folders.folders[0] = str(table)
    section = desk.segmenting.tab.series
    desk.click(section.table_button)
    desk.wait_until_idle()
    outcomes = [row["outcome"] for row in section.rows]
    assert "severity healthy" in outcomes[0]
    assert "severity glaucoma" in outcomes[1]
    written = "".join(p.read_text("latin-1") for p in (tmp_path / "masks").iterdir())
    assert '"age"' not in written


@pytest.mark.parametrize(
    ("text", "message"), [("name\nx\n", "image"), ("image\nmissing.png\n", "missing")]
)
def test_a_table_that_cannot_be_used_is_told(
    desk: Desk,
    folders: Folders,
    tmp_path: Path,
    notifications: list[Notification],
    text: str,
    message: str,
) -> None:
    table = tmp_path / "images" / "mine.csv"
    table.write_text(text)
    folders.folders[0] = str(table)
    section = desk.segmenting.tab.series
    desk.click(section.table_button)
    desk.wait_until_idle()
    said = " ".join(
        [section.found.summary.text(), *(r["outcome"] for r in section.rows)]
    )
    assert message in said
    assert desk.dock.footer.button.isEnabled()


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
    assert [row["image"] for row in section.rows] == ["a"]
    assert section.found.summary.text().startswith("Stopped after 1 of 3 images")
    table = (tmp_path / "masks" / "segment.csv").read_text()
    assert "a.labels.tif" in table
    assert "b.labels.tif" not in table


def test_closed_dialogs_begin_nothing(desk: Desk, folders: Folders) -> None:
    for empty in (0, 1):
        kept, folders.folders[empty] = folders.folders[empty], ""
        run_folder(desk)
        folders.folders[empty] = kept
    assert desk.segmenting.tab.series.rows == []
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


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let no mask be measured until this is set."""
    gate, measure = threading.Event(), many_images._measured

    def wait(*arguments: object) -> object:
        assert gate.wait(10)
        return measure(*arguments)

    monkeypatch.setattr(many_images, "_measured", wait)
    return gate


def test_a_series_goes_on_while_its_masks_are_measured(
    layered: Desk, measured: threading.Event
) -> None:
    series = layered.segmenting.tab.series
    select(layered, "retina", "second")
    layered.click(series.layers_button)
    layered.qtbot.waitUntil(lambda: len(layered.segment.calls) == 2)
    layered.qtbot.waitUntil(lambda: not layered.dock.work.is_busy)
    assert series.rows == []
    measured.set()
    layered.wait_until_idle()
    assert [row["image"] for row in series.rows] == ["retina", "second"]
    assert series.found.summary.text() == "2 layers: 2 segmented."


def test_somebody_elses_run_is_no_part_of_a_series(
    layered: Desk, measured: threading.Event
) -> None:
    series = layered.segmenting.tab.series
    select(layered, "retina", "second")
    layered.click(series.layers_button)
    layered.qtbot.waitUntil(lambda: len(layered.segment.calls) == 2)
    layered.qtbot.waitUntil(lambda: not layered.dock.work.is_busy)
    layered.click_segment()
    layered.qtbot.waitUntil(lambda: len(layered.segment.calls) == 3)
    layered.qtbot.waitUntil(lambda: not layered.dock.work.is_busy)
    measured.set()
    layered.wait_until_idle()
    assert [row["image"] for row in series.rows] == ["retina", "second"]
    assert series.found.summary.text() == "2 layers: 2 segmented."


def test_a_series_goes_on_after_work_that_came_between(
    layered: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that hears of the end first may have begun something else."""
    work, series = layered.dock.work, layered.segmenting.layer_series
    between, told = threading.Event(), series._on_run_ended

    def come_between(run: object) -> None:
        if not between.is_set():
            between.set()
            work.start(Order("other", "other", lambda hook: None, lambda _: "Done."))
        told(run)

    layered.segmenting.run.ended.disconnect(series._on_run_ended)
    layered.segmenting.run.ended.connect(come_between)
    select(layered, "retina", "second")
    layered.click(layered.segmenting.tab.series.layers_button)
    layered.qtbot.waitUntil(lambda: series._total == 0)
    layered.wait_until_idle()
    rows = layered.segmenting.tab.series.rows
    assert [row["image"] for row in rows] == ["retina", "second"]
    assert len(layered.segment.calls) == 2
