"""What a long-running function says while it works, and how it is told to stop.

Engines take ``progress``, any callable of one :class:`Progress`. A hook that raises
:class:`Cancelled` stops the engine at its next step; nothing else is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long job.

    Parameters
    ----------
    done, total : int
        Steps finished, and steps in all; ``0 <= done <= total``.
    message : str
        What is being done, for a person.
    """

    done: int
    total: int
    message: str = ""

    @property
    def fraction(self) -> float:
        """Share of the work done, in [0, 1]; 0 where the total is not known."""
        return self.done / self.total if self.total > 0 else 0.0


ProgressHook = Callable[[Progress], None]


class Cancelled(Exception):
    """Raised by a progress hook to stop the engine that called it."""


def silent(_: Progress) -> None:
    """Ignore progress; the default hook."""


Pulse = Callable[[], None]
"""Called now and then by work that has no steps to count; may raise `Cancelled`."""


def no_pulse() -> None:
    """Do nothing; the default pulse."""
