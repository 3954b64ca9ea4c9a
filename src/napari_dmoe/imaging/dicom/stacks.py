"""Planes made into images: sorted along their normal, evenly apart, or refused.

Where slices lie is told by their positions alone. What the tags of thickness and
distance say otherwise is a notice. A slice that is missing, or lies twice, would put
everything behind it in the wrong place: that is refused, never passed over.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.dicom.headers import AXES_OF_COPIES, Plane
from napari_dmoe.imaging.spatial import ImageError

_EVEN = 0.05
"""Share of a distance by which slices may lie closer or further: scanners round."""
_SAID = 0.01
"""Share from which on it is said."""
_SAME_PLACE_MM = 1e-3
_DIGITS = 4
"""Digits of directions and sizes in which slices of one stack agree."""
_LEVEL = np.cos(np.radians(0.5))
"""A stack whose slices are shifted by more than that is leaning."""

_SECTIONS = ("CT", "MR", "PT")
"""Modalities whose planes are slices, whether or not they say where they lie."""

NO_PLACES = (
    "its files do not say where its slices lie: they are in the order of their "
    "numbers, and have no sizes"
)
ONE_SLICE = "it is one slice, as thick as SliceThickness says"
NO_THICKNESS = "it is one slice of unknown thickness: 1 mm was taken"


@dataclass(frozen=True)
class Stack:
    """Planes that make one image, in its order."""

    planes: tuple[Plane, ...]
    """By the further axis, then along the normal; frames of a film by their number."""
    further: str = ""
    """Name of the axis before z; of a film its only one."""
    n_further: int = 1
    affine: NDArray[np.float64] | None = None
    """From (i, j, k) to the world's (x, y, z) in mm; None for a picture or a film."""
    notices: tuple[str, ...] = ()

    @property
    def is_volume(self) -> bool:
        """Whether it has slices along z."""
        return self.affine is not None

    @property
    def n_slices(self) -> int:
        """Planes along z; 1 for a picture or a film."""
        return len(self.planes) // self.n_further


def stack_of(planes: Sequence[Plane]) -> Stack:
    """Return the image that planes of one kind make.

    Parameters
    ----------
    planes : sequence of Plane
        As :func:`alike` has them together.

    Raises
    ------
    ImageError
        When slices are missing, lie twice or unevenly.
    """
    if not planes[0].is_placed:
        return _unplaced(planes)
    once, notices = _without_copies(planes)
    along = _distances(once)
    places: list[list[Plane]] = []
    before = -np.inf
    for n in np.argsort(along, kind="stable"):
        if along[n] - before > _SAME_PLACE_MM:
            places.append([])
        places[-1].append(once[n])
        before = along[n]
    axis, ordered = _further_axis(places)
    affine, said = _affine([place[0] for place in ordered])
    n_further = len(ordered[0])
    planes = tuple(place[n] for n in range(n_further) for place in ordered)
    if axis:
        notices = (*notices, _axis_told(axis, n_further))
    return Stack(planes, axis, n_further, affine, (*notices, *said))


