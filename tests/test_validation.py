"""What cannot be is said in one sentence, in this program's own words."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

import napari_dmoe as dmoe
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.training.settings import TrainSettings, preset
from napari_dmoe.validation import SettingsError, Stated, said


class Inner(Stated, extra="forbid"):
    side: int = 1


class Whole(BaseModel, extra="forbid", allow_inf_nan=False):
    count: int = 1
    share: float = 0.5
    name: str = "x"
    kind: Literal["one", "two"] = "one"
    many: tuple[int, ...] = ()
    inner: Inner = Inner()
    flag: bool = False
    either: str | int | float | None = None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"count": "many"}, "count cannot be 'many': it must be a whole number"),
        ({"count": 1.5}, "count cannot be 1.5: it must be a whole number"),
        (
            {"flag": 10**5000},
            "flag cannot be a number of so many digits: it must",
        ),
        ({"share": float("nan")}, "share cannot be nan: it must be a finite number"),
        ({"share": [1]}, "share cannot be a list of 1: it must be a number"),
        ({"name": {}}, "name cannot be an object: it must be text"),
        ({"kind": "three"}, "kind cannot be 'three': it must be 'one' or 'two'"),
        ({"many": 3}, "many cannot be 3: it must be a list"),
        ({"many": [1, None]}, "many.1 cannot be null: it must be a whole number"),
        (
            {"inner": {"side": "x"}},
            "inner.side cannot be 'x': it must be a whole",
        ),
        ({"flag": "x\ny"}, r"flag cannot be 'x\ny': it must be true or false"),
        (
            {"either": []},
            "either cannot be a list of 0: it must be text or a whole",
        ),
        ({"other": 1}, "other: there is no such field"),
        ({"flag": "\ud800"}, r"flag cannot be '\ud800': it must be text"),
    ],
)
def test_a_fault_is_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(fields)
    assert said(caught.value).startswith(sentence)
    assert len(said(caught.value).splitlines()) == 1


def test_a_fault_of_the_whole_names_the_whole() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate_json("{")
    assert said(caught.value, whole="the text") == "the text: is no JSON"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: dmoe.InferenceSettings(batch=0),
            "batch cannot be 0: it must be at least",
        ),
        (lambda: dmoe.InferenceSettings(bach=1), "bach: there is no such field"),
        (lambda: TrainSettings(clip=0), "clip cannot be 0: it must be above 0"),
        (
            lambda: TrainSettings(augmentation="x"),
            "augmentation: there is no augmentation 'x': use none, planes",
        ),
        (
            lambda: preset("published", batch="x"),
            "batch cannot be 'x': it must be a whole",
        ),
        (lambda: preset("x"), "there is no preset 'x'"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(make: Any, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make()
    assert str(caught.value).startswith(sentence)


def test_a_patients_values_stay_out_of_messages() -> None:
    with pytest.raises(PatientError) as caught:
        Patient(others={"language": 77123})  # type: ignore[dict-item]
    words = "others: language is given by name, as text: found a int"
    assert str(caught.value) == words


def test_what_is_made_cannot_be_changed_and_that_is_said() -> None:
    settings, patient = dmoe.InferenceSettings(), dmoe.Patient(age="63 y")
    with pytest.raises(SettingsError) as caught:
        settings.batch = 0  # type: ignore[misc]
    assert str(caught.value) == (
        "batch: it cannot be changed once it is made: make another"
    )
    with pytest.raises(PatientError) as private:
        patient.age = 61.5  # type: ignore[misc]
    assert "61.5" not in str(private.value)
    assert patient.age == 63
