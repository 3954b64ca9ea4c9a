"""Layers that are to go are hidden at once, and taken out when nothing else happens."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_dmoe.viewer.layers.groups import Group, Groups
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.slot import LayerSlot

LABELS = np.zeros((4, 4), np.uint8)


@pytest.fixture
def image(viewer: ViewerModel) -> Image:
    return viewer.add_image(np.zeros((4, 4)), name="retina")


@pytest.fixture
def groups(viewer: ViewerModel) -> Groups:
    return Groups(viewer)


def a_map(name: str, kind: str = "labels", ndim: int = 2, **look: object) -> tuple:
    data = np.zeros((4,) * ndim, np.uint8 if kind == "labels" else np.float32)
    return data, {"name": name, **look}, kind


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_a_layer_is_hidden_now_and_taken_out_later(viewer: ViewerModel) -> None:
    leaving, asked = leaving_of(viewer), []
    leaving.wanted.connect(lambda: asked.append(True))
    layer = viewer.add_labels(LABELS, name="old")
    assert leaving.let_go(layer)
    assert (layer.visible, layer in viewer.layers) == (False, True)
    assert not stays(viewer, layer)
    assert not leaving.let_go(layer)
    assert asked == [True]
    viewer.add_labels(LABELS, name="old")
    assert names(viewer)[1] == "old"  # the name is free
    leaving.take_out()
    assert names(viewer) == ["old"]


def test_layers_go_in_one_batch(viewer: ViewerModel) -> None:
    """As napari looks for garbage after each that goes alone, which takes long."""
    leaving, happened = leaving_of(viewer), []
    leaving.wanted.connect(lambda: None)
    events = viewer.layers.events
    for layer in [viewer.add_labels(LABELS) for _ in range(3)]:
        leaving.let_go(layer)
    events.begin_batch.connect(lambda: happened.append("begin"))
    events.removed.connect(lambda: happened.append("out"))
    events.end_batch.connect(lambda: happened.append("end"))
    leaving.take_out()
    assert happened == ["begin", "out", "out", "out", "end"]


def test_without_an_event_loop_it_goes_at_once(viewer: ViewerModel) -> None:
    layer = viewer.add_labels(LABELS)
    assert leaving_of(viewer).let_go(layer)
    assert len(viewer.layers) == 0


def test_another_kind_comes_and_then_the_one_before_goes(viewer: ViewerModel) -> None:
    leaving, slot, happened = leaving_of(viewer), LayerSlot(), []
    leaving.wanted.connect(lambda: happened.append("wanted"))
    viewer.layers.events.inserted.connect(lambda _: happened.append("in"))
    viewer.layers.events.removed.connect(lambda _: happened.append("out"))
    first = slot.put(viewer, a_map("a"))
    assert slot.put(viewer, a_map("b")) is first
    assert first.name == "b"
    second = slot.put(viewer, a_map("a", "image"))
    assert second is not first
    third = slot.put(viewer, a_map("a", "image", 3))
    assert third.name == "a"
    assert [each.visible for each in (first, second, third)] == [False, False, True]
    assert happened == ["in", "in", "wanted", "in", "wanted"]
    leaving.take_out()
    assert happened[5:] == ["out", "out"]
    assert names(viewer) == ["a"]


def test_a_layer_that_has_not_gone_yet_comes_back(viewer: ViewerModel) -> None:
    leaving, slot = leaving_of(viewer), LayerSlot()
    leaving.wanted.connect(lambda: None)
    first = slot.put(viewer, a_map("a"))
    first.name = "mine"
    second = slot.put(viewer, a_map("b", "image"))
    assert slot.put(viewer, a_map("c")) is first
    assert (first.name, first.visible, second.visible) == ("mine", True, False)
    leaving.take_out()
    assert names(viewer) == ["mine"]


def test_what_was_painted_stays_and_is_no_longer_the_slots(viewer: ViewerModel) -> None:
    slot = LayerSlot()
    first = slot.put(viewer, a_map("a"))
    first.paint((1, 1), 2)
    second = slot.put(viewer, a_map("a"))
    assert names(viewer) == ["a", "a [2]"]
    assert first.data[1, 1] == 2
    second.paint((1, 1), 3)
    assert not slot.let_go(viewer)
    assert names(viewer) == ["a", "a [2]"]


def test_a_look_follows_what_is_shown_unless_a_person_set_it(
    viewer: ViewerModel,
) -> None:
    slot = LayerSlot()
    layer = slot.put(viewer, a_map("a", opacity=0.5))
    slot.put(viewer, a_map("b", opacity=0.9))
    assert layer.opacity == pytest.approx(0.9)
    layer.opacity = 0.3
    slot.put(viewer, a_map("a", opacity=0.5))
    assert layer.opacity == pytest.approx(0.3)


def test_an_image_has_one_layer_of_each_group(
    viewer: ViewerModel, image: Image, groups: Groups
) -> None:
    routing = groups.put(image, Group.ROUTING, a_map("r"), "routing")
    sweep = groups.put(image, Group.WHAT_IF, a_map("s", ndim=3), "sweep")
    lies_on = groups.put(image, Group.SWEEP_MAP, a_map("m", "image"), "sweep")
    assert names(viewer) == ["retina", "r", "s", "m"]
    assert not routing.editable
    told: list[bool] = []
    groups.changed.connect(lambda: told.append(True))
    groups.put(image, Group.WHAT_IF, a_map("d"), "experts")
    assert names(viewer) == ["retina", "r", "d"]
    assert told == [True]
    assert groups.layer(image, Group.WHAT_IF, "sweep") is None
    assert groups.layer(image, Group.WHAT_IF, "experts").name == "d"
    assert {sweep, lies_on}.isdisjoint(viewer.layers)


def test_a_routing_map_and_a_what_if_are_never_seen_together(
    viewer: ViewerModel, image: Image, groups: Groups
) -> None:
    told: list[object] = []
    groups.yielded.connect(lambda _, group: told.append(group))
    routing = groups.put(image, Group.ROUTING, a_map("r"), "routing")
    what_if = groups.put(image, Group.WHAT_IF, a_map("d"), "experts")
    assert (routing.visible, what_if.visible) == (False, True)
    groups.show(image, Group.ROUTING)
    assert (routing.visible, what_if.visible) == (True, False)
    assert told == [Group.ROUTING, Group.WHAT_IF]


def test_other_images_keep_theirs(
    viewer: ViewerModel, image: Image, groups: Groups
) -> None:
    other = viewer.add_image(np.zeros((4, 4)), name="other")
    groups.put(image, Group.ROUTING, a_map("r"), "routing")
    groups.put(other, Group.WHAT_IF, a_map("d"), "experts")
    assert [layer.visible for layer in viewer.layers] == [True] * 4
    assert groups.tidy(image) == 1
    assert names(viewer) == ["retina", "other", "d"]


def test_a_painter_keeps_their_layer(
    viewer: ViewerModel, image: Image, groups: Groups
) -> None:
    mine = viewer.add_labels(LABELS, name="mine")
    groups.put(image, Group.ROUTING, a_map("r"), "routing", is_under_masks=True)
    groups.put(image, Group.ROUTING, a_map("g", "image"), "routing")
    assert viewer.layers.selection.active is mine
    assert names(viewer) == ["retina", "mine", "g"]


def test_a_stroke_that_is_undone_is_no_paint(viewer: ViewerModel) -> None:
    slot = LayerSlot()
    first = slot.put(viewer, a_map("a"))
    first.paint((1, 1), 1)
    assert slot.is_painted(viewer)
    first.undo()
    assert not slot.is_painted(viewer)
    first.redo()
    assert slot.is_painted(viewer)
    first.undo()
    assert slot.put(viewer, a_map("a")) is first  # which takes the next
    first.paint((2, 2), 1)
    assert slot.is_painted(viewer)
    assert slot.put(viewer, a_map("a")) is not first
