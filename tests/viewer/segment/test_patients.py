"""Whose image it is: where each value came from, and what the model makes of it."""

from __future__ import annotations

import pytest
from desk import IMAGE, Desk
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_dmoe.models.card import ModelCard, TrainingFacts
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.segment.subject.patient_view import PatientSection
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


def label_of(section: PatientSection, attribute: str) -> QLabel:
    entry = section.inputs[attribute]
    labels = *section.findChildren(QLabel), *section.recorded.findChildren(QLabel)
    return next(x for x in labels if x.buddy() is entry)


def source(desk: Desk, attribute: str) -> str:
    return desk.segmenting.tab.patient._sources[attribute].text()


def load_with(
    desk: Desk, models: dict[str, LoadedModel], card: ModelCard, like: str = "fundus"
) -> None:
    models["other"] = LoadedModel(models[like].network, card, "dmoe-vit")
    desk.load("other")


def brings(**values: object) -> dict[str, object]:
    return {"napari-dmoe": {"patient": values, "source": "from file"}}


def test_every_field_says_where_its_value_came_from(desk: Desk) -> None:
    metadata = brings(severity="suspect", age=70)
    desk.viewer.add_image(IMAGE, name="brought", metadata=metadata)
    inputs = desk.segmenting.tab.patient.inputs
    assert source(desk, "severity") == source(desk, "age") == "from file"
    assert inputs["sex"].combo.currentText() == "unknown"
    assert source(desk, "sex") == ""
    desk.choose("severity", "glaucoma")
    desk.choose("sex", "female")
    assert source(desk, "severity") == source(desk, "sex") == "chosen"
    assert source(desk, "age") == "from file"
    desk.choose("sex", "unknown")
    assert source(desk, "sex") == ""
    desk.choose("severity", "suspect")  # typed, although a file said the same
    assert source(desk, "severity") == "chosen"


def test_a_driver_cannot_be_mistaken_for_what_is_only_recorded(
    desk: Desk,
) -> None:
    section = desk.segmenting.tab.patient
    driver, recorded = label_of(section, "severity"), label_of(section, "race")
    assert driver.text() == "Severity"
    assert "Drives this model." in driver.toolTip()
    assert driver.font().bold()
    assert recorded.text() == "Race"
    assert not recorded.font().bold()
    assert "Drives this model." in section.inputs["severity"].combo.toolTip()
    assert "Does not drive" in section.inputs["race"].combo.toolTip()
    assert driver in section._rows.findChildren(QLabel)
    assert recorded in section.recorded.findChildren(QLabel)
    assert not recorded.isVisibleTo(section.recorded)  # until it is unfolded


def test_an_age_is_typed_as_a_number_or_chosen_as_a_band(desk: Desk) -> None:
    desk.load("age")
    entry = desk.segmenting.tab.patient.inputs["age"]
    assert entry.edit.placeholderText() == "unknown"
    for _ in range(2):
        desk.qtbot.keyClick(entry.combo, Qt.Key.Key_Down)
    assert entry.edit.text() == "from 60"
    assert source(desk, "age") == "chosen · from 60"
    assert desk.segmenting.tab.patient.mixture_label.text() == ""
    desk.run()
    assert desk.segment.calls == [Patient(age="from 60")]
    desk.type("age", "59.5 y")
    assert source(desk, "age") == "typed · below 60"
    desk.type("age", "BELOW 60")
    assert session_of(desk.viewer).patient_of(desk.viewer.layers[0]) == Patient(
        age="below 60"
    )
    desk.type("age", "")
    assert source(desk, "age") == ""
    assert "mixes below 60" in desk.segmenting.tab.patient.mixture_label.text()


