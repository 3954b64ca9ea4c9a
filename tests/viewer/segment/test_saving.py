"""Tables and masks on the disk, there and back, and the record of a layer."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import Notification
from orientations import restored, stored
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.opening import image_layer, mask_layers, opened_mask
from napari_dmoe.viewer.layers.placement import data_to_world
from napari_dmoe.viewer.layers.saving import mask_path
from napari_dmoe.viewer.segment.masks import reopened as reopened_masks
from napari_dmoe.viewer.segment.result import files as result_files
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui

TURN = np.radians(30)
TURNED = {
    "scale": (0.5, 0.2),
    "rotate": [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]],
    "translate": (7, -3),
    "units": ("mm", "mm"),
    "axis_labels": ("y", "x"),
}


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | str], list[str]]:
    """Return what lets the next file dialogs answer with a path; it lists proposals."""

    def choose(path: Path | str) -> list[str]:
        proposed: list[str] = []

        def answer(parent: object, title: str, name: str, *_: object) -> tuple:
            proposed.append(name)
            return str(path), ""

        monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)

        def several(*asked: object) -> tuple:
            return [path for path in answer(*asked)[:1] if path], ""

        monkeypatch.setattr(QFileDialog, "getOpenFileNames", several)
        return proposed

    return choose


def same_place(first: Layer, second: Layer, tolerance: float = 1e-9) -> bool:
    places = data_to_world(first), data_to_world(second)
    extent = np.abs(first.extent.world).max()
    return bool(np.abs(places[0] - places[1]).max() <= tolerance * max(extent, 1))


def test_the_table_is_saved_with_numbers_and_units_apart(
    desk: Desk, chosen: Callable[..., list[str]], tmp_path: Path
) -> None:
    desk.viewer.add_image(IMAGE, name="=eye/left", **TURNED)
    desk.type("age", "63")
    desk.run()
    proposed = chosen(tmp_path / "sizes")  # without its ending
    desk.click(desk.segmenting.tab.result.table_button)
    desk.wait_until_idle()
    assert proposed[0].endswith(".csv")
    assert "/" not in proposed[0]
    (file,) = tmp_path.iterdir()
    assert file.name == "sizes.csv"
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    cup = {"measure": "cup", "value": "0.4", "unit": "mm²"}
    headline = {"headline": "rim 2.00 mm², cup 0.400 mm²"}
    whose = {"id": "'=eye/left", "age": "63", "severity": "unknown", "model": "Fake"}
    assert rows[1] == whose | cup | {"least": "0.1", "most": "0.9"} | headline
    assert list(rows[1])[:5] == [*whose, "measure"]
    assert [row["measure"] for row in rows] == [
        *("rim", "cup"),
        *("C/D vertical", "C/D area"),
    ]


def test_the_table_has_every_plane_of_a_stack(
    desk: Desk, chosen: Callable[..., list[str]], tmp_path: Path
) -> None:
    stack = np.zeros((3, 12, 9), np.uint8)
    desk.viewer.add_image(stack, axis_labels=("t", "y", "x"))
    desk.run()
    chosen(tmp_path / "sizes.csv")
    desk.click(desk.segmenting.tab.result.table_button)
    desk.wait_until_idle()
    with (tmp_path / "sizes.csv").open(encoding="utf-8-sig", newline="") as lines:
        assert [row["t"] for row in csv.DictReader(lines)] == list("000011112222")
    assert "CSV… has every plane" in desk.segmenting.tab.result.notices.text()


@pytest.mark.parametrize("button", ["table_button", "save_button"])
def test_a_place_that_cannot_be_written_is_told_and_loses_nothing(
    desk: Desk,
    chosen: Callable[..., list[str]],
    tmp_path: Path,
    notifications: list[Notification],
    button: str,
) -> None:
    desk.run()
    (tmp_path / "file").write_text("no folder")
    chosen(tmp_path / "file" / "mine.csv")
    desk.click(getattr(desk.segmenting.tab.result, button))
    desk.wait_until_idle()
    (note,) = notifications
    assert note.severity.value == "error"
    assert note.message.startswith("mine.csv")
    assert "cannot be saved in" in note.message
    assert "Choose another place" in note.message
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert len(desk.masks) == 1
    assert desk.dock.footer.button.isEnabled()


@pytest.mark.parametrize("button", ["table_button", "save_button", "open_button"])
def test_a_dialog_that_is_closed_does_nothing(
    desk: Desk,
    chosen: Callable[..., list[str]],
    notifications: list[Notification],
    button: str,
) -> None:
    desk.run()
    before = [layer.name for layer in desk.viewer.layers]
    chosen("")
    desk.click(getattr(desk.segmenting.tab.result, button))
    desk.wait_until_idle()
    assert [layer.name for layer in desk.viewer.layers] == before
    assert notifications == []


def reopened(desk: Desk) -> Labels:
    desk.click(desk.segmenting.tab.result.open_button)
    desk.wait_until_idle()
    layer = desk.viewer.layers[-1]
    assert isinstance(layer, Labels)
    return layer


def test_a_mask_saved_as_tiff_comes_back_in_place_with_its_record(
    desk: Desk, chosen: Callable[..., list[str]], tmp_path: Path
) -> None:
    desk.viewer.add_image(IMAGE, name="turned", **TURNED)
    desk.choose("severity", "glaucoma")
    desk.run()
    mask = desk.masks[0]
    proposed = chosen(tmp_path / "mine.tif")
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert proposed == ["turned_mask.labels.tif"]
    assert desk.status == "Saved mine.labels.tif and mine.labels.json."
    record = json.loads((tmp_path / "mine.labels.json").read_text())
    assert record["drivers"][0]["value"] == "glaucoma"
    chosen(tmp_path / "mine.labels.tif")
    layer = reopened(desk)
    assert layer is not mask
    assert layer.name == "mine"
    assert "Hidden meanwhile: “turned / mask”." in desk.status
    assert (mask.visible, layer.visible) == (False, True)
    np.testing.assert_array_equal(layer.data, mask.data)
    assert same_place(mask, layer)
    assert layer.metadata["napari-dmoe"] == mask.metadata["napari-dmoe"]
    assert list(layer.features["class"]) == ["background", "rim", "cup"]
    assert session_of(desk.viewer).image is desk.viewer.layers["turned"]


def test_a_volume_saved_as_nifti_comes_back_in_place_with_its_record(
    desk: Desk,
    chosen: Callable[..., list[str]],
    tmp_path: Path,
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
) -> None:
    models["volume"] = volume_model
    desk.load("volume")
    affine = np.eye(4)
    affine[:3, :3] = [[-4, 0.2, 0], [0, 0.5, 0.1], [0.3, 0, -0.75]]
    affine[:3, 3] = (100, -20, 3)
    volume = Image(
        np.zeros((6, 8, 7)),
        name="scan",
        affine=affine,
        units=("mm",) * 3,
        axis_labels=("z", "y", "x"),
    )
    desk.viewer.add_layer(volume)
    desk.run()
    mask = desk.masks[0]
    proposed = chosen(tmp_path / "mine.nii.gz")
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert proposed == ["scan_mask.nii.gz"]
    assert {path.name for path in tmp_path.iterdir()} == {"mine.nii.gz", "mine.json"}
    layer = reopened(desk)
    np.testing.assert_array_equal(layer.data, mask.data)
    assert layer.data.dtype == np.uint8
    assert same_place(mask, layer, 1e-6)  # NIfTI keeps its affine in 32 bits
    assert layer.metadata["napari-dmoe"] == mask.metadata["napari-dmoe"]


@pytest.mark.parametrize("code", ["RAS", "PIR"])
def test_a_mask_of_a_volumes_planes_is_saved_as_nifti(
    desk: Desk, chosen: Callable[..., list[str]], tmp_path: Path, code: str
) -> None:
    affine = np.diag([2.0, 3, 4, 1])
    scan = nib.Nifti1Image(np.zeros((9, 8, 3), np.uint8), affine)
    image = stored(scan, code, tmp_path / "scan.nii")
    data, look, _ = image_layer(image, "scan")
    desk.viewer.add_layer(Image(data, **look))
    desk.run()
    mask = desk.masks[0]
    proposed = chosen(tmp_path / "mine.nii.gz")
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert proposed == ["scan_mask.labels.tif"]
    saved = nib.load(tmp_path / "mine.nii.gz")
    source = restored(scan, code)
    assert saved.shape == source.shape
    np.testing.assert_allclose(saved.affine, source.affine, atol=1e-5)
    layer = reopened(desk)
    np.testing.assert_array_equal(layer.data, mask.data)
    assert same_place(mask, layer, 1e-6)


def test_a_plane_cannot_be_saved_as_nifti_and_the_reason_is_told(
    desk: Desk,
    chosen: Callable[..., list[str]],
    tmp_path: Path,
    notifications: list[Notification],
) -> None:
    desk.run()
    chosen(tmp_path / "mine.nii")
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert "save it as TIFF" in notifications[0].message
    assert list(tmp_path.iterdir()) == []


def test_a_painted_mask_is_saved_as_painted_even_at_once(
    desk: Desk, chosen: Callable[..., list[str]], tmp_path: Path
) -> None:
    desk.run()
    desk.masks[0].data_setitem((np.array([9]), np.array([8])), 1)
    chosen(tmp_path / "mine")
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert json.loads((tmp_path / "mine.labels.json").read_text())["edited"] is True
    chosen(tmp_path / "mine.labels.tif")
    assert reopened(desk).data[9, 8] == 1


def test_a_file_that_is_no_mask_is_told_and_opens_nothing(
    desk: Desk,
    chosen: Callable[..., list[str]],
    tmp_path: Path,
    notifications: list[Notification],
) -> None:
    (tmp_path / "bad.labels.tif").write_text("no TIFF")
    chosen(tmp_path / "bad.labels.tif")
    desk.click(desk.segmenting.tab.result.open_button)
    desk.wait_until_idle()
    assert "bad.labels.tif" in notifications[0].message
    assert len(desk.viewer.layers) == 1


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return the threads in which files are read and written from now on."""
    seen: set[int] = set()

    def noted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            seen.add(threading.get_ident())
            taken = (*arguments, *options.values())
            assert not [each for each in taken if isinstance(each, Layer)]
            return function(*arguments, **options)

        return call

    for name in ("write_table", "save_mask"):
        monkeypatch.setattr(result_files, name, noted(getattr(result_files, name)))
    monkeypatch.setattr(reopened_masks, "opened_mask", noted(opened_mask))
    return seen


