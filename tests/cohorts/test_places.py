"""Labels meet their image where both lie, in tables and in Python's cases alike."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from orientations import ORIENTATIONS, SOME, restored, stored
from stub_networks import thresholding_model

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.labels import fitting, placed_labels
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import Annotation, read_classes
from napari_dmoe.training.guarding.scores import score_cases

TURNED = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ np.diag([2.0, 3, 4])
AFFINE = np.eye(4)
AFFINE[:3, :3], AFFINE[:3, 3] = TURNED, (5, 6, 7)
VOXELS = np.random.default_rng(0).integers(0, 3, (6, 5, 4)).astype(np.int16)


def volume(data: np.ndarray = VOXELS, affine: np.ndarray = AFFINE) -> nib.Nifti1Image:
    return nib.Nifti1Image(data, affine)


def case(image: SpatialImage, labels: SpatialImage) -> Case:
    return Case("a", image, labels, Patient())


@pytest.mark.parametrize("code", SOME)
def test_the_same_voxels_in_any_order_are_put_right(tmp_path: Path, code: str) -> None:
    image = stored(volume(), code, tmp_path / "image.nii")
    for other in ORIENTATIONS:
        labels = stored(volume(), other, tmp_path / "labels.nii")
        found = fitting(labels, image)
        assert found.axes == image.axes
        np.testing.assert_array_equal(found.data, image.data, err_msg=other)
        np.testing.assert_allclose(found.affine, image.affine, atol=1e-4)
        order = ("z", "y", "x")
        upright = image.data.transpose([image.axes.index(axis) for axis in order])
        placed = placed_labels(case(image, labels), order)
        np.testing.assert_array_equal(placed, upright, err_msg=other)


@pytest.mark.formats("labels of a volume in another storage order")
def test_a_table_takes_labels_in_another_order(tmp_path: Path) -> None:
    nib.save(restored(volume(), "RAS"), tmp_path / "image.nii.gz")
    nib.save(restored(volume(), "LPS"), tmp_path / "labels.nii.gz")
    (tmp_path / "cohort.csv").write_text("image,labels\nimage.nii.gz,labels.nii.gz\n")
    (read,) = read_cohort(tmp_path)
    np.testing.assert_array_equal(read.labels.data, read.image.data)


@pytest.mark.formats("labels of a volume that lie elsewhere")
@pytest.mark.parametrize("shift", [(30.0, 0, 0), (0, 40.0, 0), (1.5, 1.5, 1.5)])
def test_another_place_is_refused_with_its_distance(
    tmp_path: Path, shift: tuple[float, ...]
) -> None:
    there = AFFINE.copy()
    there[:3, 3] += shift
    image = stored(volume(), "RAS", tmp_path / "image.nii")
    labels = stored(volume(affine=there), "LPS", tmp_path / "labels.nii")
    apart = f"up to {np.linalg.norm(shift):.3g} mm away"
    with pytest.raises(CohortError, match=apart):
        fitting(labels, image)
    with pytest.raises(CohortError, match=f"case a: .*{apart}"):
        placed_labels(case(image, labels), ("z", "y", "x"))


def test_labels_of_the_same_shape_that_are_mirrored_are_refused(tmp_path: Path) -> None:
    """What was taken voxel by voxel: the same shape, from the other end."""
    mirrored = AFFINE @ np.diag([-1.0, 1, 1, 1])
    image = stored(volume(), "RAS", tmp_path / "image.nii")
    labels = stored(volume(affine=mirrored), "RAS", tmp_path / "labels.nii")
    with pytest.raises(CohortError, match="mm away"):
        placed_labels(case(image, labels), ("z", "y", "x"))


def test_other_units_are_the_same_place() -> None:
    axes, affine = ("z", "y", "x"), np.diag([2.0, 1, 1, 1])
    image = SpatialImage(VOXELS, axes, affine, "mm")
    small = np.diag([2000.0, 1000, 1000, 1])
    labels = SpatialImage(VOXELS, axes, small, "µm")
    np.testing.assert_array_equal(fitting(labels, image).data, VOXELS)
    np.testing.assert_array_equal(placed_labels(case(image, labels), axes), VOXELS)
    with pytest.raises(CohortError, match="mm away"):
        fitting(SpatialImage(VOXELS, axes, affine, "um"), image)


def test_a_place_that_only_one_states_is_said() -> None:
    axes = ("z", "y", "x")
    image = SpatialImage(VOXELS, axes, np.diag([2.0, -1, -1, 1]), "mm")
    labels = SpatialImage(VOXELS, axes)
    found = fitting(labels, image)
    np.testing.assert_array_equal(found.data, VOXELS)
    assert found.notices == (
        "only the image states where it lies, so the labels were taken for the image's "
        "own voxels, one by one",
    )
    np.testing.assert_array_equal(placed_labels(case(image, labels), axes), VOXELS)
    sagittal = SpatialImage(VOXELS, ("x", "z", "y"), np.eye(4), "mm")
    with pytest.raises(CohortError, match=r"save both as NIfTI"):
        fitting(labels, sagittal)
    with pytest.raises(CohortError, match=r"case a: .*save both as NIfTI"):
        placed_labels(case(sagittal, labels), axes)
    assert fitting(labels, SpatialImage(VOXELS, axes)).notices == ()


@pytest.mark.formats("labels of a volume whose file does not say how it lies")
@pytest.mark.parametrize("code", SOME)
@pytest.mark.parametrize("crop", [0, 1])
def test_sizes_alone_are_no_place(tmp_path: Path, code: str, crop: int) -> None:
    """Such labels were put where they happened to meet the image."""
    image = stored(volume(), code, tmp_path / "image.nii")
    bare = nib.Nifti1Image(np.asarray(restored(volume(), code).dataobj)[crop:], None)
    bare.header.set_zooms((2, 3, 4))
    nib.save(bare, tmp_path / "labels.nii")
    labels = read_image(tmp_path / "labels.nii")
    only = "only the image states where the voxels lie"
    with pytest.raises(CohortError, match=only):
        fitting(labels, image)
    with pytest.raises(CohortError, match=f"case a: {only}"):
        placed_labels(case(image, labels), ("z", "y", "x"))
    with pytest.raises(CohortError, match="only the labels state where"):
        fitting(image, labels)
    np.testing.assert_array_equal(fitting(labels, labels).data, labels.data)


def test_what_was_assumed_of_cases_reaches_who_trains(tmp_path: Path) -> None:
    axes, stated = ("z", "y", "x"), np.diag([2.0, -1, -1, 1])
    image = SpatialImage(VOXELS, axes, stated, "mm", ("it was converted",))
    labels = SpatialImage(VOXELS, axes, notices=("it was turned",))
    reading = Annotation().reading(("background", "one", "two"))
    read_classes(case(image, labels), axes, n_classes=3, reading=reading)
    assert reading.notices == (
        "it was converted (case a)",
        "it was turned (case a)",
        "only the image states where it lies, so the labels were taken for the image's "
        "own voxels, one by one (case a)",
    )


def test_training_and_scores_take_labels_in_another_order(tmp_path: Path) -> None:
    loaded = thresholding_model(window=(0, 2))
    data = np.where(VOXELS == 2, 2, 0).astype(np.int16)
    image = stored(volume(data), "RAS", tmp_path / "image.nii")
    labels = stored(volume(data // 2), "PIR", tmp_path / "labels.nii")
    axes = ("z", "y", "x")
    classes = read_classes(
        case(image, labels), axes, n_classes=2, annotation=Annotation()
    )
    np.testing.assert_array_equal(classes, image.data // 2)
    stage = loaded.card.attributes[0]
    patient = Patient.from_values({stage.name: stage.values[0]})
    (score,) = score_cases(
        loaded, [Case("a", image, labels, patient)], attributes=(stage,)
    )
    assert set(score.dice.values()) == {1.0}
