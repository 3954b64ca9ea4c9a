"""One volume, stored in each of the 48 orders and directions that NIfTI knows."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.frames import transposed
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage

ORIENTATIONS = tuple(
    "".join(letters)
    for order in itertools.permutations(("LR", "PA", "IS"))
    for letters in itertools.product(*order)
)
"""Codes as nibabel writes them: where the first, second and third axis run to."""

SOME = ("RAS", "LPS", "PIR", "ASR")


def restored(source: nib.Nifti1Image, code: str) -> nib.Nifti1Image:
    """Store the same volume otherwise."""
    have = nib.io_orientation(source.affine)
    want = nib.orientations.axcodes2ornt(code)
    there = source.as_reoriented(nib.orientations.ornt_transform(have, want))
    there.header.set_xyzt_units("mm")
    return there


def stored(source: nib.Nifti1Image, code: str, path: Path) -> SpatialImage:
    """Write a volume in another order, and read it."""
    nib.save(restored(source, code), path)
    return read_image(path)


def in_the_world(image: SpatialImage, samples: np.ndarray) -> np.ndarray:
    """Return samples on an image with z, y and x running to head, back and left."""
    axes = image.spatial_axes
    signs = np.diag(image.affine)[:-1]
    flips = tuple(slice(None, None, -1 if sign < 0 else 1) for sign in signs)
    return transposed(samples[(..., *flips)], axes, SPATIAL_AXES)
