"""The Routing tab: which map of which block is seen, and what its colours mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from desk import Desk
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton

from napari_dmoe.inference.colours import expert_colours
from napari_dmoe.viewer.session import session_of
from napari_dmoe.viewer.widgets.routing_tab import NOTHING, RoutingTab
from viewer_fakes import N_BLOCKS, N_EXPERTS, SIDE

pytestmark = pytest.mark.gui


@pytest.fixture
def desk(quick_desk: Desk, settle: Callable[[], None]) -> Desk:
    """Return a desk whose image was segmented, with the Routing tab in front."""
    quick_desk.dock.tab.patient.rerun_box.click()
    quick_desk.choose("severity", "glaucoma")
    quick_desk.run()
    settle()
    quick_desk.dock.tabs.setCurrentIndex(1)
    return quick_desk


def tab_of(desk: Desk) -> RoutingTab:
    return desk.dock.routing


def choose_map(desk: Desk, title: str) -> None:
    buttons = tab_of(desk).kinds.buttons()
    (button,) = [each for each in buttons if each.text() == title]
    desk.qtbot.keyClick(button, Qt.Key.Key_Space)


def names(desk: Desk) -> list[str]:
    return [layer.name for layer in desk.viewer.layers]


def legend(desk: Desk) -> list[str]:
    return tab_of(desk).legend.text().split("\n")


def test_without_a_result_it_says_what_to_do(quick_desk: Desk) -> None:
    tab = tab_of(quick_desk)
    assert tab.title.text() == NOTHING
    assert tab._body.isHidden()


def test_the_tick_shows_the_last_block_below_the_mask_and_hides_it_again(
    desk: Desk, settle: Callable[[], None]
) -> None:
    tab, layers = tab_of(desk), desk.viewer.layers
    assert not tab.shown_box.isChecked()
    assert tab.title.text().startswith("of “retina / mask” · severity: glaucoma")
    assert tab.block_slider.value() == N_BLOCKS - 1
    assert names(desk) == ["retina", "retina / mask"]
    desk.click(tab.shown_box)
    settle()
    assert names(desk) == ["retina", "retina / experts", "retina / mask"]
    experts = layers["retina / experts"]
    np.testing.assert_array_equal(experts.data, np.full((SIDE, SIDE), N_BLOCKS - 1))
    assert experts.visible
    assert not experts.editable
    assert layers["retina / mask"].contour > 0
    assert tab.shown_box.isChecked()
    desk.click(tab.shown_box)
    settle()
    assert not experts.visible
    assert layers["retina / mask"].contour == 0
    assert not tab.shown_box.isChecked()


def test_the_slider_goes_through_the_blocks_and_shows_the_map(
    desk: Desk, settle: Callable[[], None]
) -> None:
    tab = tab_of(desk)
    for block in reversed(range(N_BLOCKS - 1)):
        tab.block_slider.setValue(block)
        settle()
        experts = desk.viewer.layers["retina / experts"]
        assert set(np.unique(experts.data)) == {block}
        shown = experts.metadata["napari-dmoe"]["shows"]
        assert shown == f"dominant expert, block {block}"
    assert tab.shown_box.isChecked()
    assert sum("/ experts" in name for name in names(desk)) == 1


def test_each_map_has_its_layer_and_its_colours(
    desk: Desk, settle: Callable[[], None]
) -> None:
    tab, layers = tab_of(desk), desk.viewer.layers
    tab.block_slider.setValue(1)
    choose_map(desk, "Gate of expert")
    tab.expert_combo.setCurrentIndex(2)
    tab.expert_combo.activated.emit(2)
    settle()
    gates = layers["retina / gates"]
    assert gates.visible
    assert gates.data[0, 0] == pytest.approx(0.29)
    assert not layers["retina / experts"].visible
    assert tuple(gates.contrast_limits) == (0, 1)
    top = np.round(255 * np.asarray(gates.colormap.colors[-1, :3]))
    np.testing.assert_array_equal(top, expert_colours(N_EXPERTS)[2])
    assert not tab.bar.isHidden()
    choose_map(desk, "Entropy of the gates")
    settle()
    p, q = 0.71, 0.29
    expected = -(p * np.log2(p) + q * np.log2(q))
    assert gates.data[0, 0] == pytest.approx(expected, abs=1e-5)
    assert gates.data[1, 1] == 0
    ends = [label.text() for label in tab.bar._ends]
    assert ends == ["0", "1 bits"]
    choose_map(desk, "Dominant expert")
    settle()
    assert layers["retina / experts"].visible
    assert not gates.visible
    assert tab.bar.isHidden()


def test_choosing_an_expert_chooses_its_map(
    desk: Desk, settle: Callable[[], None]
) -> None:
    tab = tab_of(desk)
    desk.qtbot.keyClick(tab.expert_combo, Qt.Key.Key_Down)
    settle()
    assert tab.overlay().name == "gate"
    assert tab.overlay().expert == 1
    assert desk.viewer.layers["retina / gates"].visible


def test_the_legend_names_every_expert_its_colour_and_its_share(
    desk: Desk, settle: Callable[[], None]
) -> None:
    tab_of(desk).block_slider.setValue(1)
    settle()
    first = 1 - 0.29 / SIDE**2
    shares = ["0%", f"{first:.0%}", f"{1 - first:.0%}", "0%", "0%"]
    assert legend(desk) == [f"expert {i}\t{share}" for i, share in enumerate(shares)]
    layer = desk.viewer.layers["retina / experts"]
    for row in tab_of(desk).legend._rows:
        expert = int(row.name.split()[-1])
        shown = np.round(255 * layer.colormap.map(np.array([expert]))[0][:3])
        np.testing.assert_array_equal(shown, row.colour)


def test_a_map_that_was_hidden_in_the_list_of_layers_is_unticked_and_stays_hidden(
    desk: Desk, settle: Callable[[], None]
) -> None:
    tab, layers = tab_of(desk), desk.viewer.layers
    desk.click(tab.shown_box)
    settle()
    layers["retina / experts"].visible = False
    settle()
    assert not tab.shown_box.isChecked()
    desk.choose("severity", "healthy")
    desk.run()
    assert not layers["retina / experts"].visible
    layers.remove("retina / experts")
    settle()
    assert not tab.shown_box.isChecked()
    desk.click(tab.shown_box)
    assert layers["retina / experts"].visible


def test_a_new_result_brings_its_own_map(
    desk: Desk, settle: Callable[[], None]
) -> None:
    desk.click(tab_of(desk).shown_box)
    desk.choose("severity", "healthy")
    desk.run()
    settle()
    experts = desk.viewer.layers["retina / experts"]
    assert experts.visible
    assert experts.metadata["napari-dmoe"]["drivers"][0]["value"] == "healthy"
    assert "severity: healthy" in tab_of(desk).title.text()


def test_an_unknown_driver_is_said_to_be_a_mean(
    desk: Desk, settle: Callable[[], None]
) -> None:
    assert tab_of(desk).note.text() == ""
    desk.choose("severity", "unknown")
    desk.run()
    settle()
    tab = tab_of(desk)
    assert "severity: unknown" in tab.title.text()
    assert "Mean over 3 values" in tab.note.text()
    assert not tab.note.isHidden()
    choose_map(desk, "Entropy of the gates")
    settle()
    assert "looks like 1" in tab.note.text()


def test_a_network_without_experts_says_so_and_offers_no_map(
    desk: Desk, settle: Callable[[], None]
) -> None:
    desk.click(tab_of(desk).shown_box)
    desk.segment.has_routing = False
    desk.run()
    settle()
    tab = tab_of(desk)
    assert "network without experts" in tab.title.text()
    assert tab._body.isHidden()
    assert not desk.viewer.layers["retina / experts"].visible


def test_a_map_is_never_taken_for_an_image_to_segment(
    desk: Desk, settle: Callable[[], None]
) -> None:
    choose_map(desk, "Entropy of the gates")
    settle()
    session, layers = session_of(desk.viewer), desk.viewer.layers
    layers.selection.active = layers["retina / gates"]
    assert session.image is layers["retina"]
    assert session.images() == [layers["retina"]]
    combo = desk.dock.tab.image.combo
    assert [combo.itemText(i) for i in range(combo.count())] == ["retina"]


def test_every_part_can_be_reached_by_keyboard_and_explains_itself(desk: Desk) -> None:
    tab = tab_of(desk)
    parts = (tab.shown_box, tab.block_slider, tab.expert_combo, *tab.kinds.buttons())
    for part in parts:
        assert part.focusPolicy() != Qt.FocusPolicy.NoFocus
        assert part.toolTip()
        is_button = isinstance(part, QAbstractButton)
        assert part.text() if is_button else part.accessibleName()