def test_any_number_is_typed_or_its_band_chosen(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    (severity,) = models["fundus"].card.attributes
    edges = {"values": ("lean", "25-29", "obese"), "edges": (25.0, 30.0)}
    bmi = severity.model_copy(update={"name": "bmi", "unit": "kg/m2", **edges})
    card = models["fundus"].card.model_copy(update={"attributes": (bmi,)})
    load_with(desk, models, card)
    inputs, layer = desk.segmenting.tab.patient.inputs, desk.viewer.layers[0]
    assert "in kg/m2" in inputs["bmi"].combo.toolTip()
    for typed, value, band in (
        ("31", 31.0, "obese"),
        ("24,9 kg/m2", 24.9, "lean"),
        ("131", 131.0, "obese"),
        ("25-29", "25-29", "25-29"),
        ("35+", "35+", "obese"),
    ):
        desk.type("bmi", typed)
        assert session_of(desk.viewer).patient_of(layer).value("bmi") == value
        assert source(desk, "bmi") == f"typed · {band}"
    desk.type("bmi", "31 lb")
    assert "another unit than the model's" in inputs["bmi"].problem
    desk.type("bmi", "n/a")
    assert session_of(desk.viewer).patient_of(layer).value("bmi") is None


def test_a_band_of_ages_with_a_name_of_its_own_can_be_chosen(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    (severity,) = models["fundus"].card.attributes
    edges = {"values": ("infant", "child", "adult"), "edges": (24.0, 216.0)}
    age = severity.model_copy(update={"name": "age", "unit": "months", **edges})
    card = models["fundus"].card.model_copy(update={"attributes": (age,)})
    load_with(desk, models, card)
    for band in edges["values"]:
        desk.type("age", band)
        assert source(desk, "age") == f"typed · {band}"
    desk.type("age", "5")
    assert source(desk, "age") == "typed · child"


def test_a_band_that_the_model_does_not_have_is_said(desk: Desk) -> None:
    desk.load("age")
    desk.type("age", "20-39")
    section = desk.segmenting.tab.patient
    assert section.inputs["age"].edit.text() == "20-39"
    assert "below 60, from 60" in desk.reason
    assert not desk.dock.footer.button.isEnabled()


def test_what_is_mixed_for_an_unknown_driver_follows_the_cards_frequencies(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    card = models["fundus"].card
    (severity,) = card.attributes
    told = severity.model_copy(update={"frequencies": (0.5, 0.377, 0.123)})
    load_with(desk, models, card.model_copy(update={"attributes": (told,)}))
    section = desk.segmenting.tab.patient
    text = section.mixture_label.text()
    assert "mixes healthy 1/2, suspect 38%, glaucoma 12%." in text
    desk.choose("severity", "suspect")
    assert section.mixture_label.text() == ""


def test_what_the_model_has_never_seen_is_greyed_with_the_reason(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    card = models["fundus"].card
    counts = {"severity": {"healthy": 10, "suspect": 0, "glaucoma": 10}}
    facts = TrainingFacts(n_per_value=counts)
    load_with(desk, models, card.model_copy(update={"training": facts}))
    combo = desk.segmenting.tab.patient.inputs["severity"].combo
    place = combo.findText("suspect")
    item = combo.model().item(place)
    assert not item.isEnabled()
    reason = combo.itemData(place, Qt.ItemDataRole.ToolTipRole)
    assert reason == "suspect: no training case of this model had it"
    for text in ("unknown", "healthy", "glaucoma"):
        assert combo.model().item(combo.findText(text)).isEnabled()
    combo.setCurrentText("healthy")
    desk.qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert combo.currentText() == "glaucoma"


def test_a_value_without_a_router_is_greyed_with_the_reason(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    card = models["fundus"].card
    (severity,) = card.attributes
    race = severity.model_copy(
        update={"name": "race", "values": ("Asian", "Black"), "n_routers": 3}
    )
    load_with(desk, models, card.model_copy(update={"attributes": (race,)}))
    combo = desk.segmenting.tab.patient.inputs["race"].combo
    place = combo.findText("White")
    assert not combo.model().item(place).isEnabled()
    reason = combo.itemData(place, Qt.ItemDataRole.ToolTipRole)
    assert reason == "White: this model has no router for it"


def test_a_patient_stays_with_its_image_when_the_model_changes(
    desk: Desk,
) -> None:
    desk.choose("severity", "suspect")
    desk.type("age", "63")
    desk.load("age")
    inputs = desk.segmenting.tab.patient.inputs
    assert inputs["severity"].edit.text() == "suspect"
    assert source(desk, "age") == "typed · from 60"
    desk.load("fundus")
    assert (
        desk.segmenting.tab.patient.inputs["severity"].combo.currentText() == "suspect"
    )
    assert desk.segmenting.tab.patient.inputs["age"].edit.text() == "63"


def test_without_an_image_no_patient_can_be_entered(desk: Desk) -> None:
    section = desk.segmenting.tab.patient
    desk.choose("severity", "suspect")
    desk.viewer.layers.clear()
    assert section.title.text() == "PATIENT"
    assert not section.isEnabled()
    assert section.inputs["severity"].combo.currentText() == "unknown"


def test_a_value_called_none_is_shown_as_it_is_run(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    (severity,) = models["fundus"].card.attributes
    named = severity.model_copy(update={"values": ("none", "mild", "NA")})
    card = models["fundus"].card.model_copy(update={"attributes": (named,)})
    load_with(desk, models, card)
    section = desk.segmenting.tab.patient
    for value in ("none", "NA"):
        desk.choose("severity", value)
        assert section.inputs["severity"].combo.currentText() == value
        assert section.mixture_label.text() == ""
        assert source(desk, "severity") == "chosen"
    desk.choose("severity", "unknown")
    assert "mixes none, mild, NA" in section.mixture_label.text()
    assert source(desk, "severity") == ""


def test_a_card_s_other_name_of_an_attribute_has_one_field(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    (severity,) = models["fundus"].card.attributes
    gender = severity.model_copy(update={"name": "Gender", "values": ("F", "M", "X")})
    card = models["fundus"].card.model_copy(update={"attributes": (gender,)})
    load_with(desk, models, card)
    assert list(desk.segmenting.tab.patient.inputs) == [
        "Gender", "race", "age", "severity",
    ]  # fmt: skip
    desk.choose("Gender", "M")
    assert source(desk, "Gender") == "chosen"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sex": "F", "gender": "SECRET"}, "sex and gender contradict each other"),
        ({"age": "SECRET", "sex": "F"}, "the age cannot be read"),
        ({"langwage": "SECRET", "dx": "SECRET"}, "langwage (is language meant?)."),
    ],
)
def test_what_a_layer_brings_and_nobody_understands_is_told(
    desk: Desk, values: dict[str, object], said: str
) -> None:
    desk.viewer.add_image(IMAGE, name="brought", metadata=brings(**values))
    assert said in desk.reason
    assert "SECRET" not in desk.reason
    desk.run()  # what no form shows stands in no one's way
    desk.viewer.add_image(IMAGE, name="other")
    assert said not in desk.reason


def test_what_a_file_proposes_is_shown_and_taken_only_by_its_button(
    desk: Desk,
) -> None:
    metadata = brings(age=70)
    metadata["napari-dmoe"]["proposed"] = {
        "race": {"said": "CAUCASIAN", "value": "White"},
        "sex": {"said": "O (other)", "value": ""},
    }
    desk.viewer.add_image(IMAGE, name="brought", metadata=metadata)
    section = desk.segmenting.tab.patient
    section.recorded.unfold(True)
    race, sex = section.proposed["race"], section.proposed["sex"]
    assert race.said.text() == "The file says: CAUCASIAN"
    assert race.button.text() == "Use White?"
    assert not sex.isHidden()
    assert sex.button.isHidden()  # no value of the form means it
    assert section.inputs["race"].combo.currentText() == "unknown"
    assert section.proposed["age"].isHidden()
    desk.qtbot.mouseClick(race.button, Qt.MouseButton.LeftButton)
    assert section.inputs["race"].combo.currentText() == "White"
    assert source(desk, "race") == "chosen"
    assert race.isHidden()
    desk.viewer.add_image(IMAGE, name="another")
    assert sex.isHidden()
