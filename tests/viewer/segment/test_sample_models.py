"""A sample brings the model it is for, unless a person decided otherwise for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel

from napari_dmoe.models.checkpoint import LoadedModel, bundled_names
from napari_dmoe.viewer.contributions import (
    ct_pelvis,
    phantom_fundus,
    phantom_pelvis,
    phantom_skin,
    retina_colour,
    retina_green,
)
from napari_dmoe.viewer.segment.readiness import readiness
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


def sample(viewer: ViewerModel, model: str, name: str = "mole") -> None:
    viewer.add_image(IMAGE, name=name, metadata={"napari-dmoe": {"model": model}})


def origin(desk: Desk) -> str:
    return session_of(desk.viewer).model_origin


def use_link(desk: Desk) -> None:
    desk.click(desk.segmenting.tab.action.link)
    desk.wait_until_idle()


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (phantom_fundus, "fundus-phantom"),
        (phantom_skin, "skin-phantom"),
        (phantom_pelvis, "pelvis-phantom"),
        (ct_pelvis, "pelvis-phantom"),
        (retina_colour, "fundus-phantom"),
        (retina_green, "fundus-phantom"),
    ],
)
def test_each_sample_names_the_bundled_model_that_is_for_it(
    make: Callable[[], list[tuple[object, dict[str, object], str]]], model: str
) -> None:
    record = make()[0][1]["metadata"]["napari-dmoe"]
    assert record["model"] == model
    assert model in bundled_names()


def test_phantoms_alone_say_that_they_were_drawn() -> None:
    made = phantom_fundus, phantom_skin, phantom_pelvis, ct_pelvis, retina_colour
    records = [each()[0][1]["metadata"]["napari-dmoe"] for each in made]
    kinds = [record.get("phantom") for record in records]
    assert kinds == ["fundus", "skin", "pelvis", None, None]


def test_a_sample_that_is_there_first_decides(make_desk: Callable[..., Desk]) -> None:
    viewer = ViewerModel()
    sample(viewer, "age")
    assert origin(make_desk(viewer)) == "age"


def test_a_sample_that_is_opened_later_brings_its_model(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    assert origin(desk) == "fundus"
    sample(desk.viewer, "age")
    desk.wait_until_idle()
    assert origin(desk) == "age"
    assert desk.segmenting.tab.action.link.isHidden()
    sample(desk.viewer, "not bundled", "other")
    desk.viewer.add_image(IMAGE, name="plain")
    desk.wait_until_idle()
    assert origin(desk) == "age"


def test_every_sample_brings_its_own_one_after_the_other(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    for name, model in (("one", "age"), ("two", "fundus"), ("three", "age")):
        sample(desk.viewer, model, name)
        desk.wait_until_idle()
        assert origin(desk) == model


def test_a_sample_brings_its_model_after_unload_and_after_a_choice_for_another(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    desk.click(desk.segmenting.tab.model.unload_button)
    assert desk.session.model is None
    sample(desk.viewer, "age", "one")
    desk.wait_until_idle()
    assert origin(desk) == "age"
    desk.load("fundus")  # for this one
    assert origin(desk) == "fundus"
    sample(desk.viewer, "age", "two")
    desk.wait_until_idle()
    assert origin(desk) == "age"


def test_what_a_person_decides_for_a_sample_stays_with_it(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    sample(desk.viewer, "age")
    desk.wait_until_idle()
    desk.load("fundus")
    desk.viewer.add_image(IMAGE, name="plain")
    desk.session.choose_image(desk.viewer.layers["mole"])
    desk.wait_until_idle()
    assert origin(desk) == "fundus"
    desk.click(desk.segmenting.tab.model.unload_button)
    desk.session.choose_image(desk.viewer.layers["plain"])
    desk.session.choose_image(desk.viewer.layers["mole"])
    desk.wait_until_idle()
    assert desk.session.model is None
    now = readiness(desk.session)
    assert not now.is_ready
    assert now.offer.startswith("Use age")
    use_link(desk)
    assert origin(desk) == "age"


@pytest.mark.parametrize("own", ["/home/someone/mine.safetensors", "tuned (not saved)"])
def test_an_own_model_stays_and_one_click_uses_the_samples(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel], own: str
) -> None:
    desk = make_desk(ViewerModel())
    session_of(desk.viewer).set_model(models["fundus"], own)
    sample(desk.viewer, "age")
    desk.wait_until_idle()
    assert origin(desk) == own
    assert desk.segmenting.tab.action.link.text() == "Use age instead"
    desk.session.leaving.ask_by(desk.tuner.closing.may_close)  # answers: discard
    use_link(desk)
    assert origin(desk) == "age"
    assert desk.segmenting.tab.action.link.isHidden()


def test_a_sample_brings_its_model_when_it_lets_the_dock_come_up_again(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    viewer = ViewerModel()
    session_of(viewer).set_model(models["fundus"], "fundus")  # of an earlier dock
    sample(viewer, "age")
    assert origin(make_desk(viewer)) == "age"


def test_a_model_that_was_tuned_from_the_samples_own_is_for_it_too(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    desk = make_desk(ViewerModel())
    sample(desk.viewer, "age")
    desk.wait_until_idle()
    card = models["age"].card.model_copy(update={"name": "age-tuned"})
    desk.session.set_model(replace(models["age"], card=card), "tuned (not saved)")
    assert desk.segmenting.tab.action.link.isHidden()
