"""The dock comes up by itself beside our samples, and only once."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import napari
import numpy as np
import pytest
from desk import IMAGE, Desk
from napari._app_model import get_app_model
from napari.components import ViewerModel
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDockWidget

from napari_dmoe.viewer import coming_up
from napari_dmoe.viewer.coming_up import open_dock, segment_now
from napari_dmoe.viewer.contributions import phantom_skin
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui

SAMPLE = "napari-dmoe", "phantom-skin"
LONG_ENOUGH_MS = 150  # a dock that comes up has done so by then


class Noted(DMoEDock):
    """A dock that does not look around, which takes long."""

    def __init__(self, viewer: napari.Viewer) -> None:
        from napari_dmoe.viewer.engines import Engines, Surroundings

        there = Surroundings("CPU", ("auto", "cpu"), ())
        engines = Engines(look_around=lambda: there, recent_models=lambda: ())
        super().__init__(viewer, engines=engines)


def docks(viewer: napari.Viewer) -> list[DMoEDock]:
    shown = viewer.window.dock_widgets.values()
    return [each for each in shown if isinstance(each, DMoEDock)]


@pytest.fixture
def window(
    make_napari_viewer: Callable[..., napari.Viewer], monkeypatch: pytest.MonkeyPatch
) -> napari.Viewer:
    monkeypatch.setattr(coming_up, "DMoEDock", Noted)
    return make_napari_viewer()


def test_a_sample_brings_up_the_dock_once_its_layers_are_there(
    window: napari.Viewer, qtbot: QtBot
) -> None:
    window.open_sample(*SAMPLE)
    assert not docks(window)  # not in the middle of what napari does
    qtbot.waitUntil(lambda: len(docks(window)) == 1)
    window.open_sample(*SAMPLE)
    qtbot.wait(LONG_ENOUGH_MS)
    assert len(docks(window)) == 1
    assert list(window.window.dock_widgets) == ["Segment for a patient (dMoE)"]


def test_a_dock_that_was_hidden_is_shown_again(
    window: napari.Viewer, qtbot: QtBot
) -> None:
    dock = open_dock(window)
    dock.parent().hide()
    assert not dock.isVisibleTo(dock.parent().parent())
    window.open_sample(*SAMPLE)
    qtbot.waitUntil(lambda: dock.isVisibleTo(dock.parent().parent()))
    assert docks(window) == [dock]


def test_the_shortcut_brings_up_the_dock_that_the_menu_knows(
    window: napari.Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(napari, "current_viewer", lambda: window)
    segment_now()
    assert list(window.window.dock_widgets) == ["Segment for a patient (dMoE)"]


def test_a_picture_beside_a_volume_is_looked_at_and_chosen(
    window: napari.Viewer,
) -> None:
    window.add_image(np.zeros((9, 20, 20), np.float32), scale=(3, 1, 1))
    session = session_of(window)
    (picture,) = window.open_sample(*SAMPLE)
    assert session.image is picture
    middle = np.mean(picture.extent.world, axis=0)
    assert window.camera.center[-2:] == pytest.approx(middle)


def test_another_image_brings_up_nothing(window: napari.Viewer, qtbot: QtBot) -> None:
    phantom_skin()  # asked for, and put nowhere
    window.add_image(IMAGE)
    qtbot.wait(LONG_ENOUGH_MS)
    assert not docks(window)


def test_a_sample_without_a_window_or_in_one_that_is_closed_brings_up_nothing(
    window: napari.Viewer, qtbot: QtBot
) -> None:
    viewer = ViewerModel()
    viewer.open_sample(*SAMPLE)
    qtbot.wait(LONG_ENOUGH_MS)
    assert not docks(window)
    window.open_sample(*SAMPLE)
    window.close()
    qtbot.wait(LONG_ENOUGH_MS)


def test_a_dock_that_somebody_put_there_is_enough(
    window_desk: Desk, qtbot: QtBot
) -> None:
    window_desk.viewer.open_sample(*SAMPLE)
    qtbot.wait(LONG_ENOUGH_MS)
    assert docks(window_desk.viewer) == [window_desk.dock]


def test_the_command_of_the_manifest_lets_the_dock_come_up_and_then_presses(
    window: napari.Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = PluginManifest.from_file(resources.files("napari_dmoe") / "napari.yaml")
    (command,) = (
        each
        for each in manifest.contributions.commands
        if each.id == "napari-dmoe.segment"
    )
    segment_now = import_python_name(command.python_name)
    pressed: list[bool] = []
    monkeypatch.setattr(DMoEDock, "press", lambda self: pressed.append(True))
    segment_now()
    (dock,) = docks(window)
    assert pressed == []
    segment_now()
    assert docks(window) == [dock]
    assert pressed == [True]


def by_script(viewer: napari.Viewer) -> None:
    viewer.window.add_plugin_dock_widget("napari-dmoe", "Segment for a patient")


def by_menu(viewer: napari.Viewer) -> None:
    command = get_app_model().commands.execute_command("napari-dmoe.open_dock")
    assert command.exception() is None


def by_hand(viewer: napari.Viewer) -> None:
    viewer.window.add_dock_widget(coming_up.DMoEDock(viewer), name="my own")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (by_script, by_menu),
        (by_script, open_dock),
        (by_menu, by_script),
        (open_dock, by_script),
        (by_hand, by_script),
        (by_hand, by_menu),
        (by_hand, open_dock),
    ],
)
def test_whatever_opened_it_there_is_one_dock_and_it_comes_up(
    window: napari.Viewer,
    qtbot: QtBot,
    first: Callable[[napari.Viewer], object],
    then: Callable[[napari.Viewer], object],
) -> None:
    first(window)
    (dock,) = docks(window)
    then(window)
    qtbot.wait(LONG_ENOUGH_MS)
    assert docks(window) == [dock]
    holder = dock.parent()
    assert isinstance(holder, QDockWidget)
    assert not holder.isHidden()


def test_a_dock_that_moves_goes_on_with_its_work(window: napari.Viewer) -> None:
    dock, abandoned = open_dock(window), list[str]()
    for control in dock._controls:
        control.abandon = lambda: abandoned.append("")  # type: ignore[method-assign]
    by_script(window)
    assert docks(window) == [dock]
    assert not abandoned
    window.window.remove_dock_widget(dock)
    assert len(abandoned) == len(dock._controls)
