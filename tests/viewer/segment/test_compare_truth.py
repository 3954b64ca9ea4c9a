"""Comparing with the truth and with labels; what is offered, and how both are seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from desk import Desk
from napari.layers import Image, Labels, Vectors
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.inference.masks.comparison import compare_masks
from napari_dmoe.inference.masks.truth import MISSED, OTHER_CLASS, TOO_MUCH
from napari_dmoe.inference.pictures.colours import (
    DIFFERENCE_COLOURS,
    altered_colours,
    class_colours,
)
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.engines import Surroundings
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.segment.compare.choices import numbers_in
from napari_dmoe.viewer.segment.compare.rows import compared, comparison_rows
from napari_dmoe.viewer.segment.compare.view import OTHER_FILE

pytestmark = pytest.mark.gui

CLASSES = ("background", "rim", "cup")
SHAPE = (12, 9)


def segmented(desk: Desk) -> Desk:
    desk.viewer.layers.clear()
    desk.viewer.add_layer(Image(np.zeros(SHAPE, np.uint8), name="eye"))
    desk.choose("severity", "suspect")
    desk.run()
    desk.click(desk.segmenting.tab.compare.fold.button)
    return desk


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Return a desk with an image called eye, segmented, and Compare open."""
    return segmented(desk)


def labels_like(desk: Desk, name: str = "drawn", **how: object) -> Labels:
    """Add labels with four pixels of rim more, and rim in one pixel of the cup."""
    values = np.array(desk.masks[0].data)
    values[6, :4], values[0, 0] = 1, 1
    layer = Labels(values, name=name, **how)
    desk.viewer.add_layer(layer)
    desk.settle()
    return layer


def offered(desk: Desk) -> list[str]:
    combo = desk.segmenting.tab.compare.combo
    return [combo.itemText(place) for place in range(combo.count())]


def compare_with(desk: Desk, name: str) -> None:
    section = desk.segmenting.tab.compare
    section.combo.setCurrentIndex(offered(desk).index(name))
    desk.click(section.button)
    desk.wait_until_idle()


def lines(desk: Desk) -> list[str]:
    text = desk.segmenting.tab.compare.table.text()
    return [line.strip() for line in text.split("\n")]


def drawn_in(layer: Labels, label: int = 1) -> tuple[int, ...]:
    """Return the colour of a class, the first by default, as a layer draws it."""
    return tuple(round(255 * float(part)) for part in layer.colormap.map(label)[:3])


def drawn_around(line: Vectors) -> set[tuple[int, ...]]:
    """Return the colours of an outline."""
    colours = np.unique(line.edge_color[:, :3], axis=0)
    return {tuple(round(255 * float(part)) for part in each) for each in colours}


def test_the_truth_and_other_labels_are_offered(desk: Desk) -> None:
    truth = labels_like(desk)
    labels_like(desk, "others")
    labels_like(desk, "bones", features=mask_look(("background", "bone"))["features"])
    desk.session.truths.set(desk.session.image, truth)
    desk.settle()
    assert offered(desk) == ["truth “drawn”", "labels “others”", "age", OTHER_FILE]


def test_dice_and_what_is_missed_are_told_of_the_truth(desk: Desk) -> None:
    truth, mask = labels_like(desk), desk.masks[0]
    desk.session.truths.set(desk.session.image, truth)
    desk.settle()
    n = {k: int((mask.data == k).sum()) for k in (1, 2)}
    runs = len(desk.segment.calls)
    compare_with(desk, "truth “drawn”")

    rim, cup = 2 * n[1] / (2 * n[1] + 5), 2 * (n[2] - 1) / (2 * n[2] - 1)
    disc = 2 * (n[1] + n[2]) / (2 * (n[1] + n[2]) + 4)
    found = desk.segmenting.tab.compare.found
    said = f"Dice rim {rim:.3f}, cup {cup:.3f}, disc {disc:.3f}"
    assert found.badge.text() == said
    assert found.badge.font().bold()
    assert found.text().startswith(said)
    assert "missed\t4 px" in lines(desk)
    assert "too much\t0 px" in lines(desk)
    assert "another class\t1 px" in lines(desk)
    difference = desk.viewer.layers["eye / difference"]
    assert difference.data[6, 0] == MISSED
    assert difference.data[0, 0] == OTHER_CLASS
    assert TOO_MUCH not in difference.data
    # The colours are those of the overlay of what is missed.
    seen = difference.colormap.map(MISSED)[:3]
    np.testing.assert_allclose(255 * np.array(seen), DIFFERENCE_COLOURS[0], atol=1)
    assert len(desk.segment.calls) == runs
    assert desk.status == "Compared: 5 pixels differ."


