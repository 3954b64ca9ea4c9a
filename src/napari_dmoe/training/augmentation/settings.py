"""How images are varied in training: settings only, which load nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AugmentSettings(_Settings):
    """How far images are varied. Shares are probabilities, in [0, 1]."""

    kind: Literal["planes"] = "planes"
    rotation: float = Field(
        30.0, ge=0, le=180, title="Rotation", description="largest angle in degrees"
    )
    zoom: float = Field(
        1.5, ge=1, le=4, title="Zoom", description="largest factor, in and out"
    )
    shift: float = Field(
        0.15, ge=0, le=1, title="Shift", description="largest, in shares of the side"
    )
    light: float = Field(
        0.4, ge=0, lt=1, title="Light", description="spread of gain, gamma and shading"
    )
    colour: float = Field(
        0.2, ge=0, lt=1, title="Colour", description="spread of each channel's gain"
    )
    grey_share: float = Field(
        0.3, ge=0, le=1, title="Grey", description="images made grey, or one channel"
    )
    blur_px: float = Field(
        1.5, ge=0, le=4, title="Blur", description="largest Gaussian blur in pixels"
    )
    noise: float = Field(
        0.03, ge=0, le=1, title="Noise", description="largest standard deviation"
    )


class VolumeAugmentSettings(_Settings):
    """How far patches are varied. Shares are probabilities, in [0, 1]."""

    kind: Literal["volumes"] = "volumes"
    foreground: float = Field(
        0.7, ge=0, le=1, title="Foreground", description="patches near what is labelled"
    )
    reach: float = Field(
        0.35,
        ge=0,
        le=1,
        title="Reach",
        description="how far those lie from its middle, in shares of a patch",
    )
    flip: bool = Field(
        False, title="Flip", description="mirror left and right, half of the patches"
    )
    light: float = Field(
        0.1, ge=0, lt=1, title="Light", description="spread of gain, offset and gamma"
    )
    noise: float = Field(
        0.03, ge=0, le=1, title="Noise", description="largest standard deviation"
    )


class PublishedAugmentSettings(_Settings):
    """How the published training varied its images. Shares are probabilities."""

    kind: Literal["published"] = "published"
    quarter_turns: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Quarter turns",
        description="cases turned by a multiple of 90 degrees and then flipped",
    )
    rotations: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Rotations",
        description="cases rotated, of those that are not turned",
    )
    angle: float = Field(
        20.0, ge=0, le=180, title="Angle", description="largest rotation in degrees"
    )


class FullerAugmentSettings(_Settings):
    """How far planes or patches are varied. Shares are probabilities."""

    kind: Literal["fuller"] = "fuller"
    class_balanced: bool = Field(
        True,
        title="Class-balanced crops",
        description="patches of volumes show every class about as often",
    )
    flip: bool = Field(True, title="Flip", description="mirror left and right")
    moved: float = Field(
        0.5, ge=0, le=1, title="Moved", description="share that is moved, and flipped"
    )
    rotation: float = Field(
        15.0, ge=0, le=180, title="Rotation", description="largest angle in degrees"
    )
    zoom: float = Field(
        0.2, ge=0, lt=1, title="Zoom", description="spread of the size about 1"
    )
    shift: float = Field(
        0.05, ge=0, le=1, title="Shift", description="largest, in shares of the side"
    )
    relit: float = Field(
        0.3, ge=0, le=1, title="Relit", description="share of each change of intensity"
    )
    light: float = Field(
        0.25, ge=0, lt=1, title="Light", description="spread of gain and gamma"
    )
    blur_px: float = Field(
        1.0, gt=0, le=4, title="Blur", description="largest Gaussian blur in pixels"
    )
    noise: float = Field(
        0.03, ge=0, le=1, title="Noise", description="standard deviation"
    )
