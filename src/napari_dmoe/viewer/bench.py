"""What the controls of one dock work with, and what a control and a tab are.

A section of the dock lays out widgets and ends in signals. Its control turns these
wishes into work, and what came of it into layers and texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.foot import Foot
from napari_dmoe.viewer.ui.work import Work


@dataclass(frozen=True)
class Bench:
    """What every control of one dock works with."""

    session: Session
    """The model, the images and whom they show, the results and the settings."""
    engines: Engines
    """What is set to work; tests pass others."""
    work: Work
    """Does it in the background, one thing at a time."""
    foot: Foot
    """The dock's foot, where the main job is started and stopped."""


class Control(QObject):
    """Connects a section of the dock with the session; the section owns it."""

    def __init__(self, bench: Bench, owner: QObject) -> None:
        super().__init__(owner)
        self._session, self._engines = bench.session, bench.engines
        self._work = bench.work


class TabControl(Control):
    """Makes a tab of the dock work: everything in it, and what it is called.

    Its owner is the tab, which :attr:`make` made.
    """

    title: ClassVar[str]
    tool_tip: ClassVar[str]
    has_own_foot: ClassVar[bool] = False
    """Whether the dock's foot is not needed while this tab is seen."""
    make: ClassVar[Callable[[], QWidget]]
    """Makes what stands in the tab."""

    def see(self, is_seen: bool) -> None:
        """Take note that the tab is seen, or no longer."""

    def abandon(self) -> None:
        """End what goes on: the dock is taken out of the window."""