def test_labels_that_are_no_truth_are_called_first_and_second(desk: Desk) -> None:
    labels_like(desk)
    compare_with(desk, "labels “drawn”")
    assert "second only\t4 px" in lines(desk)
    assert "First: “eye / mask”. Second: “drawn”" in said(desk)


def said(desk: Desk) -> str:
    return desk.segmenting.tab.compare.found.summary.text()


def test_both_are_outlines_in_colours_of_their_own_while_it_holds(desk: Desk) -> None:
    labels, mask = labels_like(desk), desk.masks[0]
    before = labels.colormap
    compare_with(desk, "labels “drawn”")
    assert mask.visible
    assert labels.visible
    assert desk.is_outlined(mask)
    assert desk.is_outlined(labels)
    for each in (mask, labels):
        line = desk.session.outlines.line_of(each)
        assert drawn_around(line) == {drawn_in(each, 1), drawn_in(each, 2)}
    assert drawn_in(mask) == class_colours(CLASSES)[1]
    assert drawn_in(labels) == altered_colours(CLASSES)[1]
    rows = {row.name: row for row in desk.segmenting.tab.compare.table._facts}
    assert rows["  in the first"].colour == class_colours(CLASSES)[2]
    assert rows["  in the second"].colour == altered_colours(CLASSES)[2]

    mask.data_setitem((np.array([11]), np.array([8])), 1)
    desk.settle()
    assert said(desk) == ""
    assert labels.colormap is before
    assert desk.is_filled(labels)
    assert desk.is_filled(mask)
    assert not desk.viewer.layers["eye / difference"].visible


def test_it_begins_where_what_is_missed_was_seen_and_ends_with_the_first_looks(
    desk: Desk,
) -> None:
    labels, mask = labels_like(desk), desk.masks[0]
    desk.session.truths.set(desk.session.image, labels)
    desk.settle()
    before, own = labels.colormap, mask.colormap
    desk.segmenting.tab.result.truth.missed_box.click()
    desk.settle()
    compare_with(desk, "truth “drawn”")
    assert not desk.segmenting.tab.result.truth.missed_box.isChecked()
    assert desk.is_outlined(mask)
    assert desk.is_outlined(labels)
    assert drawn_in(labels) == altered_colours(CLASSES)[1]
    assert drawn_in(mask) == class_colours(CLASSES)[1]

    mask.data_setitem((np.array([11]), np.array([8])), 1)
    desk.settle()
    assert labels.colormap is before
    assert mask.colormap is own
    assert desk.is_filled(labels)
    assert desk.is_filled(mask)


def test_it_begins_where_a_map_of_the_routing_was_seen(desk: Desk) -> None:
    labels, mask = labels_like(desk), desk.masks[0]
    desk.dock.tabs.setCurrentWidget(desk.routing.tab)
    desk.click(desk.routing.tab.shown_box)
    desk.settle()
    assert desk.is_outlined(mask)
    compare_with(desk, "labels “drawn”")
    desk.settle()
    assert desk.is_outlined(mask)
    assert desk.is_outlined(labels)


def test_a_class_that_the_truth_lacks_is_no_difference(desk: Desk) -> None:
    mask = desk.masks[0]
    features = mask_look(("background", "cup"))["features"]
    only_cup = Labels((mask.data == 2).astype(np.uint8), name="cup", features=features)
    desk.viewer.add_layer(only_cup)
    desk.settle()
    compare_with(desk, "labels “cup”")
    assert "They differ in 0 pixels" in said(desk)
    assert drawn_in(only_cup) == altered_colours(CLASSES)[2]


