"""What a record can say: fields of the right kind that no run could have written.

A record is a file that anybody can change. Its numbers are looked at before anything
is computed, unpacked or shown by them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from napari_dmoe.imaging.spatial import CHANNEL_AXIS, MOST_CLASSES, SPATIAL_AXES
from napari_dmoe.inference.results.provenance import DriverRecord, Provenance

MOST_THREADS = 4096
MOST_AXES = 8
MOST_BLOCKS = 10_000
"""Blocks, experts and routers above that are no network's."""

MOST_OF_GRID, TIMES_IMAGE = 2**28, 64
"""Pixels of a network's grid, of small images and as many times those of others."""

_SUM = 1e-3
"""How far shares may be from 1 in all: older records are rounded."""

_GRID = ("shape", "start", "step")


def impossible(record: Provenance) -> str:
    """Say what of a record no run could have written; nothing where it can be right."""
    parts = (_of_image, _of_grid, _of_drivers, _of_network, _of_run)
    return next((said for part in parts for said in part(record)), "")


def label_shapes(record: Provenance) -> tuple[tuple[int, ...], ...]:
    """Return the shapes that a record's mask may have, each sorted.

    That of its image without channels, or, for masks at the network's resolution, that
    of its grid instead of the image's spatial axes.
    """
    axes = [a for a in record.image.axes if a != CHANNEL_AXIS]
    sizes = dict(zip(record.image.axes, record.image.shape, strict=True))
    grid = [int(side) for side in record.grid["shape"]]
    # A plane lies along two of a volume's axes, whichever they are.
    others = sorted(sizes[a] for a in axes)
    at_network = [sizes[a] for a in axes if a not in SPATIAL_AXES[-len(grid) :]] + grid
    return tuple(others), tuple(sorted(at_network))


def _of_image(record: Provenance) -> Iterator[str]:
    image = record.image
    n = len(image.axes)
    if not 2 <= n <= MOST_AXES or len(set(image.axes)) != n:
        yield f"image.axes are {n}, and must be 2 to {MOST_AXES} different ones"
        return
    if len(image.shape) != n or not all(0 < side < 2**31 for side in image.shape):
        yield f"image.shape must be {n} sides above 0"
        return
    spatial = [axis for axis in image.axes if axis in SPATIAL_AXES]
    side = len(spatial) + 1
    is_matrix = len(image.affine) == side and all(len(r) == side for r in image.affine)
    if not is_matrix or not all(math.isfinite(v) for row in image.affine for v in row):
        yield f"image.affine must be {side} x {side} finite numbers"


def _of_grid(record: Provenance) -> Iterator[str]:
    grid = record.grid
    if set(grid) != set(_GRID):
        yield f"grid must have {', '.join(_GRID)}"
        return
    n = len(grid["shape"])
    spatial = [a for a in record.image.axes if a in SPATIAL_AXES]
    if n not in (2, 3) or n > len(spatial) or any(len(grid[k]) != n for k in _GRID):
        yield "grid must have 2 or 3 axes, and no more than the image"
        return
    if not all(math.isfinite(value) for k in _GRID for value in grid[k]):
        yield "grid must be finite numbers"
        return
    if not all(0 < side < 2**31 and side == int(side) for side in grid["shape"]):
        yield "grid.shape must be whole sides above 0"
    most = max(MOST_OF_GRID, TIMES_IMAGE * math.prod(record.image.shape))
    if math.prod(map(int, grid["shape"])) > most:
        yield "grid.shape is far larger than the image"
    if not all(grid["step"]):
        yield "grid.step cannot be 0"
    side = max(record.image.shape)
    if len(record.seen) != n or not all(0 <= a <= b <= side for a, b in record.seen):
        yield "seen must lie in the image, one pair of pixels for each axis of the grid"
        return
    focus = record.focus
    if focus is None:
        return
    pairs = zip(focus.searched, record.seen, strict=False)
    if len(focus.searched) != n or not all(
        0 <= first <= a <= b <= last <= side for (first, last), (a, b) in pairs
    ):
        yield "focus.searched must lie in the image, around what was seen"


def _of_drivers(record: Provenance) -> Iterator[str]:
    names = [driver.attribute for driver in record.drivers]
    if len(set(names)) != len(names):
        yield "drivers must be different attributes"
    for driver in record.drivers:
        for said in _of_driver(driver):
            yield f"driver {driver.attribute[:40]}: {said}"
    if not set(record.swept) <= set(names):
        yield "swept must be drivers"


def _of_driver(driver: DriverRecord) -> Iterator[str]:
    n = len(driver.values)
    if not n or len(driver.routers) != n or len(driver.weights) != n:
        yield "values, routers and weights must be as many, and at least one"
        return
    if not all(0 <= router < MOST_BLOCKS for router in driver.routers):
        yield f"routers must be from 0 on: found {min(driver.routers)}"
    if not all(0 <= weight <= 1 + _SUM for weight in driver.weights):
        yield "weights must be in [0, 1]"
    elif abs(sum(driver.weights) - 1) > _SUM:
        yield f"weights must sum to 1, not {sum(driver.weights):g}"
    if not set(driver.untrained) <= set(driver.values):
        yield "untrained values must be among those that were run"
    if driver.between is None:
        if driver.value is not None and driver.values != (driver.value,):
            yield "a known value is the only one that is run"
        return
    if not 0 < driver.between < 1 or n != 2 or driver.value is None:
        yield "a router between two values must lie in (0, 1)"


def _of_network(record: Provenance) -> Iterator[str]:
    n = len(record.classes)
    if not 2 <= n <= MOST_CLASSES:
        yield f"classes are {n}, and must be 2 to {MOST_CLASSES}"
    entries = (*record.experts.mute, *record.experts.pin) if record.experts else ()
    for block, expert in entries:
        if not 0 <= expert < MOST_BLOCKS or not 0 <= (block or 0) < MOST_BLOCKS:
            yield "experts and their blocks must be counted from 0"
    pinned = [block for block, _ in (record.experts.pin if record.experts else ())]
    if len(set(pinned)) != len(pinned):
        yield "a block can have one pinned expert only"


def _of_run(record: Provenance) -> Iterator[str]:
    if record.threads is not None and not 0 < record.threads <= MOST_THREADS:
        yield f"threads must be 1 to {MOST_THREADS}"
