"""The truth of an image in the dock: Dice beside the areas, and what is missed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import Desk
from napari.layers import Image, Labels
from PIL import Image as Picture
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_dmoe.inference.masks.truth import MISSED, OTHER_CLASS, SAME, TOO_MUCH
from napari_dmoe.inference.pictures.colours import altered_colours, class_colours
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.samples import REFERENCE_KEY
from napari_dmoe.viewer.segment.truth.control import OWNER
from napari_dmoe.viewer.segment.truth.view import FILE, NONE
from napari_dmoe.viewer.session.truths import Origin

pytestmark = pytest.mark.gui

SHAPE = (12, 9)
CLASSES = ("background", "rim", "cup")


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Return a desk with an image called eye, segmented for suspect."""
    return segmented(desk, Image(np.zeros(SHAPE, np.uint8), name="eye"))


def segmented(desk: Desk, image: Image, severity: str = "suspect") -> Desk:
    desk.viewer.layers.clear()
    desk.viewer.add_layer(image)
    desk.choose("severity", severity)
    desk.run()
    return desk


def truth_of(mask: np.ndarray) -> np.ndarray:
    """Return a truth with four pixels of rim more, and rim in one pixel of the cup."""
    truth = np.array(mask)
    truth[6, :4] = 1
    truth[0, 0] = 1
    return truth


def add_truth(desk: Desk, values: np.ndarray, **how: object) -> Labels:
    layer = Labels(values, **{"name": "drawn", **how})
    desk.viewer.add_layer(layer)
    desk.settle()
    return layer


def view(desk: Desk):
    return desk.segmenting.tab.result.truth


def offered(desk: Desk) -> list[str]:
    combo = view(desk).combo
    return [combo.itemText(place) for place in range(combo.count())]


def choose(desk: Desk, name: str) -> None:
    combo = view(desk).combo
    steps = combo.findText(name) - combo.currentIndex()
    for _ in range(abs(steps)):
        desk.qtbot.keyClick(combo, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)
    desk.wait_until_idle()


def overlaps(desk: Desk) -> dict[str, str]:
    """Return what the truth says beside the sizes, by the names of the lines."""
    rows = desk.segmenting.tab.result.table._facts
    return {row.name: row.beside.replace("\u00a0", " ") for row in rows}


def test_without_a_truth_the_table_is_as_it_was(desk: Desk) -> None:
    assert offered(desk) == [NONE, FILE]
    assert view(desk).combo.currentText() == NONE
    assert set(overlaps(desk).values()) == {""}
    assert view(desk).missed_box.isHidden()


def test_dice_and_iou_stand_beside_the_areas(desk: Desk) -> None:
    mask = desk.masks[0].data
    add_truth(desk, truth_of(mask))
    headline = desk.segmenting.tab.result.headline.text()
    choose(desk, "drawn")

    n = {k: int((mask == k).sum()) for k in (1, 2)}
    # The truth's rim has 4 pixels more below, and one of the cup's.
    rim, cup = 2 * n[1] / (2 * n[1] + 5), 2 * (n[2] - 1) / (2 * n[2] - 1)
    disc = 2 * (n[1] + n[2]) / (2 * (n[1] + n[2]) + 4)
    found = overlaps(desk)
    assert found["rim"] == f"Dice {rim:.3f}, IoU {rim / (2 - rim):.3f}"
    assert found["cup"] == f"Dice {cup:.3f}, IoU {cup / (2 - cup):.3f}"
    assert found["disc"] == f"Dice {disc:.3f}, IoU {disc / (2 - disc):.3f}"
    assert desk.segmenting.tab.result.headline.text() == headline
    desk.click(desk.segmenting.tab.result.copy_button)
    copied = QApplication.clipboard().text().replace("\u00a0", " ")
    assert f"Dice {disc:.3f}" in copied