def test_what_volumes_are_made_of_is_called_voxels() -> None:
    first = np.zeros((2, 3, 4), np.uint8)
    first[0, 0, :3] = 1
    masks = (first, CLASSES[:2]), (np.zeros_like(first), CLASSES[:2])
    found = compared(*masks, compare_masks(*masks, spacing=(1, 1, 1)))
    colours = {"rim": (1, 2, 3)}, {"rim": (4, 5, 6)}
    rows = comparison_rows(found, colours, "mm", what="voxels")
    said = {row.name: row.value for row in rows}
    assert said["  in the first"] == "3 voxels"
    assert said["first only"] == "3 voxels"


def test_classes_of_two_models_are_matched_by_name() -> None:
    numbers = numbers_in(CLASSES, ("background", "cup", "vessel", "rim"))
    assert numbers == {0: 0, 1: 2, 2: 4, 3: 1}
    assert numbers_in(CLASSES, ("cup", "rim", "bg")) == {0: 2, 1: 1, 2: 0}
    assert numbers_in(CLASSES, CLASSES) is None


def test_painting_on_the_labels_ends_the_comparison(desk: Desk) -> None:
    labels = labels_like(desk)
    desk.session.truths.set(desk.session.image, labels)
    desk.settle()
    compare_with(desk, "truth “drawn”")
    assert said(desk)
    labels.data_setitem((np.array([11]), np.array([8])), 1)
    desk.settle()
    assert said(desk) == ""


def test_another_model_is_seen_as_an_outline_too(desk: Desk) -> None:
    compare_with(desk, "age")
    layers = desk.viewer.layers
    first, second = layers["eye / mask"], layers["eye / mask by age"]
    assert layers.index("eye / difference") < layers.index(first)  # below the outlines
    assert first.visible
    assert second.visible
    assert desk.is_outlined(first)
    assert desk.is_outlined(second)
    assert drawn_in(first) != drawn_in(second)
    assert desk.session.current[1].mask() is first


def test_labels_of_no_class_are_refused_beside_the_button(desk: Desk) -> None:
    labels = labels_like(desk)
    labels.data_setitem((np.array([11]), np.array([8])), 9)
    desk.settle()
    compare_with(desk, "labels “drawn”")
    assert said(desk).startswith("Not compared: Labels reach from 0 to 9")


def around(models: dict[str, LoadedModel], **finds: object) -> Surroundings:
    return Surroundings("CPU", ("auto",), tuple(models), finds=finds)


def test_models_of_other_axes_and_classes_are_not_offered(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    known = {
        "age": (2, CLASSES),
        "pelvis": (3, CLASSES),
        "skin": (2, ("background", "lesion")),
    }
    others = dict.fromkeys(("pelvis", "skin", "unknown"), models["age"])
    there = around(models | others, **known)
    desk = segmented(make_desk(look_around=lambda: there))
    assert offered(desk) == ["age", "unknown", OTHER_FILE]


def test_a_file_without_a_class_in_common_is_refused_before_the_run(
    desk: Desk, models: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    fundus = models["fundus"]
    card = fundus.card.model_copy(update={"classes": ("background", "lesion", "hair")})
    path = "/there/skin.pth"
    models[path] = replace(fundus, card=card)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (path, ""))
    runs = len(desk.segment.calls)
    compare_with(desk, OTHER_FILE)
    assert said(desk) == (
        "Not compared: skin.pth finds lesion, hair, and the result shows rim, cup: "
        "they have no class in common"
    )
    assert len(desk.segment.calls) == runs


def test_files_of_one_name_are_told_apart_by_their_folders(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    paths = [str(Path("/a/may/model.pth")), str(Path("/a/june/model.pth"))]
    desk = segmented(make_desk(recent_models=lambda: tuple(paths)))
    named = ["age", "model.pth (may)", "model.pth (june)"]
    assert offered(desk) == [*named, OTHER_FILE]
