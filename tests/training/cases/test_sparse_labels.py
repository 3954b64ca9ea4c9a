"""What is annotated, and what is not (ROBUSTNESS list F, cases 1 to 8)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_cases import (
    CARD,
    CUBE_CARD,
    PLAIN,
    cube,
    cube_model,
    square,
    squares,
    tiny_model,
    weights,
)

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.training.augmentation.volumes import VolumeAugmentSettings
from napari_dmoe.training.cases.annotation import IGNORED, Annotation, TrainingError
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.settings import TrainSettings


def labelled(case: Case, labels: np.ndarray, axes: tuple[str, ...] = ("y", "x")):
    return replace(case, labels=SpatialImage(labels, axes))


def test_labels_with_nothing_annotated_are_refused() -> None:
    case = square(0)
    empty = labelled(case, np.full((32, 32), 9))
    for annotation in (Annotation(unlabelled=9), Annotation(9, 0, slices=True)):
        with pytest.raises(TrainingError, match="case 0: nothing is annotated: paint"):
            read_pool([empty], CARD, annotation=annotation)
    blank = labelled(cube(0), np.zeros((40, 40, 70), int), ("z", "y", "x"))
    with pytest.raises(TrainingError, match="nothing is annotated"):
        read_pool([blank], CUBE_CARD, annotation=Annotation(slices=True))


def test_a_cohort_of_background_only_is_refused_but_not_one_such_case() -> None:
    blank = labelled(square(0), np.zeros((32, 32), np.uint8))
    with pytest.raises(TrainingError, match="anything but background: label some rim"):
        fit(tiny_model(), [blank], settings=PLAIN)
    assert fit(tiny_model(), [blank, square(1)], settings=PLAIN).n_cases == 2


def test_a_label_without_a_class_is_refused_with_its_number() -> None:
    case = labelled(square(0), np.full((32, 32), 7))
    with pytest.raises(TrainingError, match=r"from 7 to 7.*name it as unlabelled"):
        fit(tiny_model(), [case], settings=PLAIN)


def test_one_annotated_slice_is_all_that_counts() -> None:
    case = cube(0)
    labels = np.zeros((40, 40, 70), np.uint8)
    labels[20] = case.labels.data[int(case.labels.data.any((1, 2)).argmax()) + 3]
    one = labelled(case, labels, ("z", "y", "x"))
    pool = read_pool([one], CUBE_CARD, annotation=Annotation(slices=True))
    annotated = pool.labels[0] != IGNORED
    assert annotated[20].all()
    assert annotated.sum() == annotated[20].sum()
    generator = torch.Generator().manual_seed(0)
    everywhere = VolumeAugmentSettings(foreground=0)
    _, patches = pool.varied(torch.zeros(8, dtype=int), everywhere, generator)
    assert (patches != IGNORED).flatten(1).any(1).all()  # no patch teaches nothing


@pytest.mark.parametrize("spacing", [(3.0, 1.0, 1.0), (0.5, 1.0, 1.0)])
def test_a_slice_survives_another_resolution(spacing: tuple[float, ...]) -> None:
    case = cube(0)
    labels = np.full((40, 40, 70), 9, np.uint8)
    labels[19] = case.labels.data[20]
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    placed = Case(
        "a",
        SpatialImage(case.image.data, ("z", "y", "x"), affine, "mm"),
        SpatialImage(labels, ("z", "y", "x"), affine, "mm"),
        case.patient,
    )
    card = CUBE_CARD.model_copy(
        update={
            "preprocessing": VolumePreprocessing(
                spacing=spacing, window=(0, 100), patch=(32, 32, 64)
            )
        }
    )
    pool = read_pool([placed], card, annotation=Annotation(unlabelled=9))
    annotated = (pool.labels[0] != IGNORED).flatten(1).any(1)
    # 3 mm: slice 19 lies between two samples and belongs to one; 0.5 mm: two show it.
    assert annotated.sum() == (1 if spacing[0] == 3 else 2)


def test_scribbles_may_leave_zero_for_what_is_not_annotated() -> None:
    case = square(0)
    scribbles = np.zeros((32, 32), np.uint8)
    scribbles[5, 5:9], scribbles[8, 8:20], scribbles[30, :] = 1, 2, 7
    sparse = labelled(case, scribbles)
    annotation = Annotation(unlabelled=0, background=7)
    pool = read_pool([sparse], CARD, annotation=annotation)
    counts = pool.labels.flatten().long().bincount(minlength=256)
    assert counts[[0, 1, 2]].tolist() == [32, 4, 12]
    assert counts[IGNORED] == 32 * 32 - 48
    settings = TrainSettings(
        epochs=2, batch=2, unlabelled=0, background=7, augmentation="fuller"
    )
    history = fit(tiny_model(), [sparse] * 3, settings=settings).history
    assert all(0 < epoch.loss < 3 for epoch in history)


def test_what_lies_under_an_ignored_label_changes_nothing() -> None:
    def trained(hidden: int) -> torch.Tensor:
        cases = []
        for case in squares(4):
            labels = case.labels.data.copy()
            labels[:, 16:] = hidden
            cases.append(labelled(case, labels))
        settings = PLAIN.model_copy(update={"unlabelled": hidden})
        return weights(fit(tiny_model(), cases, settings=settings).loaded)

    assert torch.equal(trained(255), trained(77))


def test_dice_leaves_out_what_is_not_annotated() -> None:
    cases = []
    for case in squares(4):
        labels = case.labels.data.copy()
        labels[:] = np.where(labels == 1, 255, labels)  # no rim is annotated
        cases.append(labelled(case, labels))
    settings = PLAIN.model_copy(update={"unlabelled": 255})
    fitted = fit(tiny_model(), cases, settings=settings, held_out=cases)
    dice = fitted.history[-1].dice
    # The network may find rim where the truth is background, never where it is rim.
    assert np.isnan(dice["rim"]) or dice["rim"] == 0
    assert 0 <= dice["cup"] <= 1


def test_labels_of_another_size_are_refused_unless_the_world_places_them() -> None:
    case = square(0)
    half = labelled(case, case.labels.data[::2, ::2])
    with pytest.raises(TrainingError, match=r"have \(16, 16\) pixels, but the image"):
        read_pool([half], CARD)
    image = SpatialImage(case.image.data, ("y", "x"), np.diag([1.0, 1, 1]), "mm")
    affine = np.array([[2.0, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    labels = SpatialImage(case.labels.data[::2, ::2], ("y", "x"), affine, "mm")
    pool = read_pool([replace(case, image=image, labels=labels)], CARD)
    found = pool.labels[0].numpy()
    assert (found == case.labels.data).mean() > 0.9
    assert (found != IGNORED).all()
    part = replace(labels, data=labels.data[:8])
    pool = read_pool([replace(case, image=image, labels=part)], CARD)
    assert (pool.labels[0, 20:] == IGNORED).all()  # the labels do not reach there
    far = replace(labels, affine=affine + np.array([[0, 0, 99], [0, 0, 0], [0, 0, 0]]))
    with pytest.raises(TrainingError, match="do not overlap in the world"):
        read_pool([replace(case, image=image, labels=far)], CARD)


def test_float_labels_are_taken_where_they_are_whole_numbers() -> None:
    case = square(0)
    whole = labelled(case, case.labels.data.astype(np.float32))
    plain, found = (read_pool([c], CARD).labels for c in (case, whole))
    assert torch.equal(plain, found)
    for bad in (case.labels.data + 0.5, np.full((32, 32), np.nan)):
        with pytest.raises(TrainingError, match=r"whole numbers.*probabilities"):
            read_pool([labelled(case, bad)], CARD)


def test_labels_with_other_axes_are_refused() -> None:
    case = labelled(square(0), np.zeros((1, 32, 32), int), ("z", "y", "x"))
    with pytest.raises(TrainingError, match="axes z, y, x, where y, x are expected"):
        read_pool([case], CARD)


def test_labels_outside_of_the_crop_are_refused() -> None:
    case = square(0)
    wide = np.pad(case.image.data, ((0, 0), (0, 40)))
    labels = np.full(wide.shape, 255)
    labels[:, 0] = 1
    image = SpatialImage(wide, ("y", "x"))
    with pytest.raises(TrainingError, match="lies outside of what the network sees"):
        read_pool(
            [replace(labelled(case, labels), image=image)],
            CARD,
            annotation=Annotation(255),
        )


def test_held_out_slices_are_measured_and_not_trained_on() -> None:
    settings = TrainSettings(
        epochs=1, batch=1, augmentation=None, hold_out="slices", hold_out_every=4
    )
    fitted = fit(cube_model(), [cube(0), cube(1)], settings=settings)
    assert fitted.held_out == "slices"
    assert set(fitted.history[0].dice) == {"cube"}
    none = settings.model_copy(update={"hold_out": "none"})
    assert fit(cube_model(), [cube(0)], settings=none).history[0].dice == {}