@pytest.mark.parametrize("button", ["table_button", "save_button", "open_button"])
def test_files_are_read_and_written_aside_and_no_layer_goes_with_them(
    desk: Desk,
    chosen: Callable[..., list[str]],
    tmp_path: Path,
    threads: set[int],
    button: str,
) -> None:
    desk.run()
    chosen(tmp_path / "mine.labels.tif")
    desk.click(getattr(desk.segmenting.tab.result, button))
    desk.wait_until_idle()
    assert threads
    assert threading.get_ident() not in threads


def test_a_mask_is_saved_while_a_model_runs(
    desk: Desk,
    chosen: Callable[..., list[str]],
    tmp_path: Path,
    notifications: list[Notification],
) -> None:
    result = desk.segmenting.tab.result
    desk.run()
    desk.segment.gate.clear()
    desk.click_segment()
    chosen(tmp_path / "mine")
    assert result.save_button.isEnabled()
    desk.click(result.save_button)
    chosen(tmp_path / "mine.csv")
    desk.click(result.table_button)  # in its turn
    desk.qtbot.waitUntil(lambda: not desk.dock.work.is_at_files)
    assert desk.segmenting.run.is_busy
    assert "segmenting" in desk.status  # the footer is the run's
    assert [note.message for note in notifications] == [
        "Saved mine.labels.tif and mine.labels.json.",
        "Saved mine.csv.",
    ]
    assert len(list(tmp_path.iterdir())) == 3
    desk.segment.gate.set()
    desk.wait_until_idle()
    assert "Done" in desk.status


