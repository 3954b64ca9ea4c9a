"""Maps of numbers from 0 on in single bytes: what they stand for, and how well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE = 255
"""The byte that stands for the largest number."""


@dataclass(frozen=True)
class Scaled:
    """What the bytes of some maps stand for.

    Parameters
    ----------
    what : str
        In words, with the unit.
    most : float
        The number that 255 stands for; 0 stands for 0.
    channels : tuple of str
        What each map is called.
    axis : str
        Name of the axis that they stand along, in one letter.

    Examples
    --------
    >>> whole = Scaled("a share", 2.0, ("of all",), "k")
    >>> whole.numbers(whole.bytes(np.array([0.0, 1.0, 2.0]))).round(2).tolist()
    [0.0, 1.0, 2.0]
    """

    what: str
    most: float
    channels: tuple[str, ...]
    axis: str

    @property
    def step(self) -> float:
        """What one step of a byte stands for; numbers are right to half of it."""
        return self.most / WHOLE

    @property
    def facts(self) -> dict[str, Any]:
        """The same for a file: a number is its byte times ``scale``."""
        return {"what": self.what, "scale": self.step, "channels": list(self.channels)}

    def bytes(self, maps: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return numbers in [0, most] as the nearest bytes."""
        shares = np.clip(maps * (WHOLE / self.most), 0, WHOLE)
        return np.asarray(np.rint(shares), np.uint8)

    def numbers(self, stored: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the numbers that bytes stand for."""
        return np.asarray(stored, np.float32) * np.float32(self.step)
