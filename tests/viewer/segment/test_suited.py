"""A photograph brings the model for it, unless a person chose; else it is offered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel

from napari_dmoe.inference.running.outlook import Outlook
from napari_dmoe.models.checkpoint import CheckpointError, LoadedModel
from napari_dmoe.progress import Progress
from napari_dmoe.viewer.segment.model.suited import WHY
from napari_dmoe.viewer.segment.readiness import FOR_OTHER
from napari_dmoe.viewer.session.pictures import Picture

pytestmark = pytest.mark.gui

PHOTO = np.arange(12 * 9 * 3, dtype=np.uint8).reshape(12, 9, 3)


class Suits:
    """Tells which model is for a picture by its first value, or waits at its gate."""

    def __init__(self) -> None:
        self.by_value = {0: "age", 1: "fundus"}
        self.asked: list[tuple[int, str]] = []
        self.threads: set[int] = set()
        self.started, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, image: Any, *, instead_of: str, progress: Any) -> str:
        value = int(np.asarray(image.data).flat[0])
        self.asked.append((value, instead_of))
        self.threads.add(threading.get_ident())
        self.started.set()
        while not self.gate.wait(0.01):
            progress(Progress(0, 1))
        return self.by_value.get(value, "")


@pytest.fixture
def suits() -> Suits:
    return Suits()


@pytest.fixture
def desk(make_desk: Callable[..., Desk], suits: Suits) -> Desk:
    return make_desk(suited_model=suits)


def add(desk: Desk, name: str, value: int = 0, **metadata: object) -> None:
    picture = PHOTO.copy()
    picture[0, 0, 0] = value
    record = {"napari-dmoe": metadata} if metadata else {}
    desk.viewer.add_image(picture, name=name, rgb=True, metadata=record)
    desk.wait_until_idle()


def unlike(make_desk: Callable[..., Desk], suits: Suits) -> Desk:
    """Return a desk whose models were all trained on other images."""
    said = Outlook(cautions=("Unlike the training images: colours.",), is_unlike=True)
    return make_desk(suited_model=suits, outlook=lambda *_, **__: said)


def test_a_photograph_brings_its_model_and_the_dock_says_so(
    desk: Desk, suits: Suits, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.session.model_origin == "fundus"
    add(desk, "mole")
    assert desk.session.model_origin == "age"
    assert desk.reason == "Chosen for this picture: age."
    assert desk.segmenting.tab.action.reason.property("tone") == ""
    assert desk.dock.footer.button.isEnabled()
    assert suits.asked == [(0, "fundus")]
    assert suits.threads.isdisjoint({threading.get_ident()})
    opened: list[bool] = []
    combo, link = desk.segmenting.tab.model.combo, desk.segmenting.tab.action.link
    monkeypatch.setattr(combo, "showPopup", lambda: opened.append(True))
    assert link.text() == "Choose another"
    desk.click(link)
    assert opened == [True]


def test_what_its_results_will_record_says_why_it_was_this_model(desk: Desk) -> None:
    add(desk, "mole")
    assert desk.session.model is not None
    assert desk.session.model.notices == (WHY,)
    desk.load("age")  # by a person
    assert desk.session.model is not None
    assert desk.session.model.notices == ()


def test_a_photograph_that_is_there_first_decides(
    make_desk: Callable[..., Desk], suits: Suits
) -> None:
    viewer = ViewerModel()
    viewer.add_image(PHOTO, rgb=True)
    desk = make_desk(viewer, suited_model=suits)
    assert desk.session.model_origin == "age"
    assert desk.reason.startswith("Chosen for this picture")


def test_each_brings_its_own_and_one_that_is_like_none_changes_nothing(
    desk: Desk,
) -> None:
    seen = []
    for name, value in (("one", 0), ("two", 1), ("three", 9), ("four", 0), ("five", 9)):
        add(desk, name, value)
        seen.append(desk.session.model_origin)
    assert seen == ["age", "fundus", "fundus", "age", "age"]
    desk.session.choose_image(desk.viewer.layers["two"])
    desk.wait_until_idle()
    assert desk.session.model_origin == "fundus"


def test_who_goes_to_and_fro_between_pictures_of_one_kind_waits_for_nothing(
    desk: Desk, suits: Suits
) -> None:
    for name in ("one", "two", "three"):
        add(desk, name)
    n = len(suits.asked)
    assert n == 3
    loads = []
    desk.session.model_changed.connect(lambda: loads.append(1))
    for name in ("one", "two", "three", "two"):
        desk.session.choose_image(desk.viewer.layers[name])
        assert not desk.segmenting.suited.is_deciding
        desk.wait_until_idle()
        assert desk.reason.startswith("Chosen for this picture")
    assert loads == []
    assert len(suits.asked) == n


def test_nothing_is_segmented_before_it_is_known(desk: Desk, suits: Suits) -> None:
    suits.gate.clear()
    desk.viewer.add_image(PHOTO, rgb=True, name="mole")
    assert desk.segmenting.suited.is_deciding
    assert desk.reason == "Looking which model is for it …"
    desk.click_segment()
    assert desk.masks == []
    desk.qtbot.waitUntil(suits.started.is_set)
    suits.gate.set()
    desk.wait_until_idle()
    assert desk.session.model_origin == "age"
    desk.run()
    assert len(desk.masks) == 1


def test_another_picture_ends_the_look(desk: Desk, suits: Suits) -> None:
    suits.gate.clear()
    desk.viewer.add_image(PHOTO, rgb=True, name="mole")
    desk.qtbot.waitUntil(suits.started.is_set)
    desk.viewer.add_image(IMAGE, name="grey")
    desk.wait_until_idle()
    suits.gate.set()
    assert desk.session.model_origin == "fundus"


def test_grey_pictures_stacks_and_channels_are_as_before(
    desk: Desk, suits: Suits
) -> None:
    desk.viewer.add_image(IMAGE, name="grey")
    desk.viewer.add_image(np.stack([PHOTO] * 2), rgb=True, name="stack")
    desk.wait_until_idle()
    assert suits.asked == []
    assert desk.session.model_origin == "fundus"


def test_a_sample_keeps_its_own_model(desk: Desk, suits: Suits) -> None:
    add(desk, "mole", 0, model="fundus")
    assert suits.asked == []
    assert desk.session.model_origin == "fundus"
    assert "Chosen" not in desk.reason


def test_what_a_person_loaded_stays_and_one_click_uses_the_other(
    make_desk: Callable[..., Desk], suits: Suits
) -> None:
    desk = unlike(make_desk, suits)
    desk.load("fundus")
    add(desk, "mole")
    assert desk.session.model_origin == "fundus"
    link = desk.segmenting.tab.action.link
    assert (desk.reason, link.text()) == (FOR_OTHER, "Use age instead")
    assert desk.segmenting.tab.action.reason.property("tone") == "caution"
    assert desk.dock.footer.button.isEnabled()
    desk.click(link)
    desk.wait_until_idle()
    assert desk.session.model_origin == "age"
    add(desk, "eye", 1)
    assert desk.session.model_origin == "age"
    assert link.text() == "Use fundus instead"


def test_nothing_is_offered_beside_a_chosen_model_that_knows_such_pictures(
    desk: Desk, suits: Suits
) -> None:
    desk.load("fundus")
    add(desk, "mole")
    assert suits.asked == []
    assert desk.segmenting.tab.action.link.isHidden()


@pytest.mark.parametrize("own", ["/home/someone/mine.safetensors", "tuned (not saved)"])
def test_an_own_model_is_never_changed(
    make_desk: Callable[..., Desk],
    suits: Suits,
    models: dict[str, LoadedModel],
    own: str,
) -> None:
    desk = unlike(make_desk, suits)
    desk.session.set_model(models["fundus"], own)
    add(desk, "mole")
    assert desk.session.model_origin == own
    assert suits.asked == [(0, "")]
    assert desk.segmenting.tab.action.link.text() == "Use age instead"


def test_a_choice_for_the_picture_stays_with_it(desk: Desk) -> None:
    add(desk, "mole")
    desk.load("fundus")
    add(desk, "other", 0, model="age")  # a sample, which brings its own
    assert desk.session.model_origin == "age"
    desk.session.choose_image(desk.viewer.layers["mole"])
    desk.wait_until_idle()
    desk.load("fundus")
    assert "Chosen" not in desk.reason


def test_after_unload_it_is_offered_alone(desk: Desk) -> None:
    desk.click(desk.segmenting.tab.model.unload_button)
    add(desk, "mole")
    assert desk.session.model is None
    assert desk.reason == "No model is loaded."
    assert desk.segmenting.tab.action.link.text() == "Use age"


def test_a_picture_with_results_changes_no_model(
    make_desk: Callable[..., Desk], suits: Suits
) -> None:
    suits.by_value = {}
    desk = unlike(make_desk, suits)
    add(desk, "mole")
    desk.run()
    suits.by_value = {0: "age"}
    desk.viewer.layers["mole"].data = PHOTO.copy()
    desk.wait_until_idle()
    assert desk.session.model_origin == "fundus"
    assert desk.segmenting.tab.action.link.text() == "Use age instead"


def test_a_series_that_is_gone_through_keeps_the_model(
    make_desk: Callable[..., Desk], suits: Suits, tmp_path: Any
) -> None:
    desk = unlike(make_desk, suits)
    desk.session.pictures.fill([Picture("a"), Picture("b")], tmp_path)
    for name, value in (("a", 0), ("b", 1), ("c", 0)):
        add(desk, name, value)
        assert desk.session.model_origin == "fundus"
    assert desk.segmenting.tab.action.link.text() == "Use age instead"


def test_one_that_cannot_be_loaded_is_tried_once(
    make_desk: Callable[..., Desk], suits: Suits, models: dict[str, LoadedModel]
) -> None:
    tried = []

    def load(name: str, card: str | None = None) -> LoadedModel:
        tried.append(name)
        if name == "age":
            raise CheckpointError("it is broken")
        return replace(models[name])

    desk = make_desk(suited_model=suits, load_checkpoint=load)
    add(desk, "mole")
    desk.qtbot.wait(300)
    assert tried == ["fundus", "age"]
    assert desk.session.model_origin == "fundus"
    assert desk.dock.footer.button.isEnabled()
