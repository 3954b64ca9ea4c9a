from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.card_files import (
    CardError,
    card_names,
    generic_card,
    parse_card,
    read_card,
)
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.validation import SettingsError

SITES = (
    "scalp", "face", "back", "trunk", "chest",
    "upper extremity", "abdomen", "lower extremity", "neck", "foot",
)  # fmt: skip
FUNDUS, SKIN = ("background", "rim", "cup"), ("background", "lesion")
# card: attribute, values in router order, edges, routers in the weights, classes
PUBLISHED = {
    "fairseg-race": ("race", ("Asian", "Black", "White"), None, 3, FUNDUS),
    "fairseg-sex": ("sex", ("female", "male"), None, 2, FUNDUS),
    "fairseg-language": ("language", ("English", "Spanish", "other"), None, 3, FUNDUS),
    "fairseg-age": ("age", ("below 60", "from 60"), (60,), 5, FUNDUS),
    "ham10000-age": (
        "age",
        ("0-19", "20-39", "40-59", "60-79", "80 and over"),
        (20, 40, 60, 80),
        5,
        SKIN,
    ),
    "ham10000-sex": ("sex", ("female", "male"), None, 2, SKIN),
    "ham10000-site": ("body_site", SITES, None, 10, SKIN),
    "prostate-tstage": ("severity", ("T1", "T2", "T3", "T4"), None, 5, None),
}


def test_the_eight_published_cards_are_there() -> None:
    assert set(card_names()) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_card_states_what_was_published(name: str) -> None:
    attribute, values, edges, routers, classes = PUBLISHED[name]
    card = read_card(name)
    driver = card.attributes[0]
    assert card.name == name
    assert len(card.attributes) == 1
    assert (driver.name, driver.values, driver.edges) == (attribute, values, edges)
    assert driver.unit == (None if edges is None else "years")
    assert card.n_routers == driver.routers == routers
    assert card.dims == (3 if name == "prostate-tstage" else 2)
    if classes:
        assert card.classes == classes
    assert len(card.classes) == (3 if classes == FUNDUS else 2)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_nobody_states_is_null(name: str) -> None:
    card = read_card(name)
    assert card.attributes[0].frequencies is None
    assert card.training.n_per_value is card.training.dice is None
    assert card.weights_licence is None
    assert card.n_heads is card.top_k is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_preprocessing_is_the_published_one(name: str) -> None:
    preprocessing = read_card(name).preprocessing
    if name == "prostate-tstage":
        assert preprocessing is None
        return
    assert preprocessing.crop == (512 if name.startswith("fairseg") else 1024)
    assert preprocessing.side == 224
    assert preprocessing.resize == "corner-aligned"
    assert not preprocessing.standardise


@pytest.mark.parametrize("name", PUBLISHED)
def test_cards_come_through_json_unchanged(name: str) -> None:
    card = read_card(name)
    assert parse_card(card.model_dump_json(), "again") == card
    with pytest.raises(SettingsError, match="cannot be changed"):
        card.name = "other"


@pytest.mark.parametrize(
    ("age", "skin", "eye"),
    [
        (0, 0, 0), (19.999, 0, 0), (20, 1, 0), (39.999, 1, 0), (40, 2, 0),
        (59.999, 2, 0), (60, 3, 1), (79.999, 3, 1), (80, 4, 1), (122, 4, 1),
    ],
)  # fmt: skip
def test_an_age_falls_into_the_bin_that_begins_with_it(
    age: float, skin: int, eye: int
) -> None:
    patient = Patient(age=age)
    assert read_card("ham10000-age").categories(patient) == (skin,)
    assert read_card("fairseg-age").categories(patient) == (eye,)


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_value_by_name_chooses_its_router(name: str) -> None:
    driver = read_card(name).attributes[0]
    for router, value in enumerate(driver.values):
        assert driver.category(value) == router
        assert driver.category(value.upper()) == router


@pytest.mark.parametrize("value", [None, float("nan"), "unknown", ""])
@pytest.mark.parametrize("name", PUBLISHED)
def test_unknown_is_never_a_router(name: str, value: str | float | None) -> None:
    assert read_card(name).attributes[0].category(value) is None
    assert read_card(name).categories(Patient()) == (None,)


@pytest.mark.parametrize(
    ("card", "values", "message"),
    [
        (
            "fairseg-race",
            {"race": "Klingon"},
            "that race: it knows Asian, Black, White",
        ),
        ("fairseg-sex", {"sex": "other"}, "that sex: it knows female, male"),
        ("prostate-tstage", {"severity": "T5"}, "that severity: it knows T1, T2, T3"),
        ("ham10000-site", {"others": {"body_site": "knee"}}, "that body site"),
    ],
)
def test_values_without_a_router_are_refused_and_not_repeated(
    card: str, values: dict, message: str
) -> None:
    with pytest.raises(PatientError, match=message) as caught:
        read_card(card).categories(Patient(**values))
    for hidden in ("Klingon", "T5", "knee"):
        assert hidden not in str(caught.value)


