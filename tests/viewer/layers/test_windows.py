"""Windows of a CT: offered for Hounsfield units, and nothing but contrast."""

from __future__ import annotations

import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import Notification

from napari_dmoe.viewer import contributions
from napari_dmoe.viewer.layers.windows import (
    FULL,
    WINDOWS,
    is_in_hounsfield,
    show_window,
)

pytestmark = pytest.mark.gui
CT = np.linspace(-1000, 1500, 60).reshape(3, 4, 5).astype(np.int16)


@pytest.mark.parametrize(
    ("data", "is_ct"),
    [
        (CT, True),
        (CT.astype(np.float32), True),
        (CT - CT.min(), False),  # as some archives store it
        (np.clip(CT, -500, None), False),
        (CT.astype(np.float32) / 1000, False),
        (np.full((3, 4), np.nan, np.float32), False),
        ((CT % 255).astype(np.uint8), False),
    ],
)
def test_only_air_is_below_minus_500(data: np.ndarray, is_ct: bool) -> None:
    layer = Image(data, contrast_limits=(0, 1))
    assert is_in_hounsfield(layer) == is_ct
    assert not is_in_hounsfield(None)


def test_a_window_sets_the_contrast_and_nothing_else_and_full_undoes_it() -> None:
    layer = Image(CT.copy(), gamma=0.7)
    expected = {
        "soft tissue": [-160, 240],
        "lung": [-1350, 150],
        "bone": [-500, 1300],
        "brain": [0, 80],
        FULL: [-1000, 1500],
    }
    assert set(expected) == {*WINDOWS, FULL}
    for name, limits in expected.items():
        show_window(layer, name)
        assert layer.contrast_limits == limits
    np.testing.assert_array_equal(layer.data, CT)
    assert layer.gamma == 0.7


def test_a_lazy_image_is_not_read() -> None:
    class Lazy:
        shape, dtype, ndim = (3, 4, 5), np.dtype(np.int16), 3

        def __getitem__(self, index: object) -> np.ndarray:
            raise AssertionError("read")

    layer = Image(CT, contrast_limits=(-1000, 500))
    layer.contrast_limits_range = (-1000, 1500)
    layer._data_raw = None
    known = Lazy()
    object.__setattr__(layer, "_data", known)
    assert is_in_hounsfield(layer)
    show_window(layer, FULL)
    assert layer.contrast_limits == [-1000, 1500]


def test_the_dock_offers_them_for_a_ct_at_a_click(desk: Desk) -> None:
    section = desk.segmenting.tab.image
    assert not section.windows["lung"].isVisibleTo(section)
    layer = desk.viewer.add_image(CT.reshape(6, 10), name="slice")
    desk.session.choose_image(layer)
    desk.settle()
    assert section.windows["lung"].isVisibleTo(section)
    desk.click(section.windows["lung"])
    assert layer.contrast_limits == [-1350, 150]
    desk.click(section.windows[FULL])
    assert layer.contrast_limits == [-1000, 1500]


def test_the_menu_sets_selected_cts_and_says_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, notifications: list[Notification]
) -> None:
    viewer = ViewerModel()
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    ct, mr = viewer.add_image(CT), viewer.add_image(CT - CT.min())
    before = mr.contrast_limits
    viewer.layers.selection = {ct, mr}
    for show, limits in (
        (contributions.show_bone, [-500, 1300]),
        (contributions.show_brain, [0, 80]),
        (contributions.show_lung, [-1350, 150]),
        (contributions.show_full_range, [-1000, 1500]),
        (contributions.show_soft_tissue, [-160, 240]),
    ):
        show()
        assert ct.contrast_limits == limits
    assert mr.contrast_limits == before
    viewer.layers.selection = {mr}
    contributions.show_bone()
    assert "No image in Hounsfield units" in notifications[-1].message
