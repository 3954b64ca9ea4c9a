"""Volumes turned for a network, and what it says of them turned back."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation
from pydantic import ValidationError

from napari_dmoe.imaging.orientations import (
    in_order,
    tokens_back,
    turned,
    turned_back,
    words_of,
)
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing

CODES = [
    "".join(letters)
    for ends in itertools.permutations(("SI", "PA", "LR"))
    for letters in itertools.product(*ends)
]
"""All 48."""


def test_there_are_48_orientations() -> None:
    assert len(set(CODES)) == 48


@pytest.mark.parametrize("code", CODES)
def test_axes_run_where_nibabel_says(code: str) -> None:
    ours = torch.arange(2 * 3 * 4.0).reshape(1, 2, 3, 4)
    # From (z, y, x) to nibabel's world, whose x, y and z run right, front and up.
    affine = np.array([[0, 0, -1, 0], [0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    assert nib.aff2axcodes(affine) == ("S", "P", "L")
    monais = Orientation(axcodes=code)(MetaTensor(ours, affine=affine))
    assert torch.equal(turned(ours, code), monais.as_tensor())


@pytest.mark.parametrize("code", CODES)
def test_what_is_turned_comes_back(code: str) -> None:
    ours = torch.arange(5 * 2 * 3 * 4.0).reshape(5, 2, 3, 4)
    seen = turned(ours, code)
    assert seen.shape[1:] == in_order((2, 3, 4), code)
    assert torch.equal(turned_back(seen, code), ours)


@pytest.mark.parametrize("code", CODES)
def test_tokens_come_back(code: str) -> None:
    tokens = torch.arange(3 * 2 * 4 * 6 * 2.0).reshape(3, 2, 4, 6, 2)
    seen = turned(tokens.movedim(-1, 0), code).movedim(0, -1)
    back = tokens_back(seen.flatten(1, 3), (16, 32, 48), code)
    assert torch.equal(back, tokens.flatten(1, 3))


@pytest.mark.parametrize("code", ["", "RA", "RASP", "RRS", "RAX", "LRS"])
def test_what_is_no_orientation_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match="one letter of each of S or I"):
        VolumePreprocessing(orientation=code)


def test_small_letters_are_understood() -> None:
    assert VolumePreprocessing(orientation="ras").orientation == "RAS"
    assert "the left, the back and the feet" in words_of("LPI")