def test_lines_of_dice_are_in_the_csv_beside_the_sizes(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    target = tmp_path / "table.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    desk.click(desk.segmenting.tab.result.table_button)
    desk.wait_until_idle()

    with target.open(newline="", encoding="utf-8-sig") as file:
        rows = {row["measure"]: row for row in csv.DictReader(file)}
    said = overlaps(desk)["cup"]
    assert said == (
        f"Dice {float(rows['cup Dice']['value']):.3f}, "
        f"IoU {float(rows['cup IoU']['value']):.3f}"
    )
    assert {"rim Dice", "rim IoU", "disc Dice", "disc IoU", "rim"} <= set(rows)
    assert {row["truth"] for row in rows.values()} == {"drawn"}
    assert rows["cup Dice"]["unit"] == ""


def test_it_follows_who_paints_on_the_mask_and_on_the_truth(desk: Desk) -> None:
    mask = desk.masks[0]
    truth = add_truth(desk, np.array(mask.data))
    choose(desk, "drawn")
    assert overlaps(desk)["rim"] == "Dice 1.000, IoU 1.000"
    n = int((mask.data == 1).sum())

    mask.data_setitem((np.array([10, 11]), np.array([7, 7])), 1)
    desk.settle()
    painted = 2 * n / (2 * n + 2)
    assert overlaps(desk)["rim"].startswith(f"Dice {painted:.3f}")

    truth.data_setitem((np.array([10, 11]), np.array([7, 7])), 1)
    desk.settle()
    assert overlaps(desk)["rim"] == "Dice 1.000, IoU 1.000"


def test_labels_of_no_class_are_told_and_nothing_is_measured(desk: Desk) -> None:
    truth = add_truth(desk, np.array(desk.masks[0].data))
    choose(desk, "drawn")
    truth.data_setitem((np.array([10]), np.array([7])), 7)
    desk.settle()

    assert set(overlaps(desk).values()) == {""}
    assert view(desk).note.text().startswith("No Dice: Labels reach from 0 to 7")
    assert view(desk).missed_box.isHidden()


def test_a_map_of_classes_says_what_labels_stand_for(desk: Desk) -> None:
    mask = desk.masks[0].data
    numbers = np.array([0, 40, 80])[mask]
    truth = add_truth(desk, numbers)
    choose(desk, "drawn")
    assert "No Dice" in view(desk).note.text()

    desk.session.truths.set(desk.session.image, truth, {0: 0, 40: 1, 80: 2})
    desk.settle()
    assert overlaps(desk)["cup"] == "Dice 1.000, IoU 1.000"
    assert view(desk).note.text() == ""
    desk.session.truths.set(desk.session.image, truth, {0: 0, 40: 1})
    desk.settle()
    assert "the labels 80 stand for" in view(desk).note.text()


def test_labels_elsewhere_or_of_another_size_are_not_offered(desk: Desk) -> None:
    add_truth(desk, np.zeros((9, 12), np.uint8), name="turned")
    add_truth(desk, np.zeros(SHAPE, np.uint8), name="moved", translate=(0, 40))
    add_truth(desk, np.zeros(SHAPE, np.uint8), name="there")
    assert offered(desk) == [NONE, "there", FILE]


def test_removed_and_renamed_truths_are_known(desk: Desk) -> None:
    truth = add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    truth.name = "by the expert"
    desk.settle()
    assert view(desk).combo.currentText() == "by the expert"

    desk.viewer.layers.remove(truth)
    desk.settle()
    assert view(desk).combo.currentText() == NONE
    assert view(desk).note.text() == "The truth was removed."
    assert set(overlaps(desk).values()) == {""}


def test_none_is_chosen_again(desk: Desk) -> None:
    add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    choose(desk, NONE)
    assert set(overlaps(desk).values()) == {""}
    assert view(desk).note.text() == ""


def missed_layer(desk: Desk) -> Labels | None:
    return desk.session.groups.layer(desk.session.image, Group.WHAT_IF, OWNER)


def legend(desk: Desk) -> dict[str, str]:
    return {row.name: row.value for row in view(desk).legend._facts}


def drawn_in(layer: Labels, label: int) -> tuple[int, ...]:
    return tuple(np.rint(255 * layer.colormap.map(label)[:3]).astype(int).tolist())


def test_mask_and_truth_are_outlines_that_are_told_apart(desk: Desk) -> None:
    mask = desk.masks[0]
    truth = add_truth(desk, truth_of(mask.data))
    choose(desk, "drawn")
    own, before = mask.colormap, truth.colormap
    view(desk).missed_box.click()
    desk.settle()
    assert desk.is_outlined(mask)
    assert desk.is_outlined(truth)
    for label, name in ((1, "rim"), (2, "cup")):
        assert drawn_in(mask, label) == class_colours(CLASSES)[label]
        assert drawn_in(truth, label) == altered_colours(CLASSES)[label]
        rows = {row.name: row for row in view(desk).legend._facts}
        assert rows[f"{name} (truth)"].colour == altered_colours(CLASSES)[label]

    view(desk).missed_box.click()
    desk.settle()
    assert mask.colormap is own
    assert truth.colormap is before
    assert desk.is_filled(mask)
    assert desk.is_filled(truth)


def test_the_outline_of_a_named_truth_has_the_colours_of_its_classes(
    desk: Desk,
) -> None:
    mask = desk.masks[0]
    names = ("background", "cup", "rim", "vessel")
    swapped = np.array([0, 2, 1], np.uint8)[mask.data]
    features = mask_look(names)["features"]
    truth = add_truth(desk, swapped, features=features)
    choose(desk, "drawn")
    assert overlaps(desk)["cup"] == "Dice 1.000, IoU 1.000"
    view(desk).missed_box.click()
    desk.settle()
    assert drawn_in(truth, 1) == altered_colours(CLASSES)[2]
    assert drawn_in(truth, 2) == altered_colours(CLASSES)[1]
    assert truth.colormap.map(3)[3] == 0  # counts as background


def test_what_the_truth_says_nothing_of_is_not_too_much(desk: Desk) -> None:
    mask = desk.masks[0]
    features = mask_look(("background", "cup"))["features"]
    add_truth(desk, (mask.data == 2).astype(np.uint8), features=features)
    choose(desk, "drawn")
    assert (mask.data == 1).any()
    assert "The truth says nothing of rim." in view(desk).note.text()
    view(desk).missed_box.click()
    desk.settle()
    assert legend(desk) | {"too much": "0 pixels"} == legend(desk)
    assert (missed_layer(desk).data == SAME).all()


def test_what_is_missed_is_marked_and_follows_the_mask(desk: Desk) -> None:
    mask = desk.masks[0]
    add_truth(desk, truth_of(mask.data))
    choose(desk, "drawn")
    desk.viewer.layers.selection = {mask}
    view(desk).missed_box.click()
    desk.settle()

    layer = missed_layer(desk)
    assert layer is not None
    assert layer.visible
    assert layer.data[6, :4].tolist() == [MISSED] * 4
    assert layer.data[0, 0] == OTHER_CLASS
    assert layer.data[11, 8] == SAME
    assert legend(desk) == {
        "rim (truth)": "outline",
        "cup (truth)": "outline",
        "missed": "4 pixels",
        "too much": "0 pixels",
        "another class": "1 pixel",
    }
    assert list(layer.features["difference"]) == [
        *("the same", "missed", "too much", "another class")
    ]
    assert set(desk.viewer.layers.selection) == {mask}  # who paints keeps the mask

    mask.data_setitem((np.array([11]), np.array([8])), 2)
    desk.settle()
    assert missed_layer(desk) is layer
    assert layer.data[11, 8] == TOO_MUCH
    assert legend(desk)["too much"] == "1 pixel"

    view(desk).missed_box.click()
    desk.settle()
    assert not layer.visible
    assert desk.is_filled(mask)
    assert legend(desk) == {}


def test_another_what_if_hides_it_and_it_stays_hidden(desk: Desk) -> None:
    mask = desk.masks[0]
    add_truth(desk, truth_of(mask.data))
    choose(desk, "drawn")
    view(desk).missed_box.click()
    desk.settle()
    layer, image = missed_layer(desk), desk.session.image
    assert layer is not None

    data, _, kind = layer.as_layer_data_tuple()
    other = np.full_like(data, 3), {"name": "eye / difference"}, kind
    desk.session.groups.put(image, Group.WHAT_IF, other, "somebody")
    desk.settle()
    assert not view(desk).missed_box.isChecked()
    assert not view(desk).missed_box.isHidden()

    mask.data_setitem((np.array([11]), np.array([8])), 2)
    desk.settle()
    shown = desk.session.groups.layer(image, Group.WHAT_IF)
    assert (shown.data == 3).all()


def test_the_eye_takes_it_away_too(desk: Desk) -> None:
    add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    view(desk).missed_box.click()
    desk.settle()
    missed_layer(desk).visible = False
    desk.settle()
    assert not view(desk).missed_box.isChecked()


def open_file(desk: Desk, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    combo = view(desk).combo
    combo.setCurrentIndex(combo.count() - 1)
    combo.activated.emit(combo.count() - 1)
    desk.wait_until_idle()


def test_a_file_becomes_the_truth_as_an_outline_in_its_place(
    make_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"scale": (0.5, 0.25), "translate": (3, -4), "units": ("mm", "mm")}
    desk = make_desk()
    segmented(desk, Image(np.zeros(SHAPE, np.uint8), name="eye", **place))
    mask = desk.masks[0]
    path = tmp_path / "eye_mask.png"
    Picture.fromarray(truth_of(mask.data).astype(np.uint8)).save(path)
    open_file(desk, path, monkeypatch)

    truth = desk.session.truths.of(desk.session.image)
    assert truth is not None
    assert truth.path == path
    labels = truth.labels
    assert labels.name == "eye / truth"
    assert desk.is_outlined(labels)
    np.testing.assert_array_equal(labels.data, truth_of(mask.data))
    np.testing.assert_allclose(labels.scale, mask.scale)
    np.testing.assert_allclose(labels.translate, mask.translate)
    assert desk.status == "eye_mask.png is the truth of “eye”."
    assert overlaps(desk)["disc"].startswith("Dice 0.")
    assert view(desk).combo.currentText() == "eye / truth"


def test_a_file_of_another_size_is_refused_in_words(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.png"
    Picture.fromarray(np.zeros((5, 4), np.uint8)).save(path)
    before = list(desk.viewer.layers)
    open_file(desk, path, monkeypatch)
    assert "other.png is no truth of this image" in desk.status
    assert "(5, 4) pixels, but the image has (12, 9)" in desk.status
    assert list(desk.viewer.layers) == before
    assert desk.session.truths.of(desk.session.image) is None


def test_a_file_that_is_chosen_again_is_not_opened_twice(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "eye maske ä.png"
    Picture.fromarray(truth_of(desk.masks[0].data).astype(np.uint8)).save(path)
    open_file(desk, path, monkeypatch)
    choose(desk, NONE)
    before = list(desk.viewer.layers)
    open_file(desk, path, monkeypatch)
    assert list(desk.viewer.layers) == before
    truth = desk.session.truths.of(desk.session.image)
    assert truth.labels in before
    assert truth.path == path

    # What was painted on since is no longer the file.
    truth.labels.data_setitem((np.array([11]), np.array([8])), 1)
    desk.settle()
    open_file(desk, path, monkeypatch)
    again = desk.session.truths.of(desk.session.image).labels
    assert again is not truth.labels
    assert again.data[11, 8] == 0


def test_what_is_missed_is_also_marked_on_the_images_that_follow(desk: Desk) -> None:
    first = desk.session.image
    truth = add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    view(desk).missed_box.click()
    desk.settle()
    second = desk.viewer.add_image(np.zeros(SHAPE, np.uint8), name="other")
    desk.session.choose_image(second)
    desk.choose("severity", "suspect")
    desk.run()
    desk.session.truths.set(second, add_truth(desk, np.array(truth.data)))
    desk.settle()
    marked = desk.session.groups.layer(second, Group.WHAT_IF, OWNER)
    assert marked is not None
    assert view(desk).missed_box.isChecked()
    assert legend(desk)["missed"] == "4 pixels"

    view(desk).missed_box.click()
    desk.settle()
    assert not marked.visible
    assert not desk.session.groups.is_seen(first, Group.WHAT_IF, OWNER)
    third = desk.viewer.add_image(np.zeros(SHAPE, np.uint8), name="third")
    desk.session.choose_image(third)
    desk.choose("severity", "suspect")
    desk.run()
    desk.session.truths.set(third, add_truth(desk, np.array(truth.data)))
    desk.settle()
    assert desk.session.groups.layer(third, Group.WHAT_IF) is None
    assert desk.session.groups.layer(first, Group.WHAT_IF, OWNER) is not None


def test_a_dialog_that_is_closed_leaves_the_choice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    combo = view(desk).combo
    combo.setCurrentIndex(combo.count() - 1)
    combo.activated.emit(combo.count() - 1)
    assert combo.currentText() == "drawn"


def test_a_reference_that_came_with_the_image_is_taken_and_said(desk: Desk) -> None:
    record = {METADATA_KEY: {REFERENCE_KEY: "an expert"}}
    add_truth(desk, truth_of(desk.masks[0].data), name="ref", metadata=record)
    assert view(desk).combo.currentText() == "ref"
    assert view(desk).note.text() == "It came with the sample."
    assert overlaps(desk)["cup"].startswith("Dice 0.")
    choose(desk, NONE)
    assert set(overlaps(desk).values()) == {""}


def test_of_unknown_values_the_least_and_the_most_are_told(desk: Desk) -> None:
    segmented(desk, Image(np.zeros(SHAPE, np.uint8), name="eye"), "unknown")
    result = desk.session.current[1]
    masks = list(result.segmentation.by_value.values())
    truth = np.array(masks[0])
    add_truth(desk, truth)
    choose(desk, "drawn")

    rows = desk.segmenting.tab.result.table._facts
    place = [row.name for row in rows].index("cup")
    dice = [
        2
        * ((each == 2) & (truth == 2)).sum()
        / ((each == 2).sum() + (truth == 2).sum())
        for each in (result.mask().data, *masks)
    ]
    assert rows[place + 1].name == "  Dice"
    assert rows[place + 1].value == f"{dice[0]:.3f}"
    assert rows[place + 1].span == f"{min(dice):.3f}–{max(dice):.3f}"
    assert min(dice) < max(dice) == 1


def test_of_a_stack_the_plane_is_scored_and_all_of_them(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk()
    segmented(
        desk,
        Image(
            np.zeros((3, *SHAPE), np.uint8), name="stack", axis_labels=("t", "y", "x")
        ),
    )
    mask = desk.masks[0]
    truth = np.array(mask.data)
    truth[1][truth[1] == 2] = 0
    add_truth(desk, truth)
    choose(desk, "drawn")
    n = int((mask.data[0] == 2).sum())

    desk.viewer.dims.set_current_step(0, 0)
    desk.settle()
    assert overlaps(desk)["cup"] == "Dice 1.000, IoU 1.000"
    assert f"cup {4 * n / (5 * n):.3f}" in view(desk).overall.text()
    assert view(desk).overall.text().startswith("Over all planes: Dice rim 1.000")
    desk.viewer.dims.set_current_step(0, 1)
    desk.settle()
    assert overlaps(desk)["cup"] == "Dice 0.000, IoU 0.000"
    view(desk).missed_box.click()
    desk.settle()
    assert legend(desk)["too much"] == f"{n} pixels"


def test_a_volume_of_other_orientation_is_put_right(
    make_desk: Callable[..., Desk], models: dict[str, object], volume_model: object
) -> None:
    models["volume"] = volume_model
    desk = make_desk()
    desk.load("volume")
    place = {"units": ("mm",) * 3, "axis_labels": ("z", "y", "x"), "scale": (2, 1, 1)}
    desk.viewer.layers.clear()
    desk.viewer.add_layer(Image(np.zeros((4, 12, 9), np.uint8), name="CT", **place))
    desk.run()
    mask = desk.masks[0]
    truth = np.array(mask.data)[:, ::-1]
    flipped = Labels(
        np.ascontiguousarray(truth),
        name="flipped",
        **{**place, "scale": (2, -1, 1), "translate": (0, 11, 0)},
    )
    desk.viewer.add_layer(flipped)
    desk.settle()
    choose(desk, "flipped")
    (name,) = desk.session.model.card.classes[1:]
    assert overlaps(desk)[name] == "Dice 1.000, IoU 1.000"


def test_a_mask_on_the_networks_pixels_has_no_dice(desk: Desk) -> None:
    add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    result = desk.session.current[1]
    result.segmentation.provenance.settings["scored_at"] = "network"
    desk.session.result_changed.emit()
    desk.settle()
    assert "Labels at: source" in view(desk).note.text()
    assert set(overlaps(desk).values()) == {""}


def test_an_image_of_other_pixels_has_another_truth(desk: Desk) -> None:
    add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    desk.session.image.data = np.zeros((20, 9), np.uint8)
    desk.settle()
    assert "No Dice" in view(desk).note.text()
    assert "(12, 9) pixels, but the image has (20, 9)" in view(desk).note.text()


def test_each_image_has_its_own_truth(desk: Desk) -> None:
    first = desk.session.image
    truth = add_truth(desk, truth_of(desk.masks[0].data))
    choose(desk, "drawn")
    desk.viewer.add_layer(Image(np.ones(SHAPE, np.uint8), name="other"))
    desk.session.choose_image(desk.viewer.layers["other"])
    desk.settle()
    assert view(desk).combo.currentText() == NONE
    assert desk.session.truths.of(first).labels is truth
    desk.session.choose_image(first)
    desk.settle()
    assert view(desk).combo.currentText() == "drawn"


def test_large_masks_are_scored_where_nobody_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_dmoe.viewer.ui.measuring.AT_ONCE", 10)
    add_truth(desk, truth_of(desk.masks[0].data))
    control = desk.segmenting
    choose(desk, "drawn")

    def is_done() -> bool:
        busy = control.truth._measuring.is_busy or control.results._measuring.is_busy
        return not busy and overlaps(desk).get("cup", "").startswith("Dice 0.")

    desk.qtbot.waitUntil(is_done)
    view(desk).missed_box.click()
    desk.qtbot.waitUntil(lambda: legend(desk).get("missed") == "4 pixels")


def test_the_lines_fit_into_300_pixels(desk: Desk) -> None:
    add_truth(desk, truth_of(desk.masks[0].data), name="a long name of labels " * 4)
    choose(desk, offered(desk)[1])
    view(desk).missed_box.click()
    desk.settle()
    page = desk.segmenting.tab.body
    room = 300 - page.verticalScrollBar().sizeHint().width() - 4
    assert page.widget().minimumSizeHint().width() <= room


def test_in_a_window_a_click_marks_what_is_missed_below_the_outline(
    window_desk: Desk,
) -> None:
    desk = segmented(window_desk, Image(np.zeros(SHAPE, np.uint8), name="eye"))
    mask = desk.masks[0]
    add_truth(desk, truth_of(mask.data))
    choose(desk, "drawn")
    box = view(desk).missed_box
    desk.segmenting.tab.body.show_from(box)
    middle = QPoint(box.sizeHint().height() // 2, box.height() // 2)
    desk.qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=middle)
    desk.settle()

    layers, layer = desk.viewer.layers, missed_layer(desk)
    assert layer is not None
    assert layers.index(layer) < layers.index(mask)
    assert desk.is_outlined(mask)
    assert layer.visible
    desk.qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=middle)
    desk.settle()
    assert not layer.visible
    assert desk.is_filled(mask)


def test_what_a_table_brought_is_said(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "eye_segmentation.png"
    Picture.fromarray(truth_of(desk.masks[0].data).astype(np.uint8)).save(path)
    desk.segmenting.truth.open(path, desk.session.image, origin=Origin.TABLE)
    desk.wait_until_idle()
    assert view(desk).note.text() == "It came with the table."
    assert overlaps(desk)["rim"].startswith("Dice 0.")