def alike(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Return planes in lots that can be of one image: of one size, kind and direction.

    The largest comes first.
    """
    lots: dict[Any, list[Plane]] = defaultdict(list)
    for plane in planes:
        place = (
            tuple(round(each, _DIGITS) + 0.0 for each in plane.orientation or ()),
            tuple(round(each, _DIGITS) for each in plane.sizes or ()),
        )
        key = plane.series, plane.modality, plane.stored, plane.is_placed, place
        lots[key].append(plane)
    return sorted(lots.values(), key=len, reverse=True)


def _unplaced(planes: Sequence[Plane]) -> Stack:
    """Return slices, or frames, that do not say where they lie."""
    if len(planes) == 1:
        return Stack(tuple(planes))
    is_one_file = len({plane.path for plane in planes}) == 1
    if is_one_file:
        said = f"its {len(planes)} frames were taken for points in time"
        return Stack(tuple(planes), "t", len(planes), notices=(said,))
    numbers = [plane.number for plane in planes]
    if None in numbers or len({*numbers}) < len(numbers):
        raise ImageError(
            f"its {len(planes)} files do not say where their slices lie, nor in which "
            "order they are"
        )
    ordered = sorted(planes, key=lambda plane: plane.number or 0)
    return Stack(tuple(ordered), affine=np.eye(4), notices=(NO_PLACES,))


def are_slices(planes: Sequence[Plane]) -> bool:
    """Say whether planes of several files, without places, are slices all the same."""
    return planes[0].modality in _SECTIONS


def _without_copies(
    planes: Sequence[Plane],
) -> tuple[list[Plane], tuple[str, ...]]:
    """Return planes without those that are there twice, bit for bit."""
    kept: dict[Any, Plane] = {}
    for plane in planes:
        kept.setdefault(plane.uid or (plane.path, plane.frame), plane)
    left = list(kept.values())
    by_place: dict[Any, list[Plane]] = defaultdict(list)
    for plane in left:
        by_place[plane.position].append(plane)
    unique: list[Plane] = []
    for lot in by_place.values():
        is_told = all(p.uid for p in lot) or len({p.path for p in lot}) == 1
        unique += lot if is_told else list({_content(p): p for p in lot}.values())
    n = len(planes) - len(unique)
    several = f"{n} files were left out: they are copies of others"
    said = several if n > 1 else "1 file was left out: it is a copy of another"
    return unique, ((said,) if n else ())


def _content(plane: Plane) -> bytes:
    with plane.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _distances(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Return where planes lie along their normal, in mm."""
    directions = np.array(planes[0].orientation, float)
    normal = np.cross(directions[:3], directions[3:])
    length = float(np.linalg.norm(normal))
    if not 0.5 < length < 1.5:
        raise ImageError("its directions of rows and columns are no right angle")
    positions = np.array([plane.position for plane in planes], float)
    return np.asarray(positions @ (normal / length))


def _further_axis(places: list[list[Plane]]) -> tuple[str, list[list[Plane]]]:
    """Return what tells planes of one place apart, and them in its order."""
    counts = {len(place) for place in places}
    if counts == {1}:
        return "", places
    if len(counts) > 1:
        twice = sum(len(place) > 1 for place in places)
        raise ImageError(
            f"{twice} of its {len(places)} slices are there more than once, with "
            "different pixels: keep one of each"
        )
    n = counts.pop()
    for axis, name in AXES_OF_COPIES:
        values = [[plane.copies.get(name) for plane in place] for place in places]
        if any(None in each or len({*each}) < n for each in values):
            continue
        if axis != "t" and len({frozenset(each) for each in values}) > 1:
            continue
        ordered = [
            sorted(place, key=lambda plane: plane.copies[name]) for place in places
        ]
        return axis, ordered
    raise ImageError(
        f"each of its {len(places)} slices is there {n} times, and nothing says why: "
        "neither a time nor an echo"
    )


def _axis_told(axis: str, n: int) -> str:
    what = {"t": "points in time", "echo": "echoes", "b": "b-values", "type": "kinds"}
    return f"its slices are there {n} times: the {n} {what[axis]} are the axis {axis!r}"


def _affine(
    planes: Sequence[Plane],
) -> tuple[NDArray[np.float64], list[str]]:
    """Return where the voxels of sorted slices lie, and what a person should know."""
    first = planes[0]
    directions = np.array(first.orientation, float)
    rows, columns = directions[:3], directions[3:]
    down, right = first.sizes or (1.0, 1.0)
    normal = np.cross(rows, columns) / np.linalg.norm(np.cross(rows, columns))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = rows * right, columns * down
    affine[:3, 3] = first.position
    notices: list[str] = []
    if len(planes) == 1:
        thick = first.thickness or first.between
        notices.append(ONE_SLICE if thick else NO_THICKNESS)
        affine[:3, 2] = normal * (thick or 1.0)
        return affine, notices
    step, said = _step(planes)
    affine[:3, 2] = step
    notices += said
    if float(step @ normal) < _LEVEL * float(np.linalg.norm(step)):
        notices.append(
            "its slices are shifted against one another, as by a tilted gantry: the "
            "volume leans, and is not straightened"
        )
    return affine, notices


def _step(planes: Sequence[Plane]) -> tuple[NDArray[np.float64], list[str]]:
    """Return the way from one slice to the next, where it is the same for all."""
    along = _distances(planes)
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    is_wide = np.flatnonzero(gaps > (1 + _EVEN) * usual)
    is_even = np.abs(gaps - usual) <= _EVEN * usual
    if not is_even.all():
        where = int(is_wide[0]) if is_wide.size else int(np.flatnonzero(~is_even)[0])
        n = round(float(gaps[where]) / usual) - 1
        missing = f": {n} {'is' if n == 1 else 'are'} missing" if n > 0 else ""
        raise ImageError(
            f"its slices are not evenly apart: most lie {usual:.2f} mm apart, and "
            f"slices {where + 1} and {where + 2} of {len(planes)} "
            f"{gaps[where]:.2f} mm{missing}"
        )
    positions = np.array([plane.position for plane in planes], float)
    step = (positions[-1] - positions[0]) / (len(planes) - 1)
    _refuse_crooked(positions, step, usual)
    distance = float(np.linalg.norm(step))
    notices = []
    if np.abs(gaps - usual).max() > _SAID * usual:
        notices.append(
            f"its slices lie {gaps.min():.2f} to {gaps.max():.2f} mm apart: "
            f"{distance:.2f} mm was taken"
        )
    tags = {"SliceThickness": "thickness", "SpacingBetweenSlices": "between"}
    stated = {name: getattr(planes[0], tag) for name, tag in tags.items()}
    other = {
        name: value
        for name, value in stated.items()
        if value and abs(abs(value) - distance) > _SAID * distance
    }
    if other:
        listed = " and ".join(f"{name} {value:g} mm" for name, value in other.items())
        notices.append(
            f"its slices lie {distance:.4g} mm apart by their positions, which was "
            f"taken, though the header says {listed}"
        )
    return step, notices


def _refuse_crooked(
    positions: NDArray[np.float64], step: NDArray[np.float64], usual: float
) -> None:
    """Refuse slices whose corners do not lie on one line."""
    n = np.arange(len(positions))[:, None]
    off = np.linalg.norm(positions - (positions[0] + n * step), axis=1)
    # Positions that are rounded add up to less than one distance.
    if off.max() > max(0.5 * usual, 0.1):
        raise ImageError(
            f"its slices are shifted unevenly against one another, by up to "
            f"{off.max():.2f} mm"
        )
