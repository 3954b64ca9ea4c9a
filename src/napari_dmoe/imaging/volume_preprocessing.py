"""How a volume becomes a 3D network's input, as a model's card states it.

It is done in :mod:`napari_dmoe.imaging.volumes`.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, Field, field_validator, model_validator

from napari_dmoe.imaging.foreground import Foreground
from napari_dmoe.imaging.intensities import Measures
from napari_dmoe.imaging.orientations import OURS, Orientation, words_of

PATCH_STEP = 32
"""Sides of a patch are multiples of this: the network halves them five times."""

LEAST_LONG_SIDE = 64
"""One side at least: of 32 voxels each, the last stage would have one voxel to norm."""

MOST_VOXELS = 2**26
"""Voxels of a patch. Networks see patches of 96 to 192 voxels a side; 406 are this."""

FINEST_MM, COARSEST_MM = 1e-3, 1e3
"""Spacings that images of people can have, generously."""

WIDEST_WINDOW, NARROWEST_WINDOW = 1e9, 1e-6
"""Ends of a window, and the least between them; also in shares of its ends, because
intensities are 32-bit floats."""


class VolumePreprocessing(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How a volume becomes a 3D network's input.

    In this order: turned upright, cropped to its foreground, resampled, scaled, cut
    into windows; these are turned as the network was trained.
    """

    orientation: Orientation = Field(
        default=OURS,
        title="Orientation",
        description="where the network's three axes run to, one letter each: S or I "
        "(head, feet), P or A (back, front), L or R (left, right); SPL = z, y and x, "
        "RAS = as MONAI's Orientation(axcodes='RAS') turns them",
    )
    spacing: tuple[float, float, float] | None = Field(
        default=None,
        title="Spacing",
        description="voxel size that the network sees, in mm, (z, y, x); none = as is",
    )
    window: tuple[float, float] | None = Field(
        default=None,
        title="Window",
        description="intensities that become 0 and 1, such as Hounsfield units; none = "
        "the image's own percentiles. Standardised, intensities are limited to them",
    )
    percentiles: tuple[float, float] | None = Field(
        default=None,
        title="Percentiles",
        description="percentiles of the image that become 0 and 1 where no window is "
        "stated; none = 0.5 and 99.5, or no limits where it is standardised",
    )
    standardise: bool = Field(
        default=False,
        title="Standardise",
        description="zero mean and unit variance, for each image and channel, in place "
        "of 0 to 1",
    )
    foreground: Foreground | None = Field(
        default=None,
        title="Foreground",
        description="a threshold above which voxels are foreground, which the volume "
        "is cropped to, or measured by; null = everything is",
    )
    patch: tuple[int, int, int] = Field(
        default=(96, 96, 96),
        title="Patch",
        description="voxels that the network sees at once, (z, y, x)",
    )

    @property
    def words(self) -> str:
        """Say how a volume of any size meets the network."""
        seen = "a volume is seen window by window; one smaller than a window is padded"
        more = [words_of(self.orientation)] if self.orientation != OURS else []
        if self.standardise:
            more.append("intensities get zero mean and unit variance")
        if self.foreground is not None:
            more.append(self.foreground.words)
        return "; ".join((seen, *more))

    @property
    def measures(self) -> Measures:
        """What is done to intensities."""
        ground = self.foreground
        above = ground.above if ground is not None and ground.measured else None
        return Measures(self.window, self.percentiles, self.standardise, above)

    @property
    def crop(self) -> Foreground | None:
        """What a volume is cropped to; None where it is seen whole."""
        ground = self.foreground
        return ground if ground is not None and ground.crop else None

    @model_validator(mode="after")
    def _window_and_percentiles_agree(self) -> VolumePreprocessing:
        if self.window is not None and self.percentiles is not None:
            raise ValueError(
                "window and percentiles both say what becomes 0 and 1: state one"
            )
        return self

    @field_validator("percentiles")
    @classmethod
    def _are_percentiles(
        cls, percentiles: tuple[float, float] | None
    ) -> tuple[float, float] | None:
        if percentiles is not None and not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise ValueError(f"percentiles rise from 0 to 100: found {percentiles}")
        return percentiles

    @property
    def mask_words(self) -> str:
        """Say nothing: volumes take one pass, and their masks stay as they come."""
        return ""

    @field_validator("spacing")
    @classmethod
    def _is_positive(
        cls, spacing: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        if spacing is None:
            return None
        if not all(FINEST_MM <= each <= COARSEST_MM for each in spacing):
            raise ValueError(
                f"spacing must be {FINEST_MM:g} to {COARSEST_MM:g} mm: found {spacing}"
            )
        return spacing

    @field_validator("window")
    @classmethod
    def _rises(cls, window: tuple[float, float] | None) -> tuple[float, float] | None:
        if window is not None and window[0] >= window[1]:
            raise ValueError(f"a window rises: found {window}")
        if window is not None:
            farthest = max(map(abs, window))
            least = NARROWEST_WINDOW * max(1, farthest)
            if farthest > WIDEST_WINDOW or window[1] - window[0] < least:
                raise ValueError(
                    f"a window lies within {WIDEST_WINDOW:g} and is {least:g} wide or "
                    f"more: found {window}"
                )
        return window

    @field_validator("patch")
    @classmethod
    def _fits_the_network(cls, patch: tuple[int, int, int]) -> tuple[int, int, int]:
        fits = all(n > 0 and n % PATCH_STEP == 0 for n in patch)
        if not fits or max(patch) < LEAST_LONG_SIDE:
            raise ValueError(
                f"sides of a patch are multiples of {PATCH_STEP}, one of them at least "
                f"{LEAST_LONG_SIDE}: found {patch}"
            )
        if math.prod(patch) > MOST_VOXELS:
            raise ValueError(
                f"a patch has {MOST_VOXELS:,} voxels at most: found {patch}, which is "
                f"{math.prod(patch):,}"
            )
        return patch


_VOLUMES_ALONE = frozenset(VolumePreprocessing.model_fields) - {"standardise"}
"""Fields that no preprocessing of planes has."""


def is_of_volumes(stated: object) -> bool:
    """Whether what is stated, perhaps as JSON, is the preprocessing of volumes."""
    if isinstance(stated, dict):
        return bool(set(stated) & _VOLUMES_ALONE)
    return isinstance(stated, VolumePreprocessing)
