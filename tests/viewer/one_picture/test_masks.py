"""Masks that come back, by whatever way, are seen on their own image alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dead_ones import dead_process
from napari.layers import Labels
from napari.utils.notifications import Notification
from patients import SHAPE, Ward, pixels_of, seen, visible_patients
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.imaging.disk.owners import machine
from napari_dmoe.viewer.contributed import PLUGIN
from napari_dmoe.viewer.rescue.aside import Aside, PaintedMask, digest
from napari_dmoe.viewer.rescue.control import _NOT_HERE, RESTORED

pytestmark = pytest.mark.gui


@pytest.fixture
def masks_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let dialogs save and open the mask of this path."""
    path = tmp_path / "ann.labels.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], ""))
    return path


@pytest.mark.parametrize("is_late", [False, True])
def test_a_mask_that_is_reopened_is_seen_with_its_image_alone(
    ward: Ward, masks_on_disk: Path, is_late: bool
) -> None:
    ward.choose("ann")
    section = ward.desk.segmenting.tab.result
    section.save_requested.emit()
    ward.desk.wait_until_idle()
    section.open_requested.emit()
    if is_late:
        ward.choose("ben")
    ward.desk.wait_until_idle()
    ward.see_only("ben" if is_late else "ann")
    ward.choose("ann")
    mask = ward.viewer.layers[-1]
    assert seen(ward.viewer) == ["ann", mask.name]  # instead of the one of the run
    assert mask.name != "ann / mask"
    assert len(ward.desk.session.results_of(ward.image("ann"))) == 2
    assert ward.seen_at_once == []


def test_a_mask_whose_image_is_gone_lies_on_no_other(
    ward: Ward, masks_on_disk: Path
) -> None:
    ward.choose("ann")
    section = ward.desk.segmenting.tab.result
    section.save_requested.emit()
    ward.desk.wait_until_idle()
    n = len(ward.viewer.layers)
    section.open_requested.emit()
    ward.viewer.layers.remove("ann")
    ward.desk.wait_until_idle()
    assert len(ward.viewer.layers) == n
    mask = ward.viewer.layers[-1]
    assert "is hidden" in ward.desk.status
    assert not mask.visible
    assert ward.desk.session.showing.image_of(mask) is None
    assert len(visible_patients(ward.viewer)) == 1


@pytest.fixture
def mask_of_ann(ward: Ward, masks_on_disk: Path, plugins: None) -> Path:
    """Return the file with the mask of ann, whose size all images have; see cle."""
    ward.choose("ann")
    ward.desk.segmenting.tab.result.save_requested.emit()
    ward.desk.wait_until_idle()
    ward.choose("cle")
    return masks_on_disk


def open_by_napari(ward: Ward, path: Path, name: str) -> Labels:
    record = path.with_name("ann.labels.json")
    record.rename(record.with_name(f"{name}.labels.json"))
    ward.viewer.open(path.rename(path.with_name(f"{name}.labels.tif")), plugin=PLUGIN)
    mask = ward.viewer.layers[-1]
    assert isinstance(mask, Labels)
    return mask


def wait_for_comparing(ward: Ward) -> None:
    ward.desk.settle()  # which begins it
    ward.desk.wait_until_idle()


def masks_of(ward: Ward, name: str) -> list[Labels | None]:
    return [each.mask() for each in ward.desk.session.results_of(ward.image(name))]


@pytest.mark.parametrize("name", ["ann", "another"])
def test_a_mask_that_napari_opens_is_seen_on_its_own_image(
    ward: Ward, mask_of_ann: Path, name: str
) -> None:
    mask = open_by_napari(ward, mask_of_ann, name)
    assert len(visible_patients(ward.viewer)) == 1
    wait_for_comparing(ward)
    assert ward.desk.session.image is ward.image("ann")
    assert seen(ward.viewer) == ["ann", mask.name]
    assert mask in masks_of(ward, "ann")
    ward.choose("ben")
    assert seen(ward.viewer) == ["ben", "ben / mask"]


@pytest.mark.parametrize("name", ["ann", "another"])
def test_a_mask_that_napari_opens_lies_on_no_other_until_its_image_is_open(
    ward: Ward, mask_of_ann: Path, name: str
) -> None:
    ward.viewer.layers.remove("ann")
    ward.desk.wait_until_idle()
    mask = open_by_napari(ward, mask_of_ann, name)
    ward.see_nothing_but("cle")
    wait_for_comparing(ward)
    ward.see_nothing_but("cle")
    assert "is not open" in ward.desk.status
    ward.choose("ben")
    ward.see_nothing_but("ben")
    ward.viewer.add_image(pixels_of("ann"), name="x")
    wait_for_comparing(ward)
    assert mask in masks_of(ward, "x")
    assert seen(ward.viewer) == ["x", mask.name]
    assert [each for each in ward.seen_at_once if "x" not in each] == []


def die(aside: Aside) -> Aside:
    """Let the process that put something aside be dead, and return another's view."""
    for folder in aside._root.iterdir():
        tag = f"{machine()}-{dead_process()}-{folder.name[-8:]}"
        folder.rename(aside._root / tag)
    aside._own = None
    return Aside(aside._root)


@pytest.mark.parametrize("is_here", [True, False])
def test_what_is_restored_is_seen_on_its_own_image_alone(
    ward: Ward, put_aside: Aside, is_here: bool, notifications: list[Notification]
) -> None:
    of = "ann" if is_here else "somebody else"
    put_aside.put_mask(
        3, PaintedMask(np.ones(SHAPE, np.int32), np.eye(3), digest(pixels_of(of)))
    )
    rescue = ward.desk.dock.rescue
    rescue._show_left(die(put_aside).left())
    rescue._on_restore()
    ward.desk.qtbot.waitUntil(lambda: RESTORED in ward.viewer.layers[-1].name)
    ward.see_only("ann" if is_here else "cle")
    restored = ward.viewer.layers[-1]
    assert restored.visible is is_here
    assert [each.message for each in notifications] == [_NOT_HERE] * (not is_here)
    ward.choose("ben")
    ward.see_only("ben")


def test_a_painted_mask_is_put_aside_for_its_own_image(
    ward: Ward, put_aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All images are of one size: the topmost would be taken for it."""
    monkeypatch.setattr("napari_dmoe.viewer.rescue.control.PAUSE_MS", 1)
    ward.choose("ann")
    mask = ward.viewer.layers["ann / mask"]
    mask.data_setitem((np.array([3, 4]), np.array([5, 5])), 1)
    root = put_aside._root
    ward.desk.qtbot.waitUntil(lambda: root.is_dir() and any(root.glob("*/[!.]*.npz")))
    (path,) = root.glob("*/[!.]*.npz")
    with np.load(path) as stored:
        assert str(stored["image"]) == digest(pixels_of("ann"))


def test_a_replay_of_a_mask_comes_up_with_its_image(ward: Ward) -> None:
    ward.viewer.layers.selection.active = ward.viewer.layers["ann / mask"]
    ward.desk.click(ward.desk.what_if.tab.replay.replay_button)
    ward.choose("ben")
    ward.desk.wait_until_idle()
    ward.see_only("ben")
