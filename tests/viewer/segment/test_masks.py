"""Masks that are dropped or reopened: known as masks, and given to their image."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import dask.array
import nibabel as nib
import numpy as np
import pytest
from desk import Desk
from napari.layers import Image, Labels
from PIL import Image as Picture
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.imaging import label_values
from napari_dmoe.viewer.layers import found_masks
from napari_dmoe.viewer.layers.undecided import is_undecided

formats = pytest.mark.formats
pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("plugins")]

SHAPE = (40, 50)
DISC = np.zeros(SHAPE, np.uint8)
DISC[10:30, 12:36] = 1


@pytest.fixture
def photographs(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a photograph of a name and size, and returns its path."""

    def write(name: str, shape: tuple[int, int] = SHAPE, seed: int = 1) -> Path:
        noise = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Picture.fromarray(noise).save(path)
        return path

    return write


@pytest.fixture
def masks(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a mask as a picture, and returns its path."""

    def write(name: str, values: np.ndarray = DISC * 255, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Picture.fromarray(values).save(path, **options)
        return path

    return write


def drop(desk: Desk, *paths: Path) -> None:
    """Open files as napari does when they are dropped, each by itself."""
    for path in paths:
        plugin = "napari-dmoe" if path.suffix in (".nii", ".gz") else "napari"
        desk.viewer.open(path, plugin=plugin)
    desk.settle()
    desk.wait_until_idle()


@pytest.fixture
def empty(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def question(desk: Desk) -> str:
    section = desk.segmenting.tab.found_masks
    return "" if section.question.parentWidget().isHidden() else section.question.text()


def taken(desk: Desk) -> str:
    return desk.segmenting.tab.found_masks.taken.text()


def test_a_mask_named_after_an_open_image_becomes_its_labels(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"))
    image = empty.session.image
    assert isinstance(image, Image)
    image.scale = (0.5, 0.5)  # somebody said how large its pixels are
    drop(empty, masks("X_segmentation.png"))
    (only,) = empty.session.images()
    assert only is image
    labels = empty.viewer.layers["X_segmentation"]
    assert isinstance(labels, Labels)
    assert np.array_equal(labels.data, DISC * 255)  # the model has two classes
    assert tuple(labels.scale) == (0.5, 0.5)
    assert empty.session.showing.image_of(labels) is image
    assert "taken as labels of “X”" in taken(empty)
    assert empty.status == "“X_segmentation” is taken as labels of “X”."


def test_that_can_be_undone(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("X_mask.png"))
    assert isinstance(empty.viewer.layers["X_mask"], Labels)
    empty.click(empty.segmenting.tab.found_masks.undo_button)
    empty.settle()
    layer = empty.viewer.layers["X_mask"]
    assert isinstance(layer, Image)
    assert np.array_equal(layer.data, DISC * 255)
    assert len(empty.session.images()) == 2
    assert (taken(empty), question(empty)) == ("", "")  # it is not asked again


def test_what_was_painted_meanwhile_is_not_undone(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("X_mask.png"))
    labels = empty.viewer.layers["X_mask"]
    labels.data_setitem((np.array([0]), np.array([0])), 1)
    empty.click(empty.segmenting.tab.found_masks.undo_button)
    assert empty.viewer.layers["X_mask"] is labels
    assert empty.status == "“X_mask” stays: it was painted on."


def test_a_mask_in_a_folder_of_masks_goes_to_the_image_of_its_name(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    one, two = photographs("images/1.jpg"), photographs("images/2.jpg", seed=2)
    drop(empty, masks("masks/2.png"), one, two, masks("masks/1.png"))
    images = {path_of(image): image for image in empty.session.images()}
    assert set(images) == {"1.jpg", "2.jpg"}
    owned = {
        path_of(empty.session.showing.image_of(layer)): path_of(layer)
        for layer in empty.viewer.layers
        if isinstance(layer, Labels)
    }
    assert len(owned) == 2


def path_of(layer: object) -> str:
    return Path(str(layer.source.path)).name


def test_what_only_looks_like_a_mask_is_asked_about_and_no_input(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("drawing.png"))
    drawing = empty.viewer.layers["drawing"]
    assert isinstance(drawing, Image)
    assert is_undecided(drawing)
    assert [image.name for image in empty.session.images()] == ["X"]
    assert empty.session.image.name == "X"
    assert (drawing.visible, empty.session.image.visible) == (False, True)
    assert question(empty) == "“drawing” looks like a mask of “X”."
    assert empty.status != "Ready."
    empty.click(empty.segmenting.tab.found_masks.labels_button)
    empty.wait_until_idle()
    assert isinstance(empty.viewer.layers["drawing"], Labels)
    assert question(empty) == ""


def test_it_may_be_an_image_after_all(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("drawing.png"))
    empty.click(empty.segmenting.tab.found_masks.image_button)
    empty.settle()
    drawing = empty.viewer.layers["drawing"]
    assert empty.session.image is drawing
    assert drawing.visible
    assert question(empty) == ""


def test_it_may_be_what_is_really_there(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("drawing.png"))
    empty.click(empty.segmenting.tab.found_masks.truth_button)
    empty.wait_until_idle()
    truth = empty.session.truths.of(empty.session.image)
    assert truth.labels is empty.viewer.layers["drawing"]


def test_a_mask_of_an_image_that_is_not_open_waits_for_it(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("Y_mask.png"))
    assert question(empty).startswith("“Y_mask” looks like the mask of “Y”, which is")
    drop(empty, photographs("Y.jpg", seed=3))
    labels = empty.viewer.layers["Y_mask"]
    assert isinstance(labels, Labels)
    assert empty.session.showing.image_of(labels).name == "Y"
    assert question(empty) == ""


@formats("a mask of another size than its image, in the dock")
def test_a_mask_of_another_size_is_told_with_both_sizes(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("X_mask.png", DISC[::2, ::2] * 255))
    assert "25 × 20 pixels where that has 50 × 40" in question(empty)
    assert isinstance(empty.viewer.layers["X_mask"], Image)


def test_one_of_several_images_of_its_size_is_chosen(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), photographs("Z.jpg", seed=2), masks("m.png"))
    section = empty.segmenting.tab.found_masks
    assert question(empty) == "“m” looks like a mask. Of which image?"
    section.combo.setCurrentText("X")
    empty.click(section.labels_button)
    empty.wait_until_idle()
    labels = empty.viewer.layers["m"]
    assert empty.session.showing.image_of(labels).name == "X"


def test_photographs_and_blanks_are_images(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    blank = masks("blank.png", np.zeros(SHAPE, np.uint8))
    drop(empty, photographs("X.jpg"), photographs("Z_photo.jpg", seed=5), blank)
    assert len(empty.session.images()) == 3
    assert question(empty) == ""


@formats("a mask dropped on napari as a picture")
@pytest.mark.parametrize("kind", ["1-bit", "grey as colour", "jpeg", "palette"])
def test_masks_of_any_kind_of_picture_are_labels(
    empty: Desk,
    photographs: Callable[..., Path],
    tmp_path: Path,
    kind: str,
) -> None:
    made = Picture.fromarray(DISC * 255)
    if kind == "palette":
        made = Picture.fromarray(DISC, "P")
        made.putpalette([10, 60, 10, 200, 30, 40])
    elif kind == "1-bit":
        made = made.convert("1")
    elif kind == "grey as colour":
        made = made.convert("RGBA")
    path = tmp_path / f"X_mask.{'jpg' if kind == 'jpeg' else 'png'}"
    made.save(path, **({"quality": 60} if kind == "jpeg" else {}))
    drop(empty, photographs("X.png"), path)
    labels = empty.viewer.layers["X_mask"]
    assert isinstance(labels, Labels)
    assert np.array_equal(labels.data > 0, DISC > 0)
    assert len(np.unique(labels.data)) == 2


def test_a_nifti_mask_of_a_volume_is_linked_to_it(empty: Desk, tmp_path: Path) -> None:
    volume = np.random.default_rng(4).integers(-500, 500, (6, 7, 8), np.int16)
    mask = (volume > 400).astype(np.uint8)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    for name, values in (("ct.nii.gz", volume), ("ct_labels.nii.gz", mask)):
        nib.save(nib.Nifti1Image(values, affine), tmp_path / name)
    drop(empty, tmp_path / "ct.nii.gz", tmp_path / "ct_labels.nii.gz")
    labels = empty.viewer.layers["ct_labels"]
    assert empty.session.showing.image_of(labels) is empty.viewer.layers["ct"]
    assert "“ct_labels” is taken as labels of “ct”" in taken(empty)


def test_masks_of_images_that_are_not_open_are_no_other_images_by_one_click(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("Y_mask.png"), masks("Z_mask.png"))
    section = empty.segmenting.tab.found_masks
    assert section.combo.currentText() == "no open image"
    assert (section.labels_button.text(), section.truth_button.isHidden()) == (
        "As labels",
        True,
    )
    section.all_box.setChecked(True)
    empty.click(section.labels_button)
    empty.wait_until_idle()
    assert isinstance(empty.viewer.layers["Y_mask"], Labels)
    assert isinstance(empty.viewer.layers["Z_mask"], Labels)
    owned = empty.session.showing.layers_of(empty.session.image)
    assert owned == []
    assert not empty.viewer.layers["Y_mask"].visible  # it is on nobody's image


def test_an_image_is_chosen_anew_for_each_mask(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("Y_mask.png"), masks("Z_mask.png"))
    section = empty.segmenting.tab.found_masks
    section.combo.setCurrentText("X")
    empty.click(section.truth_button)
    empty.wait_until_idle()
    truth = empty.session.truths.of(empty.session.image)
    assert truth.labels is empty.viewer.layers["Y_mask"]
    assert taken(empty) == "“Y_mask” is taken as truth of “X”."
    assert question(empty).startswith("“Z_mask”")
    assert section.combo.currentText() == "no open image"


def test_the_same_is_said_of_all_masks_that_fit_the_chosen_image(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    other = photographs("Z.jpg", (36, 44), seed=2)
    small = masks("small.png", DISC[:36, :44] * 255)
    drop(empty, photographs("X.jpg"), other, masks("one.png"), masks("two.png"), small)
    section = empty.segmenting.tab.found_masks
    assert question(empty).startswith("“one” looks like a mask")
    assert section.all_box.text() == "the same for all 3"
    section.all_box.setChecked(True)
    empty.click(section.truth_button)
    empty.wait_until_idle()
    layers, showing = empty.viewer.layers, empty.session.showing
    assert {showing.image_of(layers[name]).name for name in ("one", "two")} == {"X"}
    assert isinstance(layers["small"], Image)  # it cannot be the truth of X
    assert question(empty).startswith("“small” looks like a mask of “Z”")


def test_several_that_were_taken_are_undone_in_words_that_say_so(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("X_mask.png"), masks("X_labels.png"))
    section = empty.segmenting.tab.found_masks
    assert taken(empty) == "“X_mask”, “X_labels” are taken as labels of “X”."
    assert section.undo_button.text() == "Undo: they are images"
    empty.click(section.undo_button)
    empty.settle()
    assert [image.name for image in empty.session.images()].count("X_mask") == 1
    assert len(empty.session.images()) == 3


def test_an_image_keeps_its_name_though_its_mask_came_first(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, masks("masks/1.png"))
    assert empty.viewer.layers["1"].visible
    drop(empty, photographs("images/1.jpg"))
    assert empty.session.image.name == "1"
    assert [layer.name for layer in empty.viewer.layers] == ["1", "1 / labels"]


def test_a_mask_whose_image_was_removed_is_seen_and_asked_about(
    empty: Desk, photographs: Callable[..., Path], masks: Callable[..., Path]
) -> None:
    drop(empty, photographs("X.jpg"), masks("m.png"))
    mask = empty.viewer.layers["m"]
    assert not mask.visible
    empty.viewer.layers.remove("X")
    empty.settle()
    assert "no open image has its 50 × 40 pixels" in question(empty)
    assert mask.visible
    empty.viewer.layers.remove("m")
    empty.settle()
    assert (question(empty), empty.status) == ("", "")


@pytest.mark.parametrize("kind", ["lazy", "scales"])
def test_a_mask_that_is_not_in_memory_or_has_scales_is_known_by_its_name(
    empty: Desk, kind: str
) -> None:
    def made(samples: np.ndarray) -> dict[str, object]:
        if kind == "lazy":
            return {"data": dask.array.from_array(samples, chunks=20)}
        return {"data": [samples, samples[::2, ::2]], "multiscale": True}

    photograph = np.random.default_rng(1).integers(0, 256, SHAPE, np.uint8)
    empty.viewer.add_image(name="X", **made(photograph))
    empty.viewer.add_image(name="X_mask", **made(DISC * 255))
    empty.viewer.add_image(name="Z_mask", **made(photograph[::-1]))  # it is none
    empty.settle()
    empty.wait_until_idle()
    labels = empty.viewer.layers["X_mask"]
    assert isinstance(labels, Labels)
    assert np.array_equal(labels.data, DISC * 255)
    assert empty.session.showing.image_of(labels).name == "X"
    assert {image.name for image in empty.session.images()} == {"X", "Z_mask"}
    empty.click(empty.segmenting.tab.found_masks.undo_button)
    empty.settle()
    assert empty.viewer.layers["X_mask"].multiscale == (kind == "scales")
    assert len(empty.session.images()) == 3


@pytest.fixture
def reopen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def open_them(desk: Desk, *paths: Path) -> None:
        chosen = [str(path) for path in paths]
        monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
        desk.click(desk.segmenting.tab.result.open_button)
        desk.wait_until_idle()

    return open_them


def test_reopen_finds_the_images_of_several_masks_and_shows_one(
    empty: Desk,
    photographs: Callable[..., Path],
    masks: Callable[..., Path],
    reopen: Callable[..., None],
) -> None:
    drop(empty, photographs("X.jpg"), photographs("Z.jpg", seed=2))
    assert empty.session.image.name == "Z"
    reopen(empty, masks("Z_mask.png"), masks("X_mask.png", DISC[::-1] * 255))
    showing, layers = empty.session.showing, empty.viewer.layers
    assert showing.image_of(layers["X_mask"]).name == "X"
    assert showing.image_of(layers["Z_mask"]).name == "Z"
    assert empty.session.image.name == "X"
    assert (layers["X"].visible, layers["X_mask"].visible) == (True, True)
    assert (layers["Z"].visible, layers["Z_mask"].visible) == (False, False)


def test_labels_are_counted_beside_the_window(
    empty: Desk,
    photographs: Callable[..., Path],
    masks: Callable[..., Path],
    reopen: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[bool] = []

    def counted(values: np.ndarray) -> dict[int, int]:
        threads.append(threading.current_thread() is threading.main_thread())
        return label_values.counted(values)

    monkeypatch.setattr(found_masks, "counted", counted)
    drop(empty, photographs("X.jpg"), masks("X_mask.png"))
    assert isinstance(empty.viewer.layers["X_mask"], Labels)
    n_dropped = len(threads)
    reopen(empty, masks("X_seg.png"))
    assert isinstance(empty.viewer.layers["X_seg"], Labels)
    assert len(threads) > n_dropped > 0
    assert not any(threads)  # a photograph's mask has 24 million pixels


def test_reopen_says_which_image_a_mask_needs(
    empty: Desk,
    photographs: Callable[..., Path],
    masks: Callable[..., Path],
    reopen: Callable[..., None],
) -> None:
    drop(empty, photographs("X.jpg"))
    reopen(empty, masks("Y_mask.png"))
    assert empty.status == (
        "Opened Y_mask.png as a layer: it needs “Y”, which is not open, and is hidden."
    )
    assert isinstance(empty.viewer.layers["Y_mask"], Labels)
    assert not empty.viewer.layers["Y_mask"].visible
    reopen(empty, masks("X_mask.png", DISC[::2, ::2]))
    assert "has 25 × 20 pixels where that has 50 × 40" in empty.status


def test_reopen_finds_the_image_of_a_record_that_is_not_chosen(
    empty: Desk,
    photographs: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reopen: Callable[..., None],
) -> None:
    drop(empty, photographs("X.jpg"))
    empty.run()
    path = tmp_path / "mine.labels.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    empty.click(empty.segmenting.tab.result.save_button)
    empty.wait_until_idle()
    drop(empty, photographs("Z.jpg", (30, 30), seed=2))
    assert empty.session.image.name == "Z"
    reopen(empty, path)
    assert empty.session.image.name == "X"
    assert empty.status.startswith("Opened mine.labels.tif as a result of “X”.")
    _, result = empty.session.current
    assert result.title == "mine"


def test_a_table_in_reopen_is_handed_on(
    empty: Desk, tmp_path: Path, reopen: Callable[..., None]
) -> None:
    asked: list[Path] = []
    files = empty.segmenting.files
    files.series_requested.disconnect()
    files.series_requested.connect(asked.append)
    reopen(empty, tmp_path / "segment.csv")
    assert asked == [tmp_path / "segment.csv"]


def test_a_dropped_result_is_one_of_the_image_of_its_name_or_its_pixels(
    empty: Desk,
    photographs: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drop(empty, photographs("X.jpg"))
    empty.run()
    for name in ("X_mask.labels.tif", "mine.labels.tif"):
        path = str(tmp_path / name)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, p=path: (p, ""))
        empty.click(empty.segmenting.tab.result.save_button)
        empty.wait_until_idle()
    empty.viewer.open(tmp_path / "X_mask.labels.tif", plugin="napari-dmoe")
    empty.viewer.open(tmp_path / "mine.labels.tif", plugin="napari-dmoe")
    empty.settle()
    empty.wait_until_idle()  # until the pixels are compared
    names = [each.title for each in empty.session.results_of(empty.session.image)]
    assert names == ["X / mask", "X_mask", "mine"]
    assert isinstance(empty.viewer.layers["mine"], Labels)
