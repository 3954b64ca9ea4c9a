"""Whether a mask from a file was made for other values than its patient has."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.session.checks import was_for_others


@pytest.mark.parametrize(
    ("made_for", "is_other"),
    [
        ({"sex": "male", "age": "60-79"}, False),
        ({"sex": "male", "age": "20-39"}, True),
        ({"sex": "female", "age": "60-79"}, True),
        ({"sex": "male", "age": None}, True),
    ],
)
def test_each_driver_of_several_is_compared_by_its_own_values(
    made_for: dict[str, str | None], is_other: bool
) -> None:
    drivers = [SimpleNamespace(attribute=n, value=v) for n, v in made_for.items()]
    record = SimpleNamespace(drivers=drivers)
    result = SimpleNamespace(segmentation=SimpleNamespace(provenance=record))
    card = load_checkpoint("skin-phantom").card
    patient = Patient(sex="male", age=65)
    assert was_for_others(result, card, patient) is is_other  # type: ignore[arg-type]
