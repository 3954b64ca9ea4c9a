"""In a window: what is painted is of one patient at a time."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from patients import NAMES, SHAPE, Ward, pixels_of, seen, visible_patients

from napari_dmoe.viewer.contributed import PLUGIN

pytestmark = pytest.mark.gui


def test_a_sample_beside_others_is_seen_alone_with_its_reference(
    window_ward: Ward,
) -> None:
    ward, viewer = window_ward, window_ward.viewer
    ward.admit("ann")
    viewer.open_sample(PLUGIN, "ct-pelvis")
    ward.desk.wait_until_idle()
    reference = viewer.layers["CT / reference"]
    assert ward.desk.is_outlined(reference)
    outlined = ["CT", reference.name, f"{reference.name}, outline"]
    assert seen(viewer) == outlined
    step = viewer.dims.current_step[0]
    ward.choose("ann")
    ward.desk.wait_until_idle()
    ward.see_only("ann")
    viewer.dims.set_current_step(0, 0)
    ward.choose("CT")
    ward.desk.wait_until_idle()
    assert ward.desk.is_outlined(reference)
    assert seen(viewer) == outlined
    assert viewer.dims.current_step[0] == step
    assert ward.seen_at_once == []


def test_no_two_patients_are_ever_painted(window_ward: Ward, tmp_path: Path) -> None:
    """In a window, whatever is drawn: pictures opened, chosen, removed, segmented."""
    ward, viewer = window_ward, window_ward.viewer
    painted: list[list[str]] = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda _: painted.append(visible_patients(viewer)))
    for name in NAMES:
        path = tmp_path / f"{name}.png"
        iio.imwrite(path, np.stack([pixels_of(name, (60, 40))] * 3, -1))
        viewer.open(path, plugin="napari")
        ward.desk.wait_until_idle()
        ward.desk.choose("severity", "suspect")
        ward.desk.run()
        viewer.screenshot(flash=False)
    for name in (*NAMES, *reversed(NAMES)):
        ward.choose(name)
        viewer.screenshot(flash=False)
        ward.see_only(name)
    viewer.layers.remove("cle")
    viewer.screenshot(flash=False)
    viewer.layers.selection.active = viewer.layers["ann / mask"]
    viewer.screenshot(flash=False)
    ward.see_only("ann")
    assert len(painted) > 2 * len(NAMES)
    assert max(map(len, painted)) == 1
    assert {patients[0] for patients in painted if patients} == set(NAMES)
    assert ward.seen_at_once == []


def test_what_is_seen_of_a_patient_is_that_patients_pixels(window_ward: Ward) -> None:
    """Each is another grey: the canvas shows it, and no other, wherever it lies."""
    ward, viewer = window_ward, window_ward.viewer
    greys = {"ann": 60, "ben": 140, "cle": 220}
    for place, (name, grey) in enumerate(greys.items()):
        viewer.add_image(
            np.full((50, 50 + 20 * place), grey, np.uint8),
            name=name,
            contrast_limits=(0, 255),
            colormap="gray",
            translate=(300 * place, 0),
        )
    for name, grey in (*greys.items(), *reversed(greys.items())):
        ward.choose(name)
        shot = viewer.screenshot(flash=False)[..., 0]
        shares = {
            each: (np.abs(shot.astype(int) - value) < 10).mean()
            for each, value in greys.items()
        }
        assert shares.pop(name) > 0.15  # it is framed
        assert max(shares.values()) < 0.01, grey


def test_who_deletes_a_layer_with_naparis_button_stays_at_the_image(
    window_ward: Ward,
) -> None:
    """Napari selects the layer below, which is another image's."""
    ward, viewer = window_ward, window_ward.viewer
    for name in ("ann", "ben"):
        viewer.add_image(pixels_of(name), name=name)
    ward.choose("ann")
    viewer.add_labels(np.ones(SHAPE, np.uint8), name="ann labels")
    ward.desk.wait_until_idle()
    ward.desk.click(viewer.window._qt_viewer.layerButtons.deleteButton)
    ward.desk.qtbot.waitUntil(
        lambda: viewer.layers.selection.active is ward.image("ann")
    )
    assert [each.name for each in viewer.layers] == ["ann", "ben"]
    ward.see_only("ann")
    assert ward.seen_at_once == []
