"""The record of how a result came about.

It names the router's value, such as an age band, never an age, and no attribute that
did not drive the model. It holds no path and no patient identifier.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from napari_dmoe.imaging.fitting import Fit
from napari_dmoe.imaging.frames import axes_by_frame, source_axes, transposed
from napari_dmoe.imaging.parts import Keep
from napari_dmoe.imaging.spatial import SPATIAL_AXES, Grid
from napari_dmoe.models.class_spans import ClassSpans
from napari_dmoe.models.titles import unit_of
from napari_dmoe.progress import Pulse, no_pulse
from napari_dmoe.validation import Stated

if TYPE_CHECKING:
    import torch

METADATA_KEY = "napari-dmoe"
"""Key of the record in a layer's metadata."""

RESEARCH_ONLY = "Research use only, not a medical device, never a clinical decision."


_HASH = 8
"""Digits of a model's SHA-256 that tell two files of one name apart."""


class DriverRecord(BaseModel, frozen=True, extra="forbid"):
    """Which routers of one attribute were used, and with what weight."""

    attribute: str
    """An attribute that drives the model."""
    value: str | None = Field(repr=False)
    """Its value; None where it was unknown and the values were mixed."""
    values: tuple[str, ...] = Field(repr=False)
    """Values that were run."""
    routers: tuple[int, ...] = Field(repr=False)
    """Routers that were run."""
    weights: tuple[float, ...] = Field(repr=False)
    """Their shares in the mixture."""
    prior: Literal["card", "uniform", "given"] | None = None
    """For an unknown value, where the shares come from: training frequencies that the
    card states, alike because it states none, or a person."""
    between: float | None = None
    """Where the router lies between those of the two `values`, in (0, 1); None for a
    router of one value. `weights` then are shares in the router, not in a mixture."""
    untrained: tuple[str, ...] = ()
    """Values that were run though no training case had them, as far as the card says:
    nothing trained their routers. Older records do not say."""
    left_out: tuple[str, ...] = ()
    """For an unknown value, those that were not run, as the card gives them no share:
    no training case had them, either."""

    @property
    def words(self) -> str:
        """Say the value, or what was mixed and by which shares.

        Examples
        --------
        >>> DriverRecord(
        ...     attribute="sex",
        ...     value=None,
        ...     values=("female", "male"),
        ...     routers=(0, 1),
        ...     weights=(0.52, 0.48),
        ...     prior="card",
        ... ).words
        "sex unknown (2 values mixed): female 0.52, male 0.48, weighted as in training"
        """
        name = self.attribute.replace("_", " ")
        if self.value is not None:
            return f"{name} {self.value}{self._never(' (', ')')}"
        mixed = [
            (value, weight)
            for value, weight in zip(self.values, self.weights, strict=False)
            if weight > 0
        ]
        shares = ", ".join(f"{value} {_share(weight)}" for value, weight in mixed)
        said = f" ({len(mixed)} values mixed): {shares}"
        said = said if len(mixed) > 1 else f": {mixed[0][0]} alone"
        return f"{name} unknown{said}, {self._whose_shares}{self._never('; ')}"

    @property
    def notices(self) -> tuple[str, ...]:
        """What must be said before a run and with its result; none where all is well.

        They name values of the card and never a patient's own number.
        """
        name, notices = self.attribute.replace("_", " "), []
        for value, at in zip(self.values, self.weights, strict=False):
            if value not in self.untrained:
                continue
            share = "" if at == 1 else f" and has a weight of {_share(at)} here"
            notices.append(
                f"no training case of this model had {name} {value}: its router was "
                f"never trained{share}"
            )
        if self.left_out:
            values = ", ".join(self.left_out)
            notices.append(
                f"{name} is unknown, and {values} left out of what is mixed: no "
                "training case of this model had it"
            )
        return tuple(notices)

    @property
    def _whose_shares(self) -> str:
        whose = {
            "card": "weighted as in training",
            "given": "weights as given",
            "uniform": "alike, as the card states no weights",
        }
        said = whose.get(self.prior or "", "weights of the record")
        left_out = ", ".join(self.left_out)
        return f"{said}; left out: {left_out}" if left_out else said

    def _never(self, before: str, after: str = "") -> str:
        if not self.untrained:
            return ""
        which = (
            "" if self.untrained == self.values else f": {', '.join(self.untrained)}"
        )
        return f"{before}never trained{which}{after}"


def _share(weight: float) -> str:
    """Say a share in two decimals, but never a small one as 0."""
    return f"{weight:.2f}" if weight >= 0.005 else f"{weight:.1g}"


