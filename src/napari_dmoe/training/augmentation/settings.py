"""How images are varied in training: settings only, which load nothing heavy."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


def option(default: Any, title: str, description: str, **bounds: Any) -> Any:
    """Return a field of settings: its title and help in forms and on the command line.

    `bounds` are pydantic's, such as ``ge=0, lt=1``.
    """
    return Field(default, title=title, description=description, **bounds)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AugmentSettings(_Settings):
    """How far images are varied. Shares are probabilities, in [0, 1]."""

    kind: Literal["planes"] = "planes"
    rotation: float = option(30.0, "Rotation", "largest angle in degrees", ge=0, le=180)
    zoom: float = option(1.5, "Zoom", "largest factor, in and out", ge=1, le=4)
    aspect: float = option(
        1.0, "Aspect", "largest factor between the sides of a picture", ge=1, le=2
    )
    shift: float = option(0.15, "Shift", "largest, in shares of the side", ge=0, le=1)
    outside: Literal["black", "mirror"] = option(
        "black", "Outside", "what comes in over an edge: black, or the picture mirrored"
    )
    light: float = option(0.4, "Light", "spread of gain, gamma and shading", ge=0, lt=1)
    colour: float = option(0.2, "Colour", "spread of each channel's gain", ge=0, lt=1)
    grey_share: float = option(
        0.3, "Grey", "images made grey, or one channel", ge=0, le=1
    )
    blur_px: float = option(1.5, "Blur", "largest Gaussian blur in pixels", ge=0, le=4)
    noise: float = option(0.03, "Noise", "largest standard deviation", ge=0, le=1)


class VolumeAugmentSettings(_Settings):
    """How far patches are varied. Shares are probabilities, in [0, 1]."""

    kind: Literal["volumes"] = "volumes"
    foreground: float = option(
        0.7, "Foreground", "patches near what is labelled", ge=0, le=1
    )
    reach: float = option(
        0.35,
        "Reach",
        "how far those lie from its middle, in shares of a patch",
        ge=0,
        le=1,
    )
    flip: bool = option(False, "Flip", "mirror left and right, half of the patches")
    light: float = option(0.1, "Light", "spread of gain, offset and gamma", ge=0, lt=1)
    noise: float = option(0.03, "Noise", "largest standard deviation", ge=0, le=1)


class PublishedAugmentSettings(_Settings):
    """How the published training varied its images. Shares are probabilities."""

    kind: Literal["published"] = "published"
    quarter_turns: float = option(
        0.5,
        "Quarter turns",
        "cases turned by a multiple of 90 degrees and then flipped",
        ge=0,
        le=1,
    )
    rotations: float = option(
        0.5, "Rotations", "cases rotated, of those that are not turned", ge=0, le=1
    )
    angle: float = option(20.0, "Angle", "largest rotation in degrees", ge=0, le=180)


class FullerAugmentSettings(_Settings):
    """How far planes or patches are varied. Shares are probabilities."""

    kind: Literal["fuller"] = "fuller"
    class_balanced: bool = option(
        True,
        "Class-balanced crops",
        "patches of volumes show every class about as often",
    )
    flip: bool = option(True, "Flip", "mirror left and right")
    moved: float = option(0.5, "Moved", "share that is moved, and flipped", ge=0, le=1)
    rotation: float = option(15.0, "Rotation", "largest angle in degrees", ge=0, le=180)
    zoom: float = option(0.2, "Zoom", "spread of the size about 1", ge=0, lt=1)
    shift: float = option(0.05, "Shift", "largest, in shares of the side", ge=0, le=1)
    relit: float = option(0.3, "Relit", "share of each change of intensity", ge=0, le=1)
    light: float = option(0.25, "Light", "spread of gain and gamma", ge=0, lt=1)
    blur_px: float = option(1.0, "Blur", "largest Gaussian blur in pixels", gt=0, le=4)
    noise: float = option(0.03, "Noise", "standard deviation", ge=0, le=1)


Augmentation = (
    AugmentSettings
    | VolumeAugmentSettings
    | PublishedAugmentSettings
    | FullerAugmentSettings
)
"""Settings of any kind."""
