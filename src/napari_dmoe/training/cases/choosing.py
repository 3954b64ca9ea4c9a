"""Chooses cases of every group to hold out, without parting those that belong together.

Where every case is a lot of its own, the cases that are wished for are what is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


class Chooser:
    """Holds cases out, lot by lot.

    Parameters
    ----------
    lots : (N,) int64 array
        The lot of each case, counted from 0.
    values : (N, V) bool array
        Which values each case has: of each, and of all cases together, half at most is
        held out.
    """

    def __init__(self, lots: Places, values: NDArray[np.bool_]) -> None:
        self.held: NDArray[np.bool_] = np.zeros(len(lots), bool)
        """Which cases (N,) are held out."""
        self._lots = lots
        self._order = np.argsort(lots, kind="stable")
        self._ends = np.searchsorted(lots[self._order], np.arange(len(lots) + 1))
        everybody = np.ones((len(lots), 1), bool)
        self._values = np.concatenate([everybody, values], axis=1)
        self._left = self._values.sum(0) // 2

    def choose(self, group: Places, wishes: Sequence[Sequence[int] | None]) -> None:
        """Hold out as many of each group as are wished for: these, or others near them.

        Parameters
        ----------
        group : (N,) int64 array
            The group of each case.
        wishes : sequence of sequence of int, or None
            Places of cases by group; None for one that has enough and is not counted.
        """
        sizes = np.bincount(group, minlength=len(wishes))
        most = [n if w is None else len(w) for n, w in zip(sizes, wishes, strict=True)]
        room = np.array(most) - np.bincount(group[self.held], minlength=len(wishes))
        # Rare groups first: a lot of several groups may use up what others wish for.
        for number in np.argsort(sizes, kind="stable").tolist():
            if wishes[number]:
                self._fill(number, wishes[number] or (), group, room)

    def _fill(
        self, number: int, wished: Sequence[int], group: Places, room: Places
    ) -> None:
        members = np.flatnonzero(group == number)
        for first in wished:
            if room[number] <= 0:
                return
            start = int(np.searchsorted(members, first))
            for lot in self._that_may_go(members, start):
                counts = np.bincount(group[lot], minlength=len(room))
                if (counts <= room)[counts > 0].all():
                    self._take(lot, counts, room)
                    break
            else:
                break
        if not self.held[members].any():
            self._take_least(members, group, room)

    def _take_least(self, members: Places, group: Places, room: Places) -> None:
        """Hold out the lot that is least too large, where none fits."""
        lots = list(self._that_may_go(members, 0))
        counts = [np.bincount(group[lot], minlength=len(room)) for lot in lots]
        excess = [int((own - room).clip(0).sum()) for own in counts]
        if lots:
            least = excess.index(min(excess))
            self._take(lots[least], counts[least], room)

    def _that_may_go(self, members: Places, start: int) -> Iterator[Places]:
        """Yield lots, from one on and round, that leave enough to train on."""
        for place in chain(range(start, len(members)), range(start)):
            number = self._lots[members[place]]
            lot = self._order[self._ends[number] : self._ends[number + 1]]
            if not self.held[lot[0]]:
                values = self._values[lot].sum(0)
                if (values <= self._left)[values > 0].all():
                    yield lot

    def _take(self, lot: Places, counts: Places, room: Places) -> None:
        self.held[lot] = True
        self._left -= self._values[lot].sum(0)
        room -= counts
