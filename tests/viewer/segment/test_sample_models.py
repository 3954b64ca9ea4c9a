"""A sample brings the model it was made for, until a person chooses another one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.contributions import (
    phantom_fundus,
    phantom_pelvis,
    phantom_skin,
)
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


def sample(viewer: ViewerModel, model: str, name: str = "mole") -> None:
    viewer.add_image(IMAGE, name=name, metadata={"napari-dmoe": {"model": model}})


def origin(desk: Desk) -> str:
    return session_of(desk.viewer).model_origin


def test_each_phantom_names_its_model() -> None:
    made = (phantom_fundus, phantom_skin, phantom_pelvis)
    records = [each()[0][1]["metadata"]["napari-dmoe"] for each in made]
    wanted = ["fundus-phantom", "skin-phantom", "pelvis-phantom"]
    assert [record["model"] for record in records] == wanted
    assert [record["phantom"] for record in records] == ["fundus", "skin", "pelvis"]


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
    assert desk.segmenting.tab.image.load_button.isHidden()
    sample(desk.viewer, "not bundled", "other")
    desk.viewer.add_image(IMAGE, name="plain")
    desk.wait_until_idle()
    assert origin(desk) == "age"


def test_a_model_that_a_person_chose_stays_and_a_button_offers_the_other(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    desk.load("fundus")
    sample(desk.viewer, "age")
    desk.wait_until_idle()
    assert origin(desk) == "fundus"
    section = desk.segmenting.tab.image
    assert section.made_for.text() == "This sample was made for age."
    assert not section.load_button.isHidden()
    desk.click(section.load_button)
    desk.wait_until_idle()
    assert origin(desk) == "age"
    assert section.made_for.isHidden()
    assert section.load_button.isHidden()


def test_a_model_that_came_otherwise_stays(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    desk = make_desk(ViewerModel())
    session_of(desk.viewer).set_model(models["fundus"], "tuned (not saved)")
    sample(desk.viewer, "age")
    desk.wait_until_idle()
    assert origin(desk) == "tuned (not saved)"


def test_the_image_section_says_what_the_model_is_for(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    desk.viewer.add_image(IMAGE, name="plain")
    modality = session_of(desk.viewer).model.card.modality
    assert modality
    assert desk.segmenting.tab.image.expects.text() == f"The model is for: {modality}"
