"""The pixel size of an image that does not state it: a person does, and never we."""

from __future__ import annotations

import numpy as np
import pytest
from desk import IMAGE, Desk
from qtpy.QtCore import QLocale, Qt

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.segment.subject.pixel_size_view import PixelSizeButton

pytestmark = pytest.mark.gui


@pytest.fixture
def button(desk: Desk) -> PixelSizeButton:
    """Return the button of a desk that re-runs nothing by itself."""
    desk.segmenting.tab.patient.rerun_box.click()
    return desk.segmenting.tab.image.pixel_size


def state(desk: Desk, button: PixelSizeButton, mm: float) -> None:
    button.fields["x"].setText(str(mm))
    button.set_button.click()
    desk.settle()


def test_it_is_asked_for_only_where_nobody_states_it(
    desk: Desk, button: PixelSizeButton
) -> None:
    assert not button.isHidden()
    assert "not known" in button.toolTip()
    assert button.accessibleName() == "Pixel size"
    known = {"scale": (0.5, 0.5), "units": ("mm", "mm"), "axis_labels": ("y", "x")}
    desk.viewer.add_image(IMAGE, name="known", **known)
    desk.settle()
    assert button.isHidden()


def test_areas_are_in_mm_at_once_and_the_mask_stays_in_its_place(
    desk: Desk, button: PixelSizeButton
) -> None:
    desk.run()
    section, image = desk.segmenting.tab.result, desk.viewer.layers["retina"]
    mask = desk.masks[0]
    assert section.headline.text() == "rim 20 px, cup 4 px"
    state(desk, button, 0.5)
    assert section.headline.text() == "rim 5 mm², cup 1 mm²"
    assert section.outdated.text() == ""
    for layer in (image, mask):
        np.testing.assert_allclose(layer.scale, (0.5, 0.5))
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 2
    np.testing.assert_allclose(mask.extent.world, image.extent.world)


def test_the_record_says_who_stated_it(desk: Desk, button: PixelSizeButton) -> None:
    desk.run()
    state(desk, button, 0.25)
    record = desk.masks[0].metadata["napari-dmoe"]
    said = "the pixel size is as a person stated it: 0.25 × 0.25 mm"
    assert said in record["notices"]
    assert record["image"]["unit"] == "mm"
    image = to_image(desk.viewer.layers["retina"])
    assert image.unit == "mm"
    assert image.notices == (said,)


def test_what_was_stated_can_be_corrected(desk: Desk, button: PixelSizeButton) -> None:
    desk.run()
    state(desk, button, 5)
    assert "as you stated it: 5 mm" in button.toolTip()
    state(desk, button, 0.5)
    assert desk.segmenting.tab.result.headline.text() == "rim 5 mm², cup 1 mm²"
    notices = desk.masks[0].metadata["napari-dmoe"]["notices"]
    assert [n for n in notices if "stated" in n] == [
        "the pixel size is as a person stated it: 0.5 × 0.5 mm"
    ]


def test_the_mask_of_a_3d_model_is_outdated_by_it(
    desk: Desk,
    button: PixelSizeButton,
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
) -> None:
    models["volume"] = volume_model
    desk.load("volume")
    desk.viewer.add_image(np.zeros((6, 8, 7)), axis_labels=("z", "y", "x"))
    desk.run()
    button.fields["z"].setText("2")
    assert not button.fields["z"].isHidden()
    state(desk, button, 0.5)
    assert "the image changed" in desk.segmenting.tab.result.outdated.text()
    np.testing.assert_allclose(desk.masks[0].scale, (2, 0.5, 0.5))


def test_the_same_plane_and_part_are_seen_as_before(
    desk: Desk, button: PixelSizeButton
) -> None:
    desk.viewer.layers.clear()
    desk.viewer.add_image(np.zeros((9, 40, 30)), axis_labels=("z", "y", "x"))
    desk.settle()
    viewer = desk.viewer
    viewer.dims.current_step = (7, *viewer.dims.current_step[1:])
    viewer.camera.center, viewer.camera.zoom = (0.0, 20.0, 10.0), 8.0
    state(desk, button, 0.5)
    assert button.problem.text().startswith("Slices: Write a length")
    assert viewer.camera.zoom == 8
    button.fields["z"].setText("1")
    state(desk, button, 0.5)
    assert viewer.dims.current_step[0] == 7
    assert viewer.camera.zoom == 16
    np.testing.assert_allclose(viewer.camera.center[-2:], (10, 5))


@pytest.mark.parametrize("language", ["en_US", "de_DE"])
@pytest.mark.parametrize(
    ("written", "mm"),
    [("0.05", 0.05), ("0,05", 0.05), ("12 µm", 0.012), ("5e-2", 0.05), ("1.", 1)],
)
def test_a_size_is_read_as_it_is_written_in_any_language(
    desk: Desk, button: PixelSizeButton, written: str, mm: float, language: str
) -> None:
    before = QLocale()
    QLocale.setDefault(QLocale(language))
    try:
        desk.qtbot.keyClicks(button.fields["x"], written)
        desk.qtbot.keyClick(button.fields["x"], Qt.Key.Key_Return)
    finally:
        QLocale.setDefault(before)
    image = desk.viewer.layers["retina"]
    np.testing.assert_allclose(image.scale, (mm, mm))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        *(("0", "larger than 0"), ("-1", "larger than 0"), ("0,0", "larger than 0")),
        *(("abc", "Write a length"), ("5 apples", "Write a length")),
        *(("1.000,5", "Write a length"), ("5 px", "Write a length")),
        *(("200", "between 1 nm and 100 mm"), ("", "Write a length")),
    ],
)
def test_what_is_no_size_is_told_and_states_nothing(
    desk: Desk, button: PixelSizeButton, written: str, said: str
) -> None:
    field = button.fields["x"]
    assert field.text() == ""  # nothing is proposed: it would be a guess
    button.click()
    for _ in range(2):
        desk.qtbot.keyClicks(field, written)
        desk.qtbot.keyClick(field, Qt.Key.Key_Return)
        assert said in button.problem.text()
        assert button.popup.isVisible()
        field.clear()
    button.popup.close()
    desk.qtbot.keyClicks(field, written)
    desk.qtbot.keyClick(field, Qt.Key.Key_Return)
    image = desk.viewer.layers["retina"]
    np.testing.assert_allclose(image.scale, (1, 1))
    assert str(image.units[0]) == "pixel"
    desk.qtbot.keyClicks(field, "1")
    assert button.problem.text() == ""
