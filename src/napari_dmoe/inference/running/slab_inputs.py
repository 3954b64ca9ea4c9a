"""Windows cut from a volume of which no more than a slab is in memory.

On the way what the network sees is digested, and some planes are kept to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from napari_dmoe.imaging.appearance import every_plane
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.results.provenance import InputDigest
from napari_dmoe.inference.running.overlapping import ReadAhead
from napari_dmoe.inference.running.sums import Ring
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.progress import Pulse, no_pulse


class SlabInputs:
    """The inputs that a network sees of one volume, window by window.

    Parameters
    ----------
    volume : ModelVolume
        The volume.
    windows : Windows
        Where the windows lie in it.
    digest : InputDigest
        Takes what the network sees, plane after plane along z.
    begin : int
        The first plane along the longest axis of which a window is asked for.
    is_looked_at : bool
        Whether planes are kept to be looked at.
    pulse : callable
        Called now and then while the volume is read.
    """

    def __init__(
        self,
        volume: ModelVolume,
        windows: Windows,
        digest: InputDigest,
        *,
        begin: int = 0,
        is_looked_at: bool = True,
        pulse: Pulse = no_pulse,
    ) -> None:
        self._volume, self._windows, self._digest = volume, windows, digest
        n_channels, depth, *plane = volume.shape
        self._is_in_order = windows.axis == 0 and n_channels == 1 and not begin
        self._slab: Ring | None = None
        if volume.is_kept:
            whole = torch.from_numpy(volume.slab(0, slice(0, depth)))
            digest.add(whole, pulse=pulse)
            self.looked_at = self._whole = whole
            return
        self._every, self._n_looked_at = every_plane(depth), 0
        n = -(-depth // self._every) if is_looked_at else 0
        self.looked_at = torch.empty(n_channels, n, *plane)
        """(C, d, H, W) planes that look like the whole, after the last window."""
        self._slab = Ring(
            (n_channels,),
            windows.shape,
            windows.axis,
            windows.n_planes,
            volume.stored_dtype,
        )
        self._end = begin
        self._slab.go_on(begin)
        if not self._is_in_order:
            self._see_all(pulse)

    @property
    def is_kept(self) -> bool:
        """Whether nothing has to be read for a window."""
        return self._slab is None

    def cut(self, numbers: Sequence[int], *, pulse: Pulse = no_pulse) -> Tensor:
        """Return windows (P, C, d, h, w); they come in order along the axis."""
        windows = torch.empty(len(numbers), self._volume.shape[0], *self._windows.patch)
        for window, number in zip(windows, numbers, strict=True):
            window.copy_(self._window(number, pulse))
        return windows

    def _window(self, number: int, pulse: Pulse) -> Tensor:
        windows = self._windows
        if self._slab is None:
            return windows.cut(self._whole, number)
        axis = windows.axis
        first = windows.spans(axis)[windows.position(number)[axis]].start
        end = windows.place(number)[axis].stop
        if first > self._slab.first:
            self._slab.go_on(first)
        if end > self._end:
            self._read(self._slab, end, pulse)
        first = self._slab.first
        return windows.cut(self._slab.planes, number, first=first, seen=self._seen)

    def _seen(self, stored: Tensor) -> Tensor:
        """Return what a network sees of a part that is stored."""
        return torch.from_numpy(self._volume.seen(stored.numpy()))

    def _read(self, slab: Ring, end: int, pulse: Pulse) -> None:
        """Read on until before plane number `end`."""
        begin, self._end = self._end, end
        axis, rows = self._windows.axis, slice(begin, end)
        for planes, stored in self._volume.parts(axis, rows, pulse=pulse):
            slab.between(planes.start, planes.stop).numpy()[:] = stored
            if self._is_in_order:
                seen = torch.from_numpy(self._volume.seen(stored))
                self._digest.add(seen, pulse=pulse)
                self._look(planes.start, seen)

    def _see_all(self, pulse: Pulse) -> None:
        """Go through the volume in the order in which it is digested."""
        for channel in range(self._volume.shape[0]):
            for rows in self._volume.pieces():
                planes = torch.from_numpy(self._volume.slab(0, rows, pulse=pulse))
                self._digest.add(planes[channel], pulse=pulse)
                if channel == 0:
                    self._look(rows.start, planes)

    def _look(self, first: int, planes: Tensor) -> None:
        if not self.looked_at.shape[1]:
            return
        own = planes[:, -first % self._every :: self._every]
        begin = self._n_looked_at
        self._n_looked_at = end = begin + own.shape[1]
        self.looked_at[:, begin:end] = own


Cut = Callable[[Sequence[int], Pulse], Tensor]
"""Returns windows (P, C, d, h, w) by their numbers, which come in order."""


@contextmanager
def cutting(inputs: SlabInputs, windows: Windows, n_ahead: int) -> Iterator[Cut]:
    """Lend what cuts all windows; those that are read, while the network goes on.

    `n_ahead` of them wait at most.
    """
    if inputs.is_kept:
        yield lambda numbers, pulse: inputs.cut(numbers, pulse=pulse)
        return

    def each(pulse: Pulse) -> Iterator[Tensor]:
        for number in windows.order:
            yield inputs.cut([number], pulse=pulse)

    with ReadAhead(each, n_ahead) as ahead:
        yield lambda numbers, pulse: torch.cat([ahead.take(pulse) for _ in numbers])
