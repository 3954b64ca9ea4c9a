"""What labels stand for that are no class of the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.layers import Labels
from tuning_desk import TuningDesk

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.viewer.fine_tune.annotations import as_meant
from napari_dmoe.viewer.layers.label_meanings import (
    NOT_ANNOTATED,
    NOTHING,
    class_map,
    meanings_of,
    state_meaning,
    without_class,
)
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.segment.masks.meanings_view import UNKNOWN

CLASSES = ("background", "rim", "cup")
DRAWN = np.zeros(IMAGE.shape, np.uint8)
DRAWN[2:9, 2:7] = 255
DRAWN[4:6, 3:5] = 7


@pytest.mark.parametrize(
    ("found", "classes", "left"),
    [
        ({0: 5, 1: 2, 2: 1}, CLASSES, []),
        ({0: 5, 7: 2, 255: 1}, CLASSES, [7, 255]),
        ({0: 5, 255: 1}, CLASSES, [255]),
        ({0: 5, 255: 1}, CLASSES[:2], []),
        ({0: 5, 7: 1, 255: 1}, CLASSES[:2], [7, 255]),
        ({-1: 5, 0: 1}, CLASSES, [-1]),
    ],
)
def test_labels_beyond_the_classes_stand_for_none(
    found: dict[int, int], classes: tuple[str, ...], left: list[int]
) -> None:
    assert without_class(found, classes) == left


@pytest.mark.gui
def test_what_was_said_is_kept_by_name_and_holds_for_models_with_that_class() -> None:
    layer = Labels(DRAWN)
    assert class_map(layer, CLASSES) is None
    state_meaning(layer, 255, "cup")
    state_meaning(layer, 7, NOT_ANNOTATED)
    assert meanings_of(layer) == {255: "cup", 7: NOT_ANNOTATED}
    assert class_map(layer, CLASSES) == {0: 0, 1: 1, 2: 2, 255: 2, 7: NOTHING}
    assert class_map(layer, ("background", "cup")) == {0: 0, 1: 1, 255: 1, 7: NOTHING}
    state_meaning(layer, 7, "lesion")
    assert class_map(Labels(DRAWN, metadata=layer.metadata), ("background",)) is None


def test_labels_are_read_as_they_are_meant() -> None:
    placed = SpatialImage(np.array([[0, 7, 255, 2]], np.uint8), ("y", "x"), np.eye(3))
    meant = {0: 0, 1: 1, 2: 2, 255: 2, 7: NOTHING}
    read = as_meant(placed, Annotation(), meant)
    assert read.data.tolist() == [[0, -1, 2, 2]]
    sparse = Annotation(unlabelled=0, background=3)
    assert as_meant(placed, sparse, meant | {7: 0}).data.tolist() == [[0, 3, 2, 2]]
    assert as_meant(placed, sparse, None) is placed


@pytest.mark.gui
@pytest.mark.formats("numbers that the model has no class for, in the dock")
def test_the_table_asks_for_labels_without_a_class_and_keeps_the_answer(
    desk: Desk,
) -> None:
    section = desk.segmenting.tab.label_meanings
    desk.settle()
    assert section.isHidden()
    layer = desk.viewer.add_labels(DRAWN, name="drawn")
    desk.session.showing.own(desk.session.image, layer)
    desk.session.truths.set(desk.session.image, layer)
    desk.settle()
    assert not section.isHidden()
    assert "labels 7 and 255 stand for no class" in section.said.text()
    assert list(section.combos) == [0, 7, 255]
    assert section.combos[0].currentText() == "background"
    for label, name in ((255, "cup"), (7, NOT_ANNOTATED)):
        combo = section.combos[label]
        combo.setCurrentText(name)
        combo.textActivated.emit(name)
        desk.settle()
    assert meanings_of(layer) == {255: "cup", 7: NOT_ANNOTATED}
    assert section.said.text() == "What the labels of “drawn” stand for."
    desk.run()
    image, result = desk.session.current
    read = desk.segmenting.truth.read(image, result)
    assert read.problem == ""
    assert sorted(np.unique(read.values).tolist()) == [NOTHING, 0, 2]
    assert (read.values == 2).sum() == (DRAWN == 255).sum()


@pytest.mark.gui
def test_labels_of_other_names_are_asked_for_and_one_answer_is_enough(
    desk: Desk,
) -> None:
    section, truth = desk.segmenting.tab.label_meanings, desk.segmenting.truth
    desk.choose("severity", "glaucoma")
    desk.run()
    values = np.array(desk.masks[0].data)
    values[values == 2] = 4
    names = ("background", "kidney", "liver", "spleen", "papilla")
    layer = desk.viewer.add_labels(values, features=mask_look(names)["features"])
    desk.session.truths.set(desk.session.image, layer)
    desk.settle()
    image, result = desk.session.current
    assert "under LABELS" in truth.read(image, result).problem
    assert section.said.text().endswith(
        "labels 1 kidney and 4 papilla stand for no class of the model yet."
    )
    said = {label: combo.currentText() for label, combo in section.combos.items()}
    assert said == {0: "background", 1: UNKNOWN, 4: UNKNOWN}

    section.combos[4].setCurrentText("cup")
    section.combos[4].textActivated.emit("cup")
    desk.settle()
    said = {label: combo.currentText() for label, combo in section.combos.items()}
    assert said == {0: "background", 1: "background", 4: "cup"}
    read = truth.read(image, result)
    np.testing.assert_array_equal(read.values, np.where(values == 4, 2, 0))
    facts = desk.segmenting.tab.result.table._facts
    cup = next(row for row in facts if row.name == "cup")
    assert cup.beside.replace("\u00a0", " ") == "Dice 1.000, IoU 1.000"


@pytest.mark.gui
def test_labels_of_the_models_names_ask_nothing(desk: Desk) -> None:
    names = ("background", "cup", "vessel", "rim")
    values = np.array([0, 3, 1], np.uint8)[np.clip(DRAWN, 0, 2)]
    layer = desk.viewer.add_labels(values, features=mask_look(names)["features"])
    desk.session.truths.set(desk.session.image, layer)
    desk.settle()
    assert desk.segmenting.tab.label_meanings.isHidden()


@pytest.mark.gui
def test_pairs_are_trained_on_as_their_labels_are_meant(
    make_tuning: Callable[..., TuningDesk],
) -> None:
    tuning = make_tuning()
    desk = tuning.desk
    layer = desk.viewer.add_labels(DRAWN, name="retina labels")
    pairs = desk.tuner.pairs
    desk.choose("severity", "glaucoma")
    pairs.see(True)
    desk.settle()
    assert pairs.chosen == ()
    state_meaning(layer, 255, "cup")
    state_meaning(layer, 7, NOT_ANNOTATED)
    pairs.show()
    (pair,) = pairs.chosen
    assert pair.annotated == "cup"
    (snapshot,) = pairs.snapshots()
    reading = pairs.reading()
    assert reading.unlabelled == -1
    (case,) = snapshot.cases(2, reading)
    assert sorted(np.unique(case.labels.data).tolist()) == [-1, 0, 2]
