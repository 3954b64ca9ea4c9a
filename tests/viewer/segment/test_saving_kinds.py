"""Masks of volumes saved in the kinds of files of clinical programs."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom
import numpy as np
import pytest
from desk import Desk
from dicom_series import write_series
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.opening import mask_layers
from napari_dmoe.viewer.layers.placement import data_to_world

pytestmark = pytest.mark.gui


@pytest.fixture
def scan(
    desk: Desk, models: dict[str, LoadedModel], volume_model: LoadedModel
) -> Image:
    """Return a volume that was segmented."""
    models["volume"] = volume_model
    desk.load("volume")
    layer = Image(
        np.zeros((6, 8, 7)),
        name="scan",
        scale=(4.0, 0.5, 0.75),
        translate=(10, 20, 30),
        units=("mm",) * 3,
        axis_labels=("z", "y", "x"),
    )
    desk.viewer.add_layer(layer)
    desk.run()
    return layer


def test_the_kind_that_was_chosen_decides_where_the_name_does_not(
    desk: Desk, scan: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(parent: object, title: str, name: str, kinds: str) -> tuple[str, str]:
        (slicer,) = (kind for kind in kinds.split(";;") if "Slicer" in kind)
        return str(tmp_path / name), slicer

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert desk.status == "Saved scan_mask.seg.nrrd and scan_mask.json."
    ((data, arguments, _),) = mask_layers(tmp_path / "scan_mask.seg.nrrd")
    again, mask = Labels(data, **arguments), desk.masks[0]
    np.testing.assert_array_equal(again.data, mask.data)
    np.testing.assert_allclose(data_to_world(mask), data_to_world(again))
    assert again.metadata["napari-dmoe"] == mask.metadata["napari-dmoe"]


def test_a_dicom_seg_asks_for_the_series_and_says_whom_it_names(
    desk: Desk,
    scan: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    affine = np.diag([0.75, 0.5, 4.0, 1])
    affine[:3, 3] = 30, 20, 10
    series = write_series(tmp_path / "series", np.zeros((6, 8, 7)), affine)
    asked: list[str] = []

    def folder(parent: object, title: str) -> str:
        asked.append(title)
        return str(series) if len(asked) > 1 else ""

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", folder)
    mine = str(tmp_path / "mine.dcm")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (mine, ""))
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert not (tmp_path / "mine.dcm").exists()  # no folder was chosen
    desk.click(desk.segmenting.tab.result.save_button)
    desk.wait_until_idle()
    assert len(asked) == 2
    assert desk.status.startswith("Saved mine.dcm and mine.json: the file names the ")
    mask = desk.masks[0]
    found = highdicom.seg.segread(tmp_path / "mine.dcm")
    volume = found.get_volume(combine_segments=True)
    assert volume.array.sum() == mask.data.sum() > 0
    assert "MRN" not in json.dumps(mask.metadata, default=str)
