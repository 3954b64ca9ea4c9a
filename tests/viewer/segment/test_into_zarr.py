"""A large mask goes into an OME-Zarr image, with maps, and is looked at from there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desk import Desk
from places import DATA
from qtpy.QtWidgets import QFileDialog, QMessageBox
from stub_networks import thresholding_model

from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.inference.running.into_file import segment_into
from napari_dmoe.inference.running.outlook import outlook
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.volume_needs import needs_of_run
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint

pytestmark = pytest.mark.gui
zarr = pytest.importorskip("zarr")

VOXELS = np.random.default_rng(0).random((100, 33, 40), dtype=np.float32)
OPTIONS = {"segment": segment, "segment_into": segment_into, "outlook": outlook}
ZARR_KIND = "OME-Zarr (*.ome.zarr)"


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """Import what the first volume needs, which takes longer than a desk waits."""
    Windows((40, 40, 40), (32, 32, 32), 0.5)


@pytest.fixture
def open_desk(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Desk]:
    monkeypatch.setattr("napari_dmoe.viewer.segment.readiness._MUCH", 0)

    def open_desk(
        model: LoadedModel | None = None, data: Any = VOXELS, **others: Any
    ) -> Desk:
        models["bright"] = model or thresholding_model(window=(0, 1))
        desk = make_desk(**(OPTIONS | others))
        desk.load("bright")
        desk.viewer.add_image(data, name="ct", contrast_limits=(0, 1))
        desk.wait_until_idle()
        desk.choose("severity", "T2")
        desk.settle()
        return desk

    return open_desk


def choosing(
    monkeypatch: pytest.MonkeyPatch, path: Path, kind: str = ""
) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def choose(*arguments: Any, **_: Any) -> tuple[str, str]:
        asked.append(arguments)
        return str(path), kind

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    return asked


def into_file(desk: Desk) -> None:
    desk.click(desk.segmenting.tab.action.link)
    desk.wait_until_idle()


@pytest.mark.parametrize(
    ("chosen", "kind"),
    [("big.ome.zarr", ""), ("big.labels.tif", ZARR_KIND), ("big", ZARR_KIND)],
)
def test_the_mask_is_read_from_there_when_it_is_looked_at(
    open_desk: Callable[..., Desk],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chosen: str,
    kind: str,
) -> None:
    asked = choosing(monkeypatch, tmp_path / chosen, kind)
    desk = open_desk()
    into_file(desk)
    assert asked[0][3].split(";;")[1] == ZARR_KIND
    assert desk.status.endswith("The mask is in big.ome.zarr.")
    (mask,) = desk.masks
    assert not isinstance(mask.data, np.ndarray)
    np.testing.assert_array_equal(np.asarray(mask.data), VOXELS > 0.5)
    assert not mask.editable
    np.testing.assert_array_equal(mask.scale, desk.session.image.scale)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["big.json", "big.ome.zarr"]
    sizes = desk.segmenting.tab.result.table.text()
    assert f"{np.count_nonzero(VOXELS > 0.5)} px" in sizes


def test_the_same_again_replaces_it_in_the_file_and_in_the_viewer(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choosing(monkeypatch, tmp_path / "big.ome.zarr")
    yes, asked = QMessageBox.StandardButton.Yes, list[str]()
    monkeypatch.setattr(
        QMessageBox, "question", lambda *words, **_: asked.append(words[2]) or yes
    )
    desk = open_desk(data=VOXELS[:40])
    into_file(desk)
    assert asked == []
    into_file(desk)
    assert asked == [f"big.ome.zarr exists in {tmp_path.name}. Replace it?"]
    assert desk.status.endswith("The mask is in big.ome.zarr.")
    (mask,) = desk.masks
    np.testing.assert_array_equal(np.asarray(mask.data), VOXELS[:40] > 0.5)
    assert not mask.editable
    desk.run()  # into memory
    (mask,) = desk.masks
    assert isinstance(mask.data, np.ndarray)
    assert mask.editable


def test_maps_are_written_with_it(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage").card
    how = VolumePreprocessing(patch=(32, 32, 64), window=(0, 1))
    card = card.model_copy(update={"preprocessing": how})
    model = load_checkpoint(DATA / "unet3d_stage5.pth", card=card)
    choosing(monkeypatch, tmp_path / "big.ome.zarr")
    asked: list[dict[str, Any]] = []

    def needed(*inputs: Any, **how: Any) -> Any:
        asked.append(how)
        return needs_of_run(*inputs, **how)

    desk = open_desk(model, VOXELS[:40], needs_of_run=needed)
    desk.change_settings(probabilities=True, overlap=0.0)
    form = desk.segmenting.tab.also_written
    form.inputs["entropy"].value = True
    form.inputs["routing"].value = True
    assert asked[-1]["entropy"]
    assert asked[-1]["routing"]
    into_file(desk)
    assert desk.status.endswith("The mask is in big.ome.zarr, its maps in it.")
    at = tmp_path / "big.ome.zarr"
    record = recorded(at)
    assert record is not None
    assert record.maps[:2] == ("probabilities", "class-entropy")
    assert zarr.open_array(at / "routing-0" / "0", mode="r")[:].any()
    choosing(monkeypatch, tmp_path / "big.tif")
    into_file(desk)
    assert desk.status.endswith("The mask is in big.labels.tif, its maps beside it.")
    assert (tmp_path / "big.class-entropy.tif").is_file()


def test_without_zarr_it_is_said_what_to_install(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choosing(monkeypatch, tmp_path / "big.ome.zarr")
    desk = open_desk()
    monkeypatch.setitem(sys.modules, "zarr", None)
    into_file(desk)
    assert desk.status.startswith("Failed: OME-Zarr needs the package zarr")
    assert 'pip install "napari-dmoe[zarr]"' in desk.status
    assert [each.name for each in desk.viewer.layers] == ["ct"]
    assert list(tmp_path.iterdir()) == []
