"""Keeps the shares that a person states for unknown drivers in the session."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.session.shares import restated
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.what_if.shares import DriverShares, PriorsSection


class PriorsControl(QObject):
    """Connects the section of shares with the session.

    Parameters
    ----------
    session : Session
        Keeps the shares, as long as its model stays.
    section : PriorsSection
        Where they are entered; owns this object.
    """

    def __init__(self, session: Session, section: PriorsSection) -> None:
        super().__init__(section)
        self._session, self._section = session, section
        connections = Connections(self)
        connections.add(session.model_changed, self.show)
        connections.add(session.shares.changed, self.show)
        section.share_entered.connect(self._on_entered)
        section.reset_requested.connect(session.shares.reset)
        self.show()

    def show(self) -> None:
        """Show the shares of the model's drivers."""
        self._section.show_drivers(self._drivers())

    def _drivers(self) -> list[DriverShares]:
        model, stated = self._session.model, self._session.shares.by_driver
        return [
            DriverShares(
                attribute=each.name,
                label=each.label,
                values=each.values,
                shares=stated.get(each.name, each.prior),
                is_stated=each.name in stated,
            )
            for each in (() if model is None else model.card.attributes)
        ]

    def _on_entered(self, attribute: str, place: int, share: float) -> None:
        for driver in self._drivers():
            if driver.attribute == attribute:
                shares = restated(driver.shares, place, share)
                self._session.shares.state(attribute, shares)
