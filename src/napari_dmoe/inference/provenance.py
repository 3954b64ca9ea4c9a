"""The record of how a result came about.

It names the router's value, such as an age band, never an age, and no attribute that
did not drive the model. It holds no path and no patient identifier.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_dmoe.progress import Pulse, no_pulse

if TYPE_CHECKING:
    import torch

METADATA_KEY = "napari-dmoe"
"""Key of the record in a layer's metadata."""

RESEARCH_ONLY = "Research use only, not a medical device, never a clinical decision."


class DriverRecord(BaseModel):
    """Which routers of one attribute were used, and with what weight.

    Parameters
    ----------
    attribute : str
        An attribute that drives the model.
    value : str or None
        Its value; None where it was unknown and the values were mixed.
    values : tuple of str
        Values that were run.
    routers : tuple of int
        Routers that were run.
    weights : tuple of float
        Their shares in the mixture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attribute: str
    value: str | None
    values: tuple[str, ...]
    routers: tuple[int, ...]
    weights: tuple[float, ...]


class ImageRecord(BaseModel):
    """Which image it was, without saying whose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: str
    affine: tuple[tuple[float, ...], ...]
    unit: str | None
    input_sha256: str = Field(description="SHA-256 of the network's inputs, in order")


class ModelRecord(BaseModel):
    """Which model it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: str
    title: str
    architecture: str
    file: str
    sha256: str
    notice: str | None


class Provenance(BaseModel):
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
        Start, step and shape of the grid that the network saw, in source pixels.
    seen : tuple of (int, int)
        First and one-past-last source pixel that the network saw, for each axis.
    notices : tuple of str
        What a person should know about this run.
    edited : bool
        Whether somebody painted on the mask after the run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    notices: tuple[str, ...]
    edited: bool = False
    statement: str = RESEARCH_ONLY


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of the programs that decide the numbers."""
    import torch  # its own version names the build too, such as 2.10.0+cpu

    return {
        "napari-dmoe": version("napari-dmoe"),
        "torch": str(torch.__version__),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
    }


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
