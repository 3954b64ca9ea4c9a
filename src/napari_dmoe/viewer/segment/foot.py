"""The foot of the dock: the button that segments and stops, and how it goes."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QWidget

from napari_dmoe.viewer.ui.foot import Foot


class RunFoot(Foot):
    """Names the device, lets a person segment and stop, and shows how it goes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self.device_label = QLabel("Device: looking …")
        super().__init__(
            "run",
            start="Segment",
            start_help="Segment the image for its patient (one click, one mask).",
            stop_help="Stop the run; it leaves no layer.",
            above=(self.device_label,),
            parent=parent,
        )

    def show_device(self, text: str) -> None:
        """Name the device."""
        self.device_label.setText(f"Device: {text}")
        self.device_label.setToolTip(
            "Where the model runs. Another device can be chosen under Advanced."
        )