class ControlRecord(BaseModel, frozen=True, extra="forbid"):
    """Experts that somebody muted or pinned."""

    mute: tuple[tuple[int | None, int], ...] = ()
    """Block and expert; block None = all. Both are counted from 0."""
    pin: tuple[tuple[int | None, int], ...] = ()
    """Likewise."""

    def words(self, unit: str = "block") -> tuple[str, ...]:
        """Say what was done, one phrase an expert; `unit` is what a block is called."""
        parts = [("muted", entry) for entry in self.mute]
        parts += [("pinned", entry) for entry in self.pin]
        return tuple(
            f"expert {expert} {done} in "
            + (f"all {unit}s" if block is None else f"{unit} {block}")
            for done, (block, expert) in parts
        )


class FocusRecord(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How a first pass over whole planes decided what the network saw of them."""

    margin: float = Field(ge=0, le=4)
    least: float = Field(gt=0, le=1)
    sure: float = Field(default=0, ge=0, lt=1)
    """As in :class:`napari_dmoe.imaging.focusing.Focus`."""
    searched: tuple[tuple[int, int], ...]
    """First and one-past-last source pixel of what it saw, for each axis."""
    found: bool
    """Whether it found anything; where not, the mask is empty."""


class ImageRecord(BaseModel, frozen=True, extra="forbid"):
    """Which image it was, without saying whose."""

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: str
    affine: tuple[tuple[float, ...], ...]
    unit: str | None
    input_sha256: str = Field(description="SHA-256 of the network's inputs, in order")
    pixels_sha256: str | None = None
    """See :func:`pixels_sha256`; None in older records and for what was not in memory.
    By it an image is known again, whatever it is prepared for."""
    channel: int | None = None
    """The only channel of the source that was used, from 0; None where all were."""


class ModelRecord(BaseModel, frozen=True, extra="forbid"):
    """Which model it was."""

    card: str
    title: str
    architecture: str
    file: str
    sha256: str
    notice: str | None
    class_spans: ClassSpans | None = None
    """What its card states of the sizes in its training cases; None in older records,
    and where it states nothing."""

    @property
    def named(self) -> str:
        """Its file as tables name it, with the beginning of its hash."""
        digits = f" ({self.sha256[:_HASH]})" if self.sha256 else ""
        return f"{self.file or self.title}{digits}"


class Provenance(Stated, frozen=True, extra="forbid"):
    """How a result came about; enough to make it again.

    Parameters
    ----------
    created : str
        Time in UTC, ISO 8601.
    versions : dict of str to str
        Versions of the programs that decide the numbers.
    device : str
        Where it was computed, with the reason.
    drivers : tuple of DriverRecord
        One for each attribute that drives the model; unknown ones were mixed in all
        combinations.
    settings : dict
        The inference settings.
    grid : dict
        Start, step and shape of the grid that the network saw, in source pixels; what
        was padded is no part of it.
    seen : tuple of (int, int)
        First and one-past-last source pixel that the network saw, for each axis.
    fit : {"pad", "crop", "stretch"} or None
        How each plane met a 2D network, by its card or the settings; None for volumes,
        and in older records, whose planes were cropped where `seen` is less than they
        are.
    focus : FocusRecord or None
        How a first pass decided what was `seen` in a second one; None for one pass, as
        in older records.
    keep : {"all", "largest"} or None
        Which parts of each plane's mask were kept; None for volumes, and in older
        records, which kept all.
    fill : bool or None
        Whether holes were filled; likewise.
    notices : tuple of str
        What a person should know about this run.
    edited : bool
        Whether somebody painted on the mask after the run.
    labels_sha256 : str or None
        SHA-256 of the labels' bytes as they left the run, frame by frame (see
        `axes_by_frame`); None in older records.
    threads : int or None
        Threads of the CPU that it was computed with; likewise.
    made_by : {"segment", "uncertainty"}
        The function that made the mask; the vote of ``uncertainty`` is no mean.
    experts : ControlRecord or None
        Experts that were muted or pinned; None for the model as it is.
    swept : tuple of str
        Attributes whose other values were run in the same batches, which can decide
        the last bits.
    maps : tuple of str
        Maps that were written with the mask of a volume as it came.
    """

    schema_version: Literal[1] = 1
    created: str
    versions: dict[str, str]
    device: str
    model: ModelRecord
    drivers: tuple[DriverRecord, ...]
    image: ImageRecord
    settings: dict[str, Any]
    classes: tuple[str, ...]
    grid: dict[str, tuple[float, ...]]
    seen: tuple[tuple[int, int], ...]
    fit: Fit | None = None
    focus: FocusRecord | None = None
    keep: Keep | None = None
    fill: bool | None = None
    notices: tuple[str, ...]
    edited: bool = False
    labels_sha256: str | None = None
    threads: int | None = None
    made_by: Literal["segment", "uncertainty"] = "segment"
    experts: ControlRecord | None = None
    swept: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    statement: str = RESEARCH_ONLY

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes of the labels: those of the image, but for channels."""
        return source_axes(self.image.axes)

    @property
    def axes_by_frame(self) -> tuple[str, ...]:
        """The same in the order in which the model met them.

        Axes that it was run over, then y and x, or z, y and x. Hashes and case files
        keep labels in this order, whatever the image's is.
        """
        return axes_by_frame(self.image.axes, len(self.grid["shape"]))

    def by_frame(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return labels along `axes` in the order of `axes_by_frame`."""
        fits = labels.ndim == len(self.axes) == len(self.axes_by_frame)
        return transposed(labels, self.axes, self.axes_by_frame) if fits else labels

    def as_image(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return labels along `axes_by_frame` in the order of `axes`."""
        fits = labels.ndim == len(self.axes) == len(self.axes_by_frame)
        return transposed(labels, self.axes_by_frame, self.axes) if fits else labels

    def sha256_of(self, labels: NDArray[np.uint8]) -> str:
        """Return what `labels_sha256` is for labels along `axes`."""
        return labels_sha256(self.by_frame(labels))

    @property
    def labels_grid(self) -> Grid:
        """Where the labels lie in the image: on its own pixels, or the network's."""
        if self.settings.get("scored_at") == "network":
            seen = self.grid
            return Grid(tuple(map(int, seen["shape"])), seen["start"], seen["step"])
        sizes = dict(zip(self.image.axes, self.image.shape, strict=True))
        along = SPATIAL_AXES[-len(self.grid["shape"]) :]
        return Grid.identity([sizes.get(axis, 1) for axis in along])

    @property
    def departures(self) -> tuple[str, ...]:
        """How the model was changed for this result; empty for the model as it is."""
        between = tuple(
            f"{driver.attribute.replace('_', ' ')} between trained values: "
            f"{driver.value}"
            for driver in self.drivers
            if driver.between is not None
        )
        return (*between, *(self.experts.words(self.unit) if self.experts else ()))

    @property
    def unit(self) -> str:
        """What a part of the network with experts is called: a block, or a stage."""
        return unit_of(self.model.architecture)

    @property
    def is_plain(self) -> bool:
        """Whether the model ran as it is, with no expert or router changed."""
        return not self.departures


def labels_sha256(labels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of a mask's bytes, its last axis running fastest."""
    digest = hashlib.sha256()
    for part in labels if labels.ndim > 2 else (labels,):
        digest.update(np.ascontiguousarray(part, np.uint8).data)
    return digest.hexdigest()


def pixels_sha256(data: NDArray[Any]) -> str | None:
    """Return the SHA-256 of an image's type, shape and samples.

    None for arrays that are not in memory, as reading them may take long.
    """
    if not isinstance(data, np.ndarray):
        return None
    little = data.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{little.str} {data.shape}".encode())
    for part in data if data.ndim > 2 else (data,):
        digest.update(np.ascontiguousarray(part, dtype=little).view(np.uint8).data)
    return digest.hexdigest()


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of the programs that decide the numbers."""
    import torch  # its own version names the build too, such as 2.10.0+cpu

    return {
        "napari-dmoe": _installed("napari-dmoe"),
        "torch": str(torch.__version__),
        "numpy": _installed("numpy"),
        "scipy": _installed("scipy"),
    }


@cache
def _installed(name: str) -> str:
    """Return a distribution's version; reading it takes as long as drawing a mask."""
    return version(name)


NUMBERS_AT_ONCE = 2**25
"""Numbers whose SHA-256 takes a fraction of a second."""


class InputDigest:
    """SHA-256 of a network's inputs, one after another."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, tensor: torch.Tensor, *, pulse: Pulse = no_pulse) -> None:
        """Take the bytes of one more CPU tensor; `pulse` is called between parts."""
        values: NDArray[Any] = tensor.contiguous().numpy().reshape(-1)
        for begin in range(0, values.size, NUMBERS_AT_ONCE):
            pulse()
            self._digest.update(values[begin : begin + NUMBERS_AT_ONCE].data)

    def hexdigest(self) -> str:
        """Return the digest so far."""
        return self._digest.hexdigest()
