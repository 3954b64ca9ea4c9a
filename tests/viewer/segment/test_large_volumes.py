"""What a run over a volume needs is said before it; a large mask goes into a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import tifffile
from desk import Desk
from qtpy.QtWidgets import QFileDialog
from refusing import Refusing
from stub_networks import Thresholding, thresholding_model

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.running.into_file import segment_into
from napari_dmoe.inference.running.outlook import outlook
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.volume_needs import (
    RunNeeds,
    VolumeNeeds,
    needs_of_run,
)
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient

pytestmark = pytest.mark.gui

GIB = 2**30
VOXELS = np.random.default_rng(0).random((150, 33, 40), dtype=np.float32)
OPTIONS = {"segment": segment, "segment_into": segment_into, "outlook": outlook}


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """Import what the first volume needs, which takes longer than a desk waits."""
    Windows((40, 40, 40), (32, 32, 32), 0.5)


@pytest.fixture
def model() -> LoadedModel:
    return thresholding_model(window=(0, 1))


@pytest.fixture
def open_desk(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel], model: LoadedModel
) -> Callable[..., Desk]:
    def open_desk(data: Any, **others: Any) -> Desk:
        models["bright"] = model
        desk = make_desk(**(OPTIONS | others))
        desk.load("bright")
        desk.viewer.add_image(
            data, name="ct", contrast_limits=(0, 1), multiscale=isinstance(data, list)
        )
        desk.wait_until_idle()
        return desk

    return open_desk


def of(gib: float, free: float = 9.2) -> VolumeNeeds:
    return VolumeNeeds(int(gib * GIB), int(free * GIB), 343, 130)


def test_what_a_run_needs_stands_beside_the_button(
    open_desk: Callable[..., Desk],
) -> None:
    needs = RunNeeds(of(1.4), of(0.8))
    desk = open_desk(VOXELS, needs_of_run=lambda *_, **__: needs)
    said = "Needs 1.4 GiB of 9.2 GiB free, 343 windows, about 2 min."
    assert desk.status == f"Ready. {said}"
    assert desk.reason == ""
    action = desk.segmenting.tab.action
    assert action.link.text() == "Into a file…"
    assert desk.dock.footer.button.isEnabled()
    needs = RunNeeds(of(1.2), of(0.8))  # as with another setting
    desk.segmenting.tab.settings.changed.emit()
    assert desk.status.startswith("Ready. Needs 1.2 GiB")


def test_what_nearly_does_not_fit_asks_for_care(
    open_desk: Callable[..., Desk],
) -> None:
    needs = RunNeeds(of(8.9), of(0.8))
    desk = open_desk(VOXELS, needs_of_run=lambda *_, **__: needs)
    assert desk.dock.footer.button.isEnabled()
    assert (desk.status, desk.reason) == ("Ready.", needs.in_memory.words)
    assert desk.segmenting.tab.action.reason.property("tone") == "caution"


def test_what_does_not_fit_is_refused_and_what_helps_is_said(
    open_desk: Callable[..., Desk],
) -> None:
    found = RunNeeds(of(30), of(0.8))
    desk = open_desk(VOXELS, needs_of_run=lambda *_, **__: found)
    action = desk.segmenting.tab.action
    assert desk.reason.startswith("Too large for memory; into a file it needs 0.8 GiB.")
    assert action.link.text() == "Into a file…"
    assert action.reason.property("tone") == "caution"
    assert not desk.dock.footer.button.isEnabled()
    found = RunNeeds(of(30), of(10))
    desk.change_settings(batch=2)
    desk.segmenting._show_readiness()
    assert "crop the volume" in desk.reason
    assert action.link.isHidden()
    assert not desk.dock.footer.button.isEnabled()


def test_needs_are_those_of_the_patient_and_of_what_the_window_holds(
    model: LoadedModel, open_desk: Callable[..., Desk]
) -> None:
    asked: list[RunNeeds] = []

    def noted(*inputs: Any, **how: Any) -> RunNeeds:
        asked.append(needs_of_run(*inputs, **how))
        return asked[-1]

    desk = open_desk(VOXELS, needs_of_run=noted)
    unknown = asked[-1].in_memory
    desk.choose("severity", "T2")
    desk.settle()
    known, filed = asked[-1].in_memory, asked[-1].into_file
    assert unknown.seconds > 3 * known.seconds
    assert filed is not None
    image = desk.session.inquire(desk.session.image)
    bare = needs_of_run(model, image.pixels, image.patient, image.settings)
    assert known.n_bytes - bare.in_memory.n_bytes == VOXELS.size
    assert filed.n_bytes - bare.into_file.n_bytes == VOXELS.size
    assert filed.n_bytes < known.n_bytes


@pytest.mark.parametrize("is_multiscale", [False, True])
def test_a_lazy_layer_is_never_materialised_whole(
    open_desk: Callable[..., Desk],
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_multiscale: bool,
) -> None:
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", 0)
    monkeypatch.setattr("napari_dmoe.imaging.slabs.PIXELS_AT_ONCE", 2**15)
    lazy = Refusing(VOXELS, 0.5)
    levels = [lazy, VOXELS[::2, ::2, ::2]]
    desk = open_desk(levels if is_multiscale else lazy)
    desk.choose("severity", "T2")
    assert ("finest of 2 levels" in desk.fit) == is_multiscale
    desk.run()
    (mask,) = desk.masks
    np.testing.assert_array_equal(mask.data, VOXELS > 0.5)
    assert desk.status.startswith("Done in")


def test_a_large_mask_goes_into_a_file_and_is_opened_from_there(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_dmoe.viewer.segment.readiness._MUCH", 0)
    chosen = tmp_path / "big.tif"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(chosen), "")
    )
    desk = open_desk(VOXELS)
    desk.choose("severity", "T2")
    desk.settle()
    desk.click(desk.segmenting.tab.action.link)
    desk.wait_until_idle()
    assert desk.status.endswith("The mask is in big.labels.tif.")
    (mask,) = desk.masks
    assert isinstance(mask.data, np.memmap)
    np.testing.assert_array_equal(mask.data, VOXELS > 0.5)
    file = tmp_path / "big.labels.tif"
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "big.labels.json",
        file.name,
    ]
    before = file.read_bytes()
    mask.data_setitem((np.array([3]), np.array([4]), np.array([5])), 1)
    (result,) = desk.session.results_of(desk.session.image)
    assert result.is_edited == bool(VOXELS[3, 4, 5] <= 0.5)
    assert file.read_bytes() == before
    assert tifffile.imread(file)[3, 4, 5] == (VOXELS[3, 4, 5] > 0.5)


def test_a_run_into_a_file_that_was_stopped_is_gone_on_with(
    open_desk: Callable[..., Desk],
    model: LoadedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_dmoe.viewer.segment.readiness._MUCH", 0)
    chosen = tmp_path / "big.labels.tif"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(chosen), "")
    )
    rows = "napari_dmoe.imaging.tiff.writing._PIXELS_AT_ONCE"
    monkeypatch.setattr(rows, 16 * 33 * 40)
    forward, may_go_on, is_there = Thresholding.forward, Event(), Event()

    def slow(network: Thresholding, *inputs: Any, **how: Any) -> Any:
        if len(network.passes) == 12:
            is_there.set()
            may_go_on.wait(20)
        return forward(network, *inputs, **how)

    monkeypatch.setattr(Thresholding, "forward", slow)
    desk = open_desk(VOXELS)
    desk.change_settings(batch=1)
    desk.choose("severity", "T2")
    desk.settle()
    link = desk.segmenting.tab.action.link
    desk.click(link)
    desk.qtbot.waitUntil(is_there.is_set)
    state = tmp_path / "big.labels.tif.unfinished/run.json"
    desk.qtbot.waitUntil(state.is_file, timeout=10_000)  # rows are on the disk
    desk.click_segment()  # Stop
    may_go_on.set()
    desk.wait_until_idle()
    assert desk.status == (
        "Stopped. The same run into big.labels.tif will go on where this one ended."
    )
    assert [each.name for each in desk.viewer.layers] == ["ct"]
    assert not chosen.exists()
    before = len(model.module.passes)
    desk.click(link)
    desk.wait_until_idle()
    (mask,) = desk.masks
    np.testing.assert_array_equal(mask.data, VOXELS > 0.5)
    n_windows = len(Windows(VOXELS.shape, (32, 32, 64), 0.5))
    assert len(model.module.passes) - before < n_windows
    left = sorted(each.name for each in tmp_path.iterdir())
    assert left == ["big.labels.json", "big.labels.tif"]


def test_a_file_that_cannot_be_written_is_said_and_nothing_is_left(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_dmoe.viewer.segment.readiness._MUCH", 0)
    (tmp_path / "no folder").write_text("a file")
    chosen = tmp_path / "no folder" / "big.labels.tif"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(chosen), "")
    )
    desk = open_desk(VOXELS)
    desk.click(desk.segmenting.tab.action.link)
    desk.wait_until_idle()
    assert desk.status.startswith("Failed: big.labels.tif cannot be saved in")
    assert [each.name for each in desk.viewer.layers] == ["ct"]


def test_of_several_volumes_no_file_is_offered(model: LoadedModel) -> None:
    desk_image = np.zeros((2, 40, 40, 40), np.float32)
    image = SpatialImage(desk_image, ("t", "z", "y", "x"))
    how = InferenceSettings()
    assert needs_of_run(model, image, Patient(), how).into_file is None
    one = replace(image, data=desk_image[0], axes=("z", "y", "x"))
    assert needs_of_run(model, one, Patient(), how).into_file is not None
    maps = how.model_copy(update={"probabilities": True})
    filed = needs_of_run(model, one, Patient(), maps).into_file
    assert filed is not None
    assert filed.n_bytes > needs_of_run(model, one, Patient(), how).into_file.n_bytes