def test_a_number_for_an_attribute_without_bins_is_refused() -> None:
    with pytest.raises(PatientError, match="does not know that sex"):
        read_card("fairseg-sex").attributes[0].category(1.0)


def test_attributes_that_do_not_drive_the_card_are_ignored() -> None:
    patient = Patient(sex="male", race="White", age=70, severity="T9")
    assert read_card("fairseg-sex").categories(patient) == (1,)
    assert read_card("fairseg-race").categories(patient) == (2,)


def test_prior_is_uniform_unless_frequencies_are_stated() -> None:
    assert read_card("fairseg-race").attributes[0].prior == pytest.approx((1 / 3,) * 3)
    stated = CardAttribute(name="sex", values=("f", "m"), frequencies=(30, 10))
    assert stated.prior == (0.75, 0.25)
    never = CardAttribute(name="sex", values=("f", "m"), frequencies=(1, 0))
    assert never.prior == (1, 0)


def test_prior_covers_values_and_not_unused_routers() -> None:
    assert read_card("fairseg-age").attributes[0].prior == (0.5, 0.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"values": ("a", "A")}, "values must differ"),
        ({"values": ()}, "at least 1"),
        ({"edges": (1, 2)}, "2 values need 1 rising edges"),
        ({"values": ("a", "b", "c"), "edges": (2, 1)}, "need 2 rising edges"),
        ({"values": ("a", "b", "c"), "edges": (2, 2)}, "need 2 rising edges"),
        ({"edges": (float("nan"),)}, "finite number"),
        ({"n_routers": 1}, "1 routers for 2 values"),
        ({"frequencies": (1,)}, "needs 2 frequencies"),
        ({"frequencies": (2, -1)}, "none below 0"),
        ({"frequencies": (0, 0)}, "needs 2 frequencies"),
        ({"frequencies": (float("inf"), 1)}, "finite number"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_attributes_that_contradict_themselves_are_refused(
    fields: dict, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        CardAttribute(**{"name": "x", "values": ("a", "b")} | fields)


FIELDS = json.loads(read_card("fairseg-race").model_dump_json())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (FIELDS | {"schema_version": 2}, "card version 2.*update napari-dmoe"),
        (FIELDS | {"schema_version": "1.5"}, "schema_version"),
        (FIELDS | {"colour": 1}, "colour: there is no such field"),
        (FIELDS | {"classes": "rim"}, "classes cannot be 'rim': it must be a list"),
        (FIELDS | {"classes": ["background"]}, "classes"),
        (FIELDS | {"dims": 4}, "dims"),
        (FIELDS | {"n_heads": 0}, "n_heads"),
        (FIELDS | {"preprocessing": {"crop": 0}}, "preprocessing.crop"),
        (FIELDS | {"preprocessing": {"patch": [9, 9, 9]}}, "preprocessing.patch"),
        (FIELDS | {"preprocessing": {"resize": "nearest"}}, "preprocessing.resize"),
        (FIELDS | {"attributes": [{"name": "x"}]}, "attributes.0.values"),
        ({"name": "x"}, "title: is missing"),
        ([FIELDS], "the card"),
        (7, "the card"),
    ],
)
def test_cards_that_break_a_rule_are_refused_with_the_field(
    fields: object, message: str
) -> None:
    with pytest.raises(CardError, match=message) as caught:
        parse_card(json.dumps(fields), "my.json")
    assert str(caught.value).startswith("my.json ")


@pytest.mark.parametrize("text", ["", "{", "hello", "[" * 100_000, "1" * 10_000])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(CardError, match=r"^mine is no card"):
        parse_card(text, "mine")


def test_cards_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "my card.json"
    path.write_text(read_card("fairseg-sex").model_dump_json(), "utf-8")
    assert read_card(path) == read_card(str(path)) == read_card("fairseg-sex")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CardError, match=r"my card\.json is no card: it is no text"):
        read_card(path)
    with pytest.raises(CardError, match=r"there is no card.*name one of fairseg-age"):
        read_card(tmp_path)


@pytest.mark.parametrize("n_routers", [0, 1])
def test_generic_card_has_no_driver_where_there_is_nothing_to_choose(
    n_routers: int,
) -> None:
    card = generic_card(
        architecture="dmoe-vit",
        n_classes=3,
        n_routers=n_routers,
        preprocessing=Preprocessing(side=64),
    )
    assert card.attributes == ()
    assert card.categories(Patient(sex="male")) == ()
    assert card.classes == ("background", "class 1", "class 2")
    assert card.preprocessing.side == 64


def test_generic_card_is_driven_by_the_routers_number() -> None:
    card = generic_card(
        architecture="dmoe-vit",
        n_classes=2,
        n_routers=3,
        preprocessing=Preprocessing(side=64),
    )
    assert card.categories(Patient(others={"group": "2"})) == (2,)
    assert isinstance(card, ModelCard)
