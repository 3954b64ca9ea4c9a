"""The one button: where it stands, what it lacks, and the keys that press it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.theme import get_theme
from npe2 import PluginManifest
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QPalette

from napari_dmoe.viewer.engines import Surroundings
from napari_dmoe.viewer.ui.shortcut import (
    NEXT,
    PREVIOUS,
    SEGMENT,
    has_dock,
    press,
)

pytestmark = pytest.mark.gui

WIDTHS = [250, 300, 400, 600]


def lay_out(desk: Desk, width: int, height: int = 620) -> None:
    """Give the dock the room that it has in a window."""
    desk.dock.setMinimumWidth(0)
    desk.dock.resize(width, height)
    desk.dock.show()
    desk.qtbot.waitExposed(desk.dock)
    desk.settle()


def place_of(desk: Desk) -> QRect:
    """Return where the button stands in the dock."""
    button = desk.dock.footer.button
    return QRect(button.mapTo(desk.dock, button.rect().topLeft()), button.size())


@pytest.mark.parametrize("width", WIDTHS)
def test_it_never_moves(desk: Desk, width: int) -> None:
    lay_out(desk, width)
    ready = place_of(desk)
    assert ready.width() <= width
    desk.segment.gate.clear()
    desk.click_segment()
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    assert desk.dock.footer.button.text() == "Stop"
    assert place_of(desk) == ready
    desk.click_segment()  # Stop
    desk.wait_until_idle()
    assert place_of(desk) == ready
    desk.segment.gate.set()
    desk.run()
    assert place_of(desk) == ready
    desk.choose("severity", "suspect")
    desk.wait_until_idle()
    assert place_of(desk) == ready
    desk.type("age", "sixty")  # which cannot be read
    assert not desk.dock.footer.button.isEnabled()
    assert place_of(desk) == ready
    desk.type("age", "60")
    desk.segment.error = RuntimeError("a long reason " * 20)
    desk.run()
    assert desk.status.startswith("Failed: ")
    assert place_of(desk) == ready
    desk.viewer.layers.clear()
    desk.settle()
    assert place_of(desk) == ready


@pytest.mark.parametrize("width", WIDTHS)
def test_of_a_low_window_a_useful_piece_is_left_for_the_result(
    desk: Desk, width: int
) -> None:
    lay_out(desk, width, height=600)  # of a window of 700
    assert desk.segmenting.tab.body.height() >= 200
    assert desk.dock.width() == width


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_has_the_accent_of_the_theme(desk: Desk, theme: str) -> None:
    desk.viewer.theme = "light" if theme == "dark" else "dark"
    desk.viewer.theme = theme
    lay_out(desk, 300)
    shown = desk.dock.footer.button.palette().color(QPalette.ColorRole.Button).name()
    assert shown == get_theme(theme).current.as_hex("long")


def test_without_anything_it_offers_what_is_missing(make_desk: object) -> None:
    desk = make_desk(look_around=lambda: Surroundings("CPU", ("auto", "cpu"), ()))
    action = desk.segmenting.tab.action
    assert (desk.reason, action.link.text()) == ("No model is loaded.", "Open a model…")
    assert not desk.dock.footer.button.isEnabled()


def test_without_an_image_it_offers_a_sample(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    action = desk.segmenting.tab.action
    assert (desk.reason, action.link.text()) == ("No image is open.", "Open a sample")
    assert not desk.status


def test_an_image_that_does_not_fit_offers_one_that_does(desk: Desk) -> None:
    desk.viewer.add_image(
        np.zeros((5, 30, 40), np.uint8), axis_labels=("c", "y", "x"), name="five"
    )
    desk.settle()
    action = desk.segmenting.tab.action
    assert action.link.text() == "Choose a channel"
    assert not desk.dock.footer.button.isEnabled()
    assert "5 channels" in desk.fit
    assert desk.reason == ""  # the line above says it


def test_a_plane_offers_the_model_of_planes(
    make_desk: Callable[..., Desk], models: dict[str, object], volume_model: object
) -> None:
    models["volumes"] = volume_model
    dims = {"fundus": 2, "age": 2, "volumes": 3}
    titles = {"fundus": "Fundus (phantom-trained), driven by severity"}
    found = Surroundings("CPU", ("auto",), tuple(models), titles=titles, dims=dims)
    desk = make_desk(look_around=lambda: found)
    desk.load("volumes")
    desk.viewer.add_image(IMAGE, name="retina")
    link = desk.segmenting.tab.action.link
    assert link.text() == "Use Fundus instead"
    desk.click(link)
    desk.wait_until_idle()
    assert desk.session.model_origin == "fundus"
    assert not link.isVisibleTo(desk.dock)
    assert desk.dock.footer.button.isEnabled()


def test_on_other_tabs_the_foot_stops_what_goes_on(desk: Desk) -> None:
    footer, tabs = desk.dock.footer, desk.dock.tabs
    desk.segment.gate.clear()
    desk.click_segment()
    assert not footer.stop_button.isVisibleTo(desk.dock)
    tabs.setCurrentIndex(1)
    assert footer.stop_button.isVisibleTo(desk.dock)
    desk.click(footer.stop_button)
    desk.wait_until_idle()
    assert desk.masks == []
    assert not footer.stop_button.isVisibleTo(desk.dock)


def test_the_manifest_declares_the_keys() -> None:
    manifest = PluginManifest.from_distribution("napari-dmoe")
    keys = {each.command: each.key for each in manifest.contributions.keybindings}
    assert keys == {
        "napari-dmoe.segment": "Ctrl+Enter",
        "napari-dmoe.previous_image": "Ctrl+K",
        "napari-dmoe.next_image": "Ctrl+J",
    }
    assert keys.keys() <= {each.id for each in manifest.contributions.commands}


def test_the_tooltip_names_the_keys_and_follows_them(desk: Desk) -> None:
    button = desk.dock.footer.button
    assert "(Ctrl+" in button.toolTip()
    action_manager.unbind_shortcut(SEGMENT.name)
    try:
        assert "(Ctrl+" not in button.toolTip()
        action_manager.bind_shortcut(SEGMENT.name, "Control-U")
        assert "(Ctrl+U)" in button.toolTip()
    finally:
        action_manager.unbind_shortcut(SEGMENT.name)
        action_manager.bind_shortcut(SEGMENT.name, SEGMENT.keys)


def test_the_keys_are_nobody_elses(window_desk: Desk) -> None:
    shortcuts = get_settings().shortcuts.shortcuts
    taken = {str(key) for keys in shortcuts.values() for key in keys}
    assert "Ctrl+E" in taken
    assert taken.isdisjoint({"Ctrl+Enter", "Ctrl+J", "Ctrl+K"})


def test_the_keys_segment_and_stop_from_anywhere(window_desk: Desk) -> None:
    desk = window_desk
    desk.segment.gate.clear()
    desk.dock.tabs.setCurrentIndex(1)
    control = Qt.KeyboardModifier.ControlModifier
    desk.qtbot.keyClick(desk.dock, Qt.Key.Key_Return, control)
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    assert desk.dock.tabs.currentWidget() is desk.segmenting.tab
    combo = desk.segmenting.tab.patient.inputs["severity"].combo
    desk.qtbot.keyClick(combo, Qt.Key.Key_Return, control)
    desk.wait_until_idle()
    assert desk.masks == []


def test_napari_keeps_our_keys_only_where_a_person_chose_them(desk: Desk) -> None:
    shortcuts = get_settings().shortcuts
    before = dict(shortcuts.shortcuts)
    try:  # as its preferences write all keys down when any are changed
        ours = {each.name: [each.keys] for each in (SEGMENT, PREVIOUS, NEXT)}
        shortcuts.shortcuts = {**before, **ours}
        assert ours.keys().isdisjoint(shortcuts.shortcuts)
        shortcuts.shortcuts = {**before, **ours, NEXT.name: ["Control-U"]}
        assert shortcuts.shortcuts.keys() & ours.keys() == {NEXT.name}
    finally:
        shortcuts.shortcuts = before


def test_keys_of_a_viewer_reach_its_own_dock(make_desk: Callable[..., Desk]) -> None:
    first, second = make_desk(ViewerModel()), make_desk(ViewerModel())
    for desk in (first, second):
        desk.viewer.add_image(IMAGE, name="retina")
    press(second.viewer)
    second.wait_until_idle()
    assert (len(first.segment.calls), len(second.segment.calls)) == (0, 1)
    assert not has_dock(ViewerModel())


def test_the_link_tells_models_of_one_subject_apart(
    make_desk: Callable[..., Desk], models: dict[str, object]
) -> None:
    titles = {
        "fundus": "Fundus (phantom-trained), driven by severity",
        "age": "Fundus (phantom-trained), driven by age",
    }
    found = Surroundings("CPU", ("auto",), tuple(models), titles=titles)
    desk = make_desk(look_around=lambda: found)
    desk.load("age")
    sample = {"napari-dmoe": {"model": "fundus"}}
    desk.viewer.add_image(IMAGE, name="mole", metadata=sample)
    desk.segmenting.loader.choose("age")
    desk.wait_until_idle()
    link = desk.segmenting.tab.action.link
    assert link.text() == "Use Fundus, driven by severity instead"
