"""What a run is asked about is one moment's, and forgets nothing that was stated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from viewer_fakes import make_segmentation

from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.progress import silent
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.viewer.session.inquiry import GONE, if_there
from napari_dmoe.viewer.session.results import Outcome
from napari_dmoe.viewer.session.session import Session, session_of
from napari_dmoe.viewer.session.shares import Stated

SHARES = (0.5, 0.5, 0.0)


@pytest.fixture
def session(viewer: ViewerModel, fundus_model: LoadedModel) -> Session:
    session = session_of(viewer)
    viewer.add_image(np.zeros((12, 9), np.uint8), name="retina")
    session.set_model(fundus_model, "fundus")
    session.shares.state("severity", SHARES)
    return session


def priors_for(session: Session, loaded: LoadedModel) -> object:
    """Return what an engine is told to mix by, when it is run with a model."""
    told: list[object] = []

    def engine(*_: object, priors: object = None, **__: object) -> None:
        told.append(priors)

    inquiry = session.inquire(session.image)
    inquiry.run(engine, loaded, silent)
    return told[0]


def test_stated_shares_of_an_unknown_driver_reach_the_engine(
    session: Session, fundus_model: LoadedModel
) -> None:
    assert priors_for(session, fundus_model) == {"severity": SHARES}
    session.set_patient(session.image, Patient(severity="suspect"))
    assert priors_for(session, fundus_model) is None


def test_another_model_mixes_by_them_where_its_driver_has_the_same_values(
    session: Session, age_model: LoadedModel, tiny_network: Callable[..., Any]
) -> None:
    plain = RECIPES["fundus-race-phantom"].card
    card = RECIPES["fundus-phantom"].card.model_copy(
        update={
            "architecture": plain.architecture,
            "preprocessing": plain.preprocessing,
        }
    )
    twin = new_model("dmoe-vit", tiny_network().config, card)
    assert priors_for(session, twin) == {"severity": SHARES}
    assert priors_for(session, age_model) is None


def test_shares_hold_for_no_driver_with_other_values() -> None:
    card = read_card("fairseg-age")
    (driver,) = card.attributes
    renamed = driver.model_copy(update={"values": ("young", "old")})
    other = card.model_copy(update={"attributes": (renamed,)})
    stated = Stated(card, {driver.name: (1.0,)})
    assert stated.of(card) == {driver.name: (1.0,)}
    assert stated.of(other) == {}
    assert Stated().of(card) == {}


def test_what_is_entered_meanwhile_changes_nothing(
    session: Session, fundus_model: LoadedModel
) -> None:
    inquiry = session.inquire(session.image)
    before = inquiry.request(fundus_model)
    session.set_patient(session.image, Patient(severity="glaucoma"))
    session.shares.reset()
    session.set_settings(session.settings.model_copy(update={"seed": 7}))
    assert inquiry.request(fundus_model) == before
    assert before.changes(session.request(session.image, fundus_model)) != ()


def test_a_value_that_the_model_does_not_know_is_refused(
    session: Session, fundus_model: LoadedModel
) -> None:
    session.set_patient(session.image, Patient(severity="unheard of"))
    with pytest.raises(PatientError):
        session.inquire(session.image).request(fundus_model)


def test_nothing_is_shown_on_an_image_that_was_removed(session: Session) -> None:
    shown: list[object] = []

    def show(found: object) -> str:
        shown.append(found)
        return "shown"

    then = if_there(session, session.image, show)
    assert then("found") == "shown"
    session.viewer.layers.clear()
    assert then("found") == GONE
    assert shown == ["found"]


def outcome_of(session: Session, loaded: LoadedModel) -> Outcome:
    inquiry = session.inquire(session.image)
    made = make_segmentation(inquiry.pixels, value=None)
    return Outcome(made, inquiry.request(loaded), 0.1)


def test_a_new_result_is_looked_at_and_takes_the_place_of_the_last_one(
    session: Session, fundus_model: LoadedModel
) -> None:
    image = session.image
    first = session.show_outcome(image, outcome_of(session, fundus_model))
    second = session.show_outcome(image, outcome_of(session, fundus_model))
    assert session.current == (image, second)
    assert first.mask() is second.mask()


def test_a_result_beside_another_leaves_that_one_and_what_is_selected(
    session: Session, fundus_model: LoadedModel
) -> None:
    image, layers = session.image, session.viewer.layers
    first = session.show_outcome(image, outcome_of(session, fundus_model))
    layers.selection = {image}
    found = outcome_of(session, fundus_model)
    other = session.show_outcome(image, found, name="mask by another", beside=first)
    assert session.current == (image, first)
    assert set(layers.selection) == {image}
    assert other.is_kept
    assert other.title == "retina / mask by another"
    assert first.mask() in layers
