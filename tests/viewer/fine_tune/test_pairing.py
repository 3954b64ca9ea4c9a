"""Which labels belong to which image, and what can be trained on."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from viewer_fakes import make_outcome, make_segmentation

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.viewer.fine_tune.annotations import (
    Painted,
    Snapshot,
    content_of,
    copied,
    look_through,
)
from napari_dmoe.viewer.fine_tune.pairs import Bond, Pair, find_pairs
from napari_dmoe.viewer.layers.labels_on import (
    fits,
    on_image,
)
from napari_dmoe.viewer.layers.placement import same_grid, to_image
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.session import Session

EVERYTHING = Annotation()
SPARSE = Annotation(unlabelled=0, background=3)
SHAPE = (12, 9)


@pytest.fixture
def session(fundus_model: LoadedModel, viewer: ViewerModel) -> Session:
    session = Session(viewer)  # refers to the viewer weakly
    session.set_model(fundus_model)
    return session


def painted(shape: tuple[int, ...] = SHAPE, value: int = 1) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[..., 2:5, 2:5] = value
    return labels


def open_image(session: Session, name: str = "retina", **options: object) -> Image:
    shape = options.pop("shape", SHAPE)
    image = session.viewer.add_image(np.zeros(shape, np.uint8), name=name, **options)
    session.set_patient(image, Patient(severity="suspect"))
    return image


def pairs_of(session: Session, annotation: Annotation = EVERYTHING) -> list[Pair]:
    dims = session.dims

    def look(_: object, placed: SpatialImage, reading: Annotation) -> Painted:
        return look_through(placed, dims, reading)

    return find_pairs(session, annotation, look)


@pytest.mark.parametrize(
    "name",
    ["retina", "retina / mask", "retina labels", "retina_seg", "Retina-annotation.tif"],
)
def test_labels_named_after_an_image_belong_to_it(session: Session, name: str) -> None:
    open_image(session, "other")
    image = open_image(session)
    session.viewer.add_labels(painted(), name=name)
    (pair,) = pairs_of(session)
    assert pair.image() is image
    assert (pair.bond, pair.is_chosen, pair.problem) == (Bond.NAME, True, "")
    assert pair.patient == "severity suspect"
    assert pair.annotated == "rim"


def test_the_longest_name_that_fits_wins(session: Session) -> None:
    open_image(session, "retina")
    second = open_image(session, "retina 2")
    session.viewer.add_labels(painted(), name="retina 2 labels")
    (pair,) = pairs_of(session)
    assert pair.image() is second


def test_the_only_labels_belong_to_the_only_image(session: Session) -> None:
    open_image(session)
    session.viewer.add_labels(painted(), name="my work")
    assert [pair.bond for pair in pairs_of(session)] == [Bond.ONLY]


def test_labels_of_no_name_are_offered_but_not_chosen(session: Session) -> None:
    open_image(session, "a")
    open_image(session, "b")
    session.viewer.add_labels(painted(), name="my work")
    found = pairs_of(session)
    assert [pair.bond for pair in found] == [Bond.SHAPE, Bond.SHAPE]
    assert not any(pair.is_chosen for pair in found)


def test_a_mask_counts_once_somebody_painted_on_it(
    session: Session,
) -> None:
    image = open_image(session)
    outcome = make_outcome(make_segmentation(to_image(image)))
    result = results.show(session.viewer, image, outcome)
    session.set_result(image, result)
    (pair,) = pairs_of(session)
    assert (pair.bond, pair.is_chosen) == (Bond.UNTOUCHED, False)
    result.is_kept = True  # to be compared with
    assert pairs_of(session) == []
    result.mask().paint((10, 8), 1)
    (pair,) = pairs_of(session)
    assert (pair.bond, pair.is_chosen) == (Bond.CORRECTED, True)
    session.viewer.add_labels(painted(), name="retina labels")
    assert [pair.is_chosen for pair in pairs_of(session)] == [True, False]
    result.mask().data = np.zeros(SHAPE, np.uint8)  # nothing is there, somebody says
    pair = pairs_of(session)[0]
    assert (pair.problem, pair.has_foreground) == ("", False)


@pytest.mark.parametrize(
    "place",
    [{"translate": (1, 0)}, {"scale": (2, 2)}, {"rotate": 30}],
    ids=["moved", "scaled", "turned"],
)
def test_labels_elsewhere_are_no_pair(session: Session, place: dict) -> None:
    open_image(session)
    session.viewer.add_labels(painted(), name="retina labels", **place)
    assert pairs_of(session) == []


def test_labels_of_another_shape_are_no_pair(session: Session) -> None:
    open_image(session)
    session.viewer.add_labels(painted((9, 12)), name="retina labels")
    assert pairs_of(session) == []


def test_labels_of_the_same_place_under_another_transform_are_a_pair() -> None:
    image = Image(np.zeros(SHAPE), scale=(2, 2))
    affine = np.diag([2.0, 2.0, 1.0])
    assert same_grid(image, Labels(painted(), affine=affine))
    assert same_grid(
        Image(np.zeros((*SHAPE, 3), np.uint8), rgb=True), Labels(painted())
    )


VOLUME = np.random.default_rng(5).integers(0, 3, (4, 5, 6)).astype(np.uint8)
"""Labels of a volume as the image stores it: z, y, x."""


@pytest.mark.parametrize(
    ("stored", "place"),
    [
        (VOLUME[:, ::-1, ::-1], {"scale": (3, -2, -1), "translate": (0, 8, 5)}),
        (
            VOLUME.transpose(2, 0, 1)[::-1],
            {
                "axis_labels": "xzy",
                "scale": (-1, 3, 2),
                "translate": (5, 0, 0),
            },
        ),
        (VOLUME, {"scale": (3, 2, 1)}),
    ],
    ids=["the other end", "another order", "as they are"],
)
def test_labels_of_the_same_voxels_in_another_order_are_put_right(
    stored: np.ndarray, place: dict
) -> None:
    of_volume = {"axis_labels": "zyx", "units": "mm"}
    image = Image(np.zeros(VOLUME.shape), scale=(3, 2, 1), **of_volume)
    labels = Labels(stored, **{**of_volume, **place})
    assert fits(image, labels)
    for dims in (2, 3):
        placed = on_image(image, labels, dims)
        assert placed.axes == ("z", "y", "x")
        np.testing.assert_array_equal(placed.data, VOLUME)
    elsewhere = {**of_volume, **place, "translate": (0, 3, 0)}
    assert not fits(image, Labels(stored, **elsewhere))
    unnamed = {key: value for key, value in place.items() if key != "axis_labels"}
    assert fits(image, Labels(stored, **unnamed)) == (stored is VOLUME)


def test_maps_and_differences_are_no_annotations(session: Session) -> None:
    open_image(session)
    layer = session.viewer.add_labels(painted(), name="retina / difference")
    layer.editable = False
    shown = {"napari-dmoe": {"shows": "experts"}}
    session.viewer.add_labels(
        painted(), name="retina / routing block 3", metadata=shown
    )
    assert pairs_of(session) == []


@pytest.mark.parametrize(
    ("value", "annotation", "words"),
    [
        (0, EVERYTHING, "Paint rim or cup first"),
        (0, SPARSE, "Paint rim or cup first"),
        (3, SPARSE, "Paint rim or cup first"),
        (7, EVERYTHING, "Label 7 stands for no class of the model"),
        (7, SPARSE, "Label 7 stands for no class of the model"),
    ],
)
def test_what_cannot_be_trained_on_is_said(
    session: Session, value: int, annotation: Annotation, words: str
) -> None:
    open_image(session)
    session.viewer.add_labels(painted(value=value), name="retina labels")
    (pair,) = pairs_of(session, annotation)
    assert words in pair.problem
    assert not pair.is_chosen


def test_an_unknown_driver_keeps_no_pair_from_training(session: Session) -> None:
    image = open_image(session)
    session.set_patient(image, Patient())
    session.viewer.add_labels(painted(), name="retina labels")
    (pair,) = pairs_of(session)
    assert (pair.problem, pair.patient) == ("", "severity unknown")
    assert pair.is_chosen
    session.set_patient(image, Patient(severity="T4"))
    assert "does not know that severity" in pairs_of(session)[0].problem


def test_two_patients_with_different_drivers_stay_apart(session: Session) -> None:
    for name, severity in (("a", "healthy"), ("b", "glaucoma")):
        image = open_image(session, name)
        session.set_patient(image, Patient(severity=severity))
        session.viewer.add_labels(painted(), name=f"{name} labels")
    said = {pair.names[0]: pair.patient for pair in pairs_of(session)}
    assert said == {"a": "severity healthy", "b": "severity glaucoma"}
    for pair in pairs_of(session):
        patient = session.patient_of(pair.image())
        (case,) = cases_of(session, pair)
        assert case.patient == patient


def cases_of(
    session: Session, pair: Pair, annotation: Annotation = EVERYTHING, dims: int = 2
) -> list:
    image, labels = pair.image(), pair.labels()
    taken = Snapshot(
        to_image(image, dims),
        copied(on_image(image, labels, dims)),
        session.patient_of(image),
        number=4,
    )
    return taken.cases(dims, annotation)


def test_each_annotated_frame_of_a_stack_is_a_case(session: Session) -> None:
    image = open_image(session, shape=(3, *SHAPE), axis_labels=("t", "y", "x"))
    image.data[1] = 7
    labels = painted((3, *SHAPE))
    labels[0] = 0
    session.viewer.add_labels(labels, name="retina labels")
    (pair,) = pairs_of(session)
    assert pair.annotated == "rim · 2 frames"
    cases = cases_of(session, pair)
    assert [case.id for case in cases] == ["4.2", "4.3"]
    assert cases[0].image.axes == ("y", "x")
    assert (cases[0].image.data == 7).all()
    np.testing.assert_array_equal(cases[0].labels.data, painted())


def test_colours_and_channels_have_one_mask(session: Session) -> None:
    image = open_image(session, shape=(*SHAPE, 3), rgb=True)
    session.viewer.add_labels(painted(), name="retina labels")
    (pair,) = pairs_of(session)
    (case,) = cases_of(session, pair)
    assert case.image.axes == ("y", "x", "c")
    assert case.labels.axes == ("y", "x")
    session.viewer.layers.clear()
    image = open_image(session, shape=(2, *SHAPE), axis_labels=("c", "y", "x"))
    layer = session.viewer.add_labels(painted((1, *SHAPE)), name="retina labels")
    assert same_grid(image, layer)
    (pair,) = pairs_of(session)
    (case,) = cases_of(session, pair)
    assert case.labels.data.shape == SHAPE


def test_a_snapshot_does_not_change_with_later_painting(session: Session) -> None:
    open_image(session)
    layer = session.viewer.add_labels(painted(), name="retina labels")
    (case,) = cases_of(session, pairs_of(session)[0])
    layer.data[:] = 2
    np.testing.assert_array_equal(case.labels.data, painted())


def test_without_a_model_there_is_nothing_to_tune(session: Session) -> None:
    open_image(session)
    session.viewer.add_labels(painted(), name="retina labels")
    session.set_model(None)
    assert pairs_of(session) == []


def test_labels_that_are_not_looked_through_yet_can_be_ticked(session: Session) -> None:
    open_image(session)
    session.viewer.add_labels(painted(), name="retina labels")
    (pair,) = find_pairs(session, EVERYTHING, lambda *_: None)
    assert pair.annotated == "measuring …"
    assert pair.is_chosen


@pytest.mark.parametrize(
    ("classes", "values", "said", "problem"),
    [
        (("background", "lesion"), {0, 255}, "lesion (label 255)", ""),
        (("background", "lesion"), {0, 1}, "lesion", ""),
        (("background", "lesion"), {0, 1, 255}, "", "Label 255 stands for no class"),
        (("background", "rim", "cup"), {0, 255}, "", "Label 255 stands for no class"),
    ],
)
def test_a_mask_of_two_values_is_understood_for_one_class(
    classes: tuple[str, ...], values: set[int], said: str, problem: str
) -> None:
    card = ModelCard(name="x", title="X", classes=classes)
    content = content_of(Painted(frozenset(values), 1), card, EVERYTHING)
    assert content.said == said
    assert content.problem.startswith(problem)
    assert content.has_foreground == (not problem)
