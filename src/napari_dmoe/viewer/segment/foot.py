"""The foot of the dock: how a run goes, and Stop where Segment is far."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.foot import Foot
from napari_dmoe.viewer.ui.parts import button, line

STOP = "Stop the run; it leaves no layer."


class RunFoot(Foot):
    """Shows how a run goes, and knows the device.

    Its button, which segments and stops, stands under the patient in the Segment tab.
    While other tabs are seen, :attr:`stop_button` takes its place in the foot.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self.device_label = line(name="device")  # its name may be long
        """Stands elsewhere: beside the choice of a device."""
        self.device_label.setText("Device: looking …")
        self.stop_button = button("Stop", STOP)
        self._is_far, self._keys = False, ""
        super().__init__(
            "run",
            start="Segment",
            start_help="Segment the image for its patient (one click, one mask).",
            stop_help=STOP,
            beside=(self.stop_button,),
            is_elsewhere=True,
            parent=parent,
        )
        self.stop_button.clicked.connect(self._on_clicked)

    def show_device(self, text: str) -> None:
        """Name the device."""
        self.device_label.setText(f"Device: {text}")
        self.device_label.setToolTip(
            f"{text}. Where the model runs; another can be chosen below."
        )

    def show_keys(self, keys: str) -> None:
        """Name the keys that do what the button does."""
        self._keys = keys
        self._show_button()

    def show_far(self, is_far: bool) -> None:
        """Take note that the button cannot be seen, so that the foot has its own."""
        self._is_far = is_far
        self._show_button()

    def _show_button(self) -> None:
        super()._show_button()
        if self._keys:
            self.button.setToolTip(f"{self.button.toolTip()} ({self._keys})")
        has_stop = self._is_running and self._is_far
        self.stop_button.setVisible(has_stop)
        self.words_link.setVisible(not has_stop)
        self.stop_button.setEnabled(self.button.isEnabled())

    def _on_clicked(self) -> None:
        super()._on_clicked()
        self.stop_button.setEnabled(self.button.isEnabled())