def test_what_is_painted_while_it_is_saved_is_not_in_the_file(
    desk: Desk, chosen: Callable[..., list[str]], tmp_path: Path
) -> None:
    desk.run()
    chosen(tmp_path / "mine")
    desk.click(desk.segmenting.tab.result.save_button)
    desk.masks[0].data_setitem((np.array([9]), np.array([8])), 1)
    desk.wait_until_idle()
    assert json.loads((tmp_path / "mine.labels.json").read_text())["edited"] is False
    chosen(tmp_path / "mine.labels.tif")
    assert reopened(desk).data[9, 8] == 0


def test_a_plane_is_not_offered_as_nifti(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.viewer.add_image(IMAGE, name="f2.png")
    desk.run()
    asked: list[tuple[str, str]] = []

    def answer(_: object, title: str, name: str, kinds: str) -> tuple[str, str]:
        asked.append((name, kinds))
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    desk.click(desk.segmenting.tab.result.save_button)
    assert asked == [("f2_mask.labels.tif", "Masks (*.labels.tif)")]


@pytest.mark.parametrize(
    "name",
    [
        *("f2", "f2.png", "f2.tif", "f2.labels", "f2.labels.tif", "f2.png.labels.tif"),
        *("f2.TIF", "f2.LABELS.TIF", "f2.Labels.tiff", "f2.labels.tif.labels.tif"),
    ],
)
def test_no_suffix_is_doubled(name: str) -> None:
    assert mask_path(Path(name)).name == "f2.labels.tif"


@pytest.fixture
def saved_mask(desk: Desk, chosen: Callable[..., list[str]], tmp_path: Path) -> Path:
    """Return a mask that was saved here."""
    desk.run()
    chosen(tmp_path / "mine.labels.tif")
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    return tmp_path / "mine.labels.tif"


@pytest.mark.parametrize("has_record", [True, False])
def test_a_saved_mask_opens_with_its_classes_without_its_record_too(
    desk: Desk, saved_mask: Path, has_record: bool
) -> None:
    if not has_record:
        saved_mask.with_name("mine.labels.json").unlink()
    ((data, arguments, kind),) = mask_layers(saved_mask)
    assert kind == "labels"
    assert data.dtype == np.uint8
    np.testing.assert_array_equal(data, desk.masks[0].data)
    assert list(arguments["features"]["class"]) == ["background", "rim", "cup"]
    assert ("napari-dmoe" in arguments["metadata"]) == has_record


def test_a_mask_from_a_file_says_why_a_changed_driver_does_not_run_again(
    desk: Desk, saved_mask: Path, chosen: Callable[..., list[str]]
) -> None:
    section = desk.segmenting.tab.result
    chosen(saved_mask)
    reopened(desk)
    assert section.outdated.text() == ""  # it was made for this very patient
    desk.choose("severity", "glaucoma")
    desk.wait_until_idle()
    assert section.outdated.text() == (
        "Segment adds a mask beside it (not made again by itself: it is from a file)."
    )
    desk.choose("severity", "unknown")
    desk.wait_until_idle()
    assert section.outdated.text() == ""


@pytest.mark.usefixtures("plugins")
def test_naparis_own_reader_takes_a_saved_mask_for_labels(saved_mask: Path) -> None:
    """Without the dock, too: what is no 32 bits wide it takes for a picture."""
    (layer,) = ViewerModel().open(saved_mask, plugin="napari")
    assert isinstance(layer, Labels)


@pytest.mark.usefixtures("plugins")
def test_the_dock_names_the_labels_that_naparis_reader_opened(
    desk: Desk, saved_mask: Path
) -> None:
    (layer,) = desk.viewer.open(saved_mask, plugin="napari")
    desk.settle()
    assert isinstance(layer, Labels)
    assert list(layer.features["class"]) == ["background", "rim", "cup"]
    assert layer.metadata["napari-dmoe"]["classes"] == ["background", "rim", "cup"]
    same = desk.masks[0].colormap.color_dict
    np.testing.assert_allclose(layer.colormap.color_dict[2], same[2])


@pytest.mark.usefixtures("plugins")
def test_naparis_save_dialog_writes_a_mask_with_its_classes(
    desk: Desk, tmp_path: Path
) -> None:
    desk.run()
    path = tmp_path / "other.labels.tif"
    (written, record) = desk.masks[0].save(str(path), plugin="napari-dmoe")
    assert (Path(written), Path(record).suffix) == (path, ".json")
    ((_, arguments, _),) = mask_layers(path)
    assert list(arguments["features"]["class"]) == ["background", "rim", "cup"]
