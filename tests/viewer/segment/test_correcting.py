"""A corrected mask is saved where it lies, and its row and its record say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browsing import bar, fill, segmented, step, wait
from desk import Desk
from napari.layers import Labels
from napari.utils.notifications import Notification
from PIL import Image as File
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from napari_dmoe.cohorts.series.finished import read_finished
from napari_dmoe.cohorts.series.table import SUMMARY, write_rows
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.viewer.rescue.aside import Aside
from napari_dmoe.viewer.session.pictures import Filter

pytestmark = pytest.mark.gui


@pytest.fixture
def series(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk that looks at the first image of a series; no dialog may open."""

    def refuse(*_: object) -> None:
        raise AssertionError("a dialog")

    for name in ("getSaveFileName", "getOpenFileName", "getExistingDirectory"):
        monkeypatch.setattr(QFileDialog, name, refuse)
    desk.viewer.layers.clear()
    fill(desk, tmp_path, 4)
    step(desk)
    return desk


def save_button(desk: Desk) -> QPushButton:
    return desk.segmenting.tab.result.save_button


def mask_of(desk: Desk) -> Labels:
    result = desk.session.current[1]
    assert result is not None
    mask = result.mask()
    assert mask is not None
    return mask


def paint(desk: Desk) -> Labels:
    mask = mask_of(desk)
    mask.paint((10, 7), 2)
    desk.settle()
    return mask


def save(desk: Desk) -> None:
    desk.click(save_button(desk))
    wait(desk)


def row_of(desk: Desk, name: str = "im00") -> dict[str, str]:
    folder = desk.session.pictures.folder
    assert folder is not None
    (row,) = (each for each in read_finished(folder).rows if each.id == name)
    return dict(row.cells)


def test_save_is_in_place_only_for_what_was_painted_on(series: Desk) -> None:
    assert save_button(series).text() == "Save…"
    paint(series)
    assert save_button(series).text() == "Save"
    assert "over im00.labels.tif" in save_button(series).toolTip()
    step(series)
    assert save_button(series).text() == "Save…"
    step(series, -1)
    assert save_button(series).text() == "Save"


def test_mask_record_row_and_table_are_up_to_date(
    series: Desk, put_aside: Aside
) -> None:
    before, pictures = row_of(series), series.session.pictures
    path = pictures[0].mask
    mask = paint(series)
    painted = np.array(mask.data)
    assert (painted == 2).sum() > 1
    save(series)
    assert series.status == "Saved im00.labels.tif, and its row of segment.csv."
    np.testing.assert_array_equal(read_labels(path).data, painted)
    assert recorded(path).edited
    row = row_of(series)
    assert (before["status"], row["status"]) == ("segmented", "corrected")
    assert row["cup (px)"] == str((painted == 2).sum())
    assert row["dx"] == "nv"
    assert dict(pictures[0].row)["cup (px)"] == row["cup (px)"]
    assert pictures.corrected(0)
    assert pictures.count(Filter.CORRECTED) == 1
    assert save_button(series).text() == "Save…"
    assert row_of(series, "im01")["status"] == "segmented"
    series.qtbot.waitUntil(lambda: not list(put_aside._root.glob("*/mask-*")))


def test_the_dice_of_a_row_is_measured_anew(series: Desk, tmp_path: Path) -> None:
    mask = paint(series)
    truth = np.array(mask.data).astype(np.uint8)
    truth[truth == 1] = 0
    path = tmp_path / "truth.png"
    File.fromarray(truth).save(path)
    row = row_of(series) | {"truth": str(path)}
    pictures = series.session.pictures
    others = [dict(each.cells) for each in read_finished(pictures.folder).rows[1:]]
    write_rows(pictures.folder / SUMMARY, [row, *others])
    save(series)
    assert row_of(series)["cup Dice"] == "1.0000"
    assert row_of(series)["rim Dice"] == "0.0000"
    assert pictures[0].score == pytest.approx(
        (1 + 0 + _disc(truth, mask)) / 3, abs=1e-4
    )


def _disc(truth: np.ndarray, mask: Labels) -> float:
    own, other = truth > 0, np.asarray(mask.data) > 0
    return 2 * (own & other).sum() / (own.sum() + other.sum())


def test_what_is_painted_after_a_save_is_saved_by_the_next(series: Desk) -> None:
    mask = paint(series)
    save(series)
    mask.paint((0, 0), 1)
    series.settle()
    assert save_button(series).text() == "Save"
    save(series)
    path = series.session.pictures[0].mask
    np.testing.assert_array_equal(read_labels(path).data, mask.data)
    assert series.status.startswith("Saved")


def test_a_file_that_was_changed_meanwhile_is_left_and_the_correction_kept(
    series: Desk, notifications: list[Notification], put_aside: Aside
) -> None:
    pictures = series.session.pictures
    source, path = read_image(pictures[0].path), pictures[0].mask
    mask = paint(series)
    painted = np.array(mask.data)
    series.qtbot.waitUntil(
        lambda: bool(list(put_aside._root.glob("*/mask-*"))), timeout=10_000
    )
    other = segmented(source, "glaucoma")
    save_segmentation(pictures.folder, "im00", other, source, overwrite=True)
    save(series)
    assert series.status.startswith(
        "Not saved, the correction stays in this window: im00.labels.tif was changed"
    )
    assert len(notifications) == 1
    np.testing.assert_array_equal(mask.data, painted)
    assert (read_labels(path).data == 2).sum() == 9
    assert row_of(series)["status"] == "segmented"
    assert pictures.corrected(0)  # painted, and not saved
    assert save_button(series).text() == "Save"
    step(series)
    step(series, -1)
    assert mask_of(series) is mask  # no other is opened over it
    assert list(put_aside._root.glob("*/mask-*"))


def test_a_file_that_is_write_protected_is_refused_in_words(
    series: Desk, notifications: list[Notification]
) -> None:
    path = series.session.pictures[0].mask
    path.chmod(0o444)
    before = path.read_bytes()
    paint(series)
    save(series)
    assert "im00.labels.tif is write-protected" in series.status
    assert path.read_bytes() == before
    assert save_button(series).text() == "Save"


def test_with_shift_it_is_saved_elsewhere(
    series: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mine.labels.tif"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(target), "Masks")
    )
    shift = Qt.KeyboardModifier.ShiftModifier
    monkeypatch.setattr(QApplication, "keyboardModifiers", lambda: shift)
    mask, path = paint(series), series.session.pictures[0].mask
    before = path.read_bytes()
    save(series)
    np.testing.assert_array_equal(read_labels(target).data, mask.data)
    assert path.read_bytes() == before
    assert row_of(series)["status"] == "segmented"


def test_an_unsaved_correction_is_kept_when_one_goes_on(series: Desk) -> None:
    mask = paint(series)
    pictures = series.session.pictures
    series.viewer.layers.selection.clear()
    step(series, 3)
    assert mask in series.viewer.layers
    assert bar(series).place_button.text() == "4 of 4"
    pictures.filter = Filter.CORRECTED
    assert pictures.order == [0]
