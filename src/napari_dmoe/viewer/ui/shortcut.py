"""Keys that do something in the dock, wherever in napari's window one is.

The manifest declares them, but napari 0.9 does not act on keys of manifests. So the
actions are registered with napari, whose Preferences > Shortcuts list them from then
on, where a person can give them other keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakMethod

from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.interactions import Shortcut as Keys
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QObject, Signal

from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.ui.connections import Connections, at_its_end


@dataclass(frozen=True)
class Action:
    """Something that keys do."""

    name: str
    keys: str
    description: str
    """What Preferences call it."""


SEGMENT = Action(
    "napari-dmoe:segment",
    "Control-Enter",
    "Segment the image for its patient, or stop (dMoE)",
)
PREVIOUS = Action(
    "napari-dmoe:previous_image", "Control-K", "Show the previous image (dMoE)"
)
NEXT = Action("napari-dmoe:next_image", "Control-J", "Show the next image (dMoE)")
"""A letter with Ctrl reaches napari from lists, combo boxes and buttons, too."""

_ALL = SEGMENT, PREVIOUS, NEXT
_docks: WeakKeyDictionary[ViewerModel, list[_Dock]] = WeakKeyDictionary()
_are_registered: list[bool] = []


class _Dock:
    """What an action calls in one dock, as long as it is there."""

    def __init__(
        self, viewer: ViewerModel, action: Action, press: Callable[[], None]
    ) -> None:
        self.action, self.press = action, WeakMethod(press)
        self._all = _docks.setdefault(viewer, [])
        self._all.append(self)

    def leave(self) -> None:
        if self in self._all:
            self._all.remove(self)


class Shortcut(QObject):
    """Calls a method of something in a dock, which owns it, when keys are pressed."""

    changed = Signal(str)
    """A person gave it other keys; how this system writes them."""

    def __init__(
        self,
        owner: QObject,
        viewer: ViewerModel,
        action: Action,
        press: Callable[[], None],
    ) -> None:
        super().__init__(owner)
        _register()
        self._action = action
        at_its_end(self, _Dock(plain(viewer), action, press).leave)
        Connections(self).add(action_manager.events.shortcut_changed, self._on_changed)

    @property
    def keys(self) -> str:
        """The keys, as this system writes them; empty where there are none."""
        known, action = get_settings().shortcuts.shortcuts, self._action
        own = known.get(action.name, [action.keys])
        return Keys(own[0]).platform if own else ""

    def _on_changed(self, event: Any) -> None:
        if event.name == self._action.name:
            keys = event.shortcut
            self.changed.emit(Keys(keys).platform if keys else "")


def has_dock(viewer: ViewerModel) -> bool:
    """Say whether a viewer has a dock."""
    return bool(_docks.get(plain(viewer)))


def press(viewer: ViewerModel, action: Action = SEGMENT) -> None:
    """Do what an action does in the viewer's dock; of several, in the last one."""
    for dock in reversed(_docks.get(plain(viewer), [])):
        method = dock.press() if dock.action == action else None
        if method is not None:
            method()
            return


def _pressing(action: Action) -> Callable[[ViewerModel], None]:
    """Return what napari calls for an action: a function whose viewer it fills in."""

    def pressed(viewer: ViewerModel) -> None:
        press(viewer, action)

    return pressed


def _register() -> None:
    """Let napari know the actions and their keys, once."""
    if _are_registered:
        return
    _are_registered.append(True)
    settings = get_settings().shortcuts
    for each in _ALL:
        told = each.name, _pressing(each), each.description
        action_manager.register_action(*told, ViewerModel)
        if each.name not in settings.shortcuts:  # else napari bound those of a person
            action_manager.bind_shortcut(each.name, each.keys)
    settings.events.shortcuts.connect(_forget_ours)


def _forget_ours(event: Any) -> None:
    """Keep no keys of ours in napari's settings, unless a person chose them.

    napari writes down all keys when any are changed, and warns when it starts of those
    whose plugin it has not loaded yet.
    """
    ours = {each.name: [coerce_keybinding(each.keys)] for each in _ALL}
    known = event.value.items()
    kept = {name: keys for name, keys in known if ours.get(name) != keys}
    if len(kept) < len(event.value):
        get_settings().shortcuts.shortcuts = kept
