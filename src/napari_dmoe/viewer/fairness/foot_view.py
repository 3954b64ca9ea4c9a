"""The foot of the fairness dock: starts an audit, stops and resumes it, reports it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_dmoe.viewer.ui.foot import Foot
from napari_dmoe.viewer.ui.parts import StartButton, allow, button, row

RUN, RESUME = "Run", "Resume"
_RUN_HELP = "Evaluate every case of the cohort with each of what is compared."
_RESUME_HELP = "Go on where it was stopped: what is done is kept."
_REPORT_HELP = (
    "Write the report of what is shown (HTML, CSV, JSON) beside the audit, and open it "
    "in the browser."
)


class AuditFoot(Foot):
    """Its button begins, stops or resumes; another one writes the report."""

    report_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        self.report_button = button("Report…", _REPORT_HELP, kind=StartButton)
        super().__init__(
            "audit",
            start=RUN,
            start_help=_RUN_HELP,
            stop_help="Stop after this case; what is done is kept.",
            is_elsewhere=True,
            parent=parent,
        )
        buttons, layout = row(self.button, self.report_button), self.layout()
        if isinstance(layout, QVBoxLayout):
            layout.insertWidget(0, buttons)
        self.report_button.clicked.connect(self.report_requested)
        self.show_report("")

    def show_start(self, why_not: str, *, is_resumed: bool) -> None:
        """Say what the button begins, or why it cannot."""
        self._start = RESUME if is_resumed else RUN
        self._helps = (_RESUME_HELP if is_resumed else _RUN_HELP, self._helps[1])
        self.show_ready(why_not)

    def show_report(self, why_not: str) -> None:
        """Let the report be written, or say why not."""
        allow(self.report_button, why_not, _REPORT_HELP)
