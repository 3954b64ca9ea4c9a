"""Layers as other plugins open them: where a mask on one lies, in the world.

They are built as these plugins build them (napari-nifti 0.0.20, napari-ome-zarr 0.11,
napari-itk-io 0.4.1, napari-tiff 0.1).
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from stub_networks import thresholding_model

from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.layers.look import mask_layer
from napari_dmoe.viewer.layers.placement import has_no_size, to_image
from napari_dmoe.viewer.layers.saving import save_layer

BRIGHT = (2, 1, 3), (4, 4, 6)
"""First and last voxel of what is bright."""
CPU = InferenceSettings(device="cpu")


def volume() -> np.ndarray:
    made = np.zeros((6, 7, 9), np.float32)
    made[2:5, 1:5, 3:7] = 1
    return made


def by_napari_nifti() -> Image:
    """Return what napari-nifti makes: towards the head, the front and the right."""
    affine = np.diag([-0.5, -0.75, 3.0, 1])
    return Image(
        volume(),
        scale=(-3.0, -0.75, -0.5),
        translate=(70.0, 20.0, -11.0),
        metadata={"affine": affine, "spacing": (3, 0.75, 0.5), "direction": np.eye(3)},
    )


def by_itk_io() -> Image:
    """Return what napari-itk-io makes: ITK's order, its direction as a rotation."""
    turn = np.radians(15)
    rotation = [
        [1, 0, 0],
        [0, np.cos(turn), -np.sin(turn)],
        [0, np.sin(turn), np.cos(turn)],
    ]
    return Image(
        volume(), scale=(3.0, 0.75, 0.5), translate=(70, 20, -11), rotate=rotation
    )


def by_ome_zarr() -> Image:
    """Return what napari-ome-zarr makes: levels, and units where it has them."""
    levels = [volume(), volume()[:, ::2, ::2]]
    return Image(
        levels,
        multiscale=True,
        scale=(3.0, 0.75, 0.5),
        translate=(70.0, 20.0, -11.0),
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
    )


def by_napari_tiff() -> Image:
    """Return what napari-tiff makes of an ImageJ stack: a scale without a unit."""
    return Image(volume(), scale=(3.0, 0.75, 0.5), metadata={"spacing": 3.0})


EVERY = pytest.mark.parametrize(
    ("opened", "mm"),
    [
        (by_napari_nifti, None),
        (by_itk_io, None),
        (by_ome_zarr, 1e-3),
        (by_napari_tiff, None),
    ],
)


def mask_on(layer: Image) -> Labels:
    """Return the mask of a model that calls what is bright foreground."""
    image = to_image(layer, dims=3)
    found = segment(thresholding_model(), image, Patient(severity="T2"), settings=CPU)
    data, arguments, kind = mask_layer(layer, found)
    made = Layer.create(data, arguments, kind)
    assert isinstance(made, Labels)
    return made


@EVERY
def test_a_mask_lies_on_the_voxels_that_it_is_of(opened: object, mm: object) -> None:
    layer = opened()
    mask = mask_on(layer)
    whole = layer.data[0] if layer.multiscale else layer.data
    np.testing.assert_array_equal(mask.data, whole > 0.5)
    for index in (*BRIGHT, (0, 0, 0), (5, 6, 8), (1.5, 2.5, 0.25)):
        np.testing.assert_allclose(
            mask.data_to_world(index), layer.data_to_world(index), atol=1e-9
        )
    assert mask.units == layer.units
    assert mask.axis_labels == layer.axis_labels


@EVERY
def test_sizes_without_a_unit_are_asked_for_and_never_guessed(
    opened: object, mm: float | None
) -> None:
    layer = opened()
    image = to_image(layer, dims=3)
    assert has_no_size(layer, 3) == (mm is None)
    assert image.unit == (None if mm is None else "mm")
    sides = np.array([3, 0.75, 0.5]) * (mm or 1.0)
    np.testing.assert_allclose(image.spacing, sides)


def test_negative_scales_and_the_first_voxel_go_into_the_file(tmp_path: Path) -> None:
    layer = by_napari_nifti()
    layer.units = ("mm",) * 3  # as a person states it
    data, meta, _ = mask_on(layer).as_layer_data_tuple()
    save_layer(tmp_path / "mask.nii.gz", data, meta)
    saved = nib.load(tmp_path / "mask.nii.gz")
    # Its world is right, front, head; napari's is head, back, left.
    assert saved.header.get_xyzt_units()[0] == "mm"
    expected = np.array([[0.5, 0, 0, 11], [0, 0.75, 0, -20], [0, 0, -3, 70]])
    np.testing.assert_allclose(saved.affine[:3], expected, atol=1e-5)
    (first, last) = (np.array([*index[::-1], 1]) for index in BRIGHT)
    for corner, index in ((first, BRIGHT[0]), (last, BRIGHT[1])):
        z, y, x = layer.data_to_world(index)
        np.testing.assert_allclose((saved.affine @ corner)[:3], (-x, -y, z), atol=1e-4)
    assert np.asarray(saved.dataobj).sum() == 3 * 4 * 4
