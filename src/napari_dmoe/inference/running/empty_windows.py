"""Windows of a volume that show nothing, which may be passed over.

A window is empty where all its numbers are the same as the network would see them:
after the card's window of intensities, so that all that lies at or below its lower end,
such as air around a body, is one number, and with what pads a small volume.
"""

from __future__ import annotations

from torch import Tensor

BACKGROUND_LOGIT = 20.0
"""Score of the background, the others' being 0, where no window was run: its
probability is 1 to eight digits."""

LOAD_NOT_COMPARED = (
    "not all of the volume was run, so the experts' load was not compared with that of "
    "the training"
)
"""Said of runs that were not whole."""


class EmptyWindows:
    """Tells which windows are run, and counts the others.

    Parameters
    ----------
    are_skipped : bool
        Whether any is passed over.
    background : str
        What the class is called that is where no window was run.
    """

    def __init__(self, background: str, *, are_skipped: bool) -> None:
        self._are_skipped, self._background = are_skipped, background
        self.n_skipped = self._n_seen = 0

    def shown(self, windows: Tensor) -> list[int]:
        """Return which of some windows (P, C, d, h, w) show anything, by place."""
        places = list(range(len(windows)))
        if self._are_skipped:
            places = [i for i in places if windows[i].min() != windows[i].max()]
        self._n_seen += len(windows)
        self.n_skipped += len(windows) - len(places)
        return places

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know."""
        if not self._are_skipped:
            return ()
        if not self.n_skipped:
            return (f"none of {self._n_seen:,} windows is empty: all were run",)
        return (
            f"{self.n_skipped:,} of {self._n_seen:,} windows show nothing and were not "
            f"run: what only they cover is {self._background}, and no expert was asked "
            "there",
            LOAD_NOT_COMPARED,
        )
