"""The keys that press the dock's one button, wherever in napari's window one is.

The manifest declares them, but napari 0.9 does not act on keys of manifests. So the
action is registered with napari, whose Preferences > Shortcuts list it from then on,
where a person can give it other keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakMethod

from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.interactions import Shortcut
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QObject, Signal

from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.ui.connections import Connections, at_its_end

ACTION = "napari-dmoe:segment"
KEYS = "Control-Enter"
DESCRIPTION = "Segment the image for its patient, or stop (dMoE)"

_docks: WeakKeyDictionary[ViewerModel, list[_Dock]] = WeakKeyDictionary()
_are_registered: list[bool] = []


class _Dock:
    """What is called for one dock, as long as it is there."""

    def __init__(self, viewer: ViewerModel, press: Callable[[], None]) -> None:
        self.press = WeakMethod(press)
        self._all = _docks.setdefault(viewer, [])
        self._all.append(self)

    def leave(self) -> None:
        if self in self._all:
            self._all.remove(self)


class SegmentShortcut(QObject):
    """Calls a method of a dock, which owns it, when the keys are pressed."""

    changed = Signal(str)
    """A person gave it other keys; how this system writes them."""

    def __init__(
        self, owner: QObject, viewer: ViewerModel, press: Callable[[], None]
    ) -> None:
        super().__init__(owner)
        _register()
        at_its_end(self, _Dock(plain(viewer), press).leave)
        Connections(self).add(action_manager.events.shortcut_changed, self._on_changed)

    @property
    def keys(self) -> str:
        """The keys, as this system writes them; empty where there are none."""
        own = get_settings().shortcuts.shortcuts.get(ACTION, [KEYS])
        return Shortcut(own[0]).platform if own else ""

    def _on_changed(self, event: Any) -> None:
        if event.name == ACTION:
            keys = event.shortcut
            self.changed.emit(Shortcut(keys).platform if keys else "")


def has_dock(viewer: ViewerModel) -> bool:
    """Say whether a viewer has a dock."""
    return bool(_docks.get(plain(viewer)))


def press(viewer: ViewerModel) -> None:
    """Press the button of the viewer's dock; of several, of the last one."""
    for dock in reversed(_docks.get(plain(viewer), [])):
        method = dock.press()
        if method is not None:
            method()
            return


def _register() -> None:
    """Let napari know the action and its keys, once."""
    if _are_registered:
        return
    _are_registered.append(True)
    action_manager.register_action(ACTION, press, DESCRIPTION, ViewerModel)
    settings = get_settings().shortcuts
    if ACTION not in settings.shortcuts:  # else napari bound those of a person
        action_manager.bind_shortcut(ACTION, KEYS)
    settings.events.shortcuts.connect(_forget_ours)


def _forget_ours(event: Any) -> None:
    """Keep no keys of ours in napari's settings, unless a person chose them.

    napari writes down all keys when any are changed, and warns when it starts of those
    whose plugin it has not loaded yet.
    """
    own = event.value.get(ACTION)
    if own == [coerce_keybinding(KEYS)]:
        kept = {name: keys for name, keys in event.value.items() if name != ACTION}
        get_settings().shortcuts.shortcuts = kept
