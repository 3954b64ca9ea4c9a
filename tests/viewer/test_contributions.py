"""The samples, and the words of the form, need no window."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.card_files import read_card
from napari_dmoe.patient import FORM_ATTRIBUTES, Patient
from napari_dmoe.viewer.contributions import (
    phantom_fundus,
    retina_colour,
    retina_green,
)
from napari_dmoe.viewer.segment.subject.patient_fields import patient_fields
from napari_dmoe.viewer.session.checks import (
    band_notes,
    describe_image,
    patient_problem,
)
from napari_dmoe.viewer.session.session import session_of


def test_the_phantom_brings_its_patient_its_scale_and_its_notice(
    viewer: ViewerModel,
) -> None:
    data, arguments, kind = phantom_fundus()[0]
    image = viewer._add_layer_from_data(data, arguments, kind)[0]
    patient = session_of(viewer).patient_of(image)
    assert set(patient.known()) == set(FORM_ATTRIBUTES)
    assert "invented" in image.metadata["napari-dmoe"]["notice"]
    assert "mm pixels" in describe_image(image)
    assert image.rgb == (data.ndim == 3)


def test_the_photograph_brings_no_patient(viewer: ViewerModel) -> None:
    (colour, arguments, _), (green, _, _) = retina_colour()[0], retina_green()[0]
    image = viewer.add_image(colour, **arguments)
    assert session_of(viewer).patient_of(image) == Patient()
    np.testing.assert_array_equal(green, colour[..., 1])
    assert "pixel size unknown" in describe_image(image)


def test_the_manifest_is_valid_and_offers_what_the_functions_give() -> None:
    path = resources.files("napari_dmoe") / "napari.yaml"
    manifest = PluginManifest.from_file(str(path))
    manifest.validate_imports()
    samples = manifest.contributions.sample_data or []
    assert [sample.display_name for sample in samples] == [
        "Phantom fundus (synthetic, with its patient)",
        "Phantom skin lesion (synthetic, with its patient)",
        "Phantom pelvis CT (synthetic, with its patient)",
        "CT of abdomen and pelvis (real, with prostate and bladder)",
        "MR of a brain (real, with a tumour)",
        "Retina photograph (colour)",
        "Retina photograph (green channel)",
    ]


def test_the_dock_can_be_imported_without_torch() -> None:
    code = (
        "import sys, napari_dmoe.viewer.session.session;"
        "import napari_dmoe.viewer.session.checks, napari_dmoe.viewer.contributions;"
        "import napari_dmoe.viewer.engines;"
        "sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_form_shows_the_four_attributes_and_marks_the_driver() -> None:
    fields = patient_fields(read_card("fairseg-race"))
    assert [field.name for field in fields] == ["race", "sex", "age", "severity"]
    assert [field.drives for field in fields] == [True, False, False, False]
    assert {field.name for field in patient_fields(None)} == set(FORM_ATTRIBUTES)


def test_an_attribute_of_the_card_alone_is_shown_too() -> None:
    fields = patient_fields(read_card("fairseg-language"))
    assert fields[0].name == "language"
    assert fields[0].drives
    assert {field.name for field in fields[1:]} == set(FORM_ATTRIBUTES)


def test_an_age_driver_is_a_number_and_shows_its_band() -> None:
    card = read_card("fairseg-age")
    field = patient_fields(card)[0]
    assert (field.name, field.kind) == ("age", "number")
    assert field.values == ("below 60", "from 60")  # a band may be all that is known
    assert band_notes(card, Patient(age=63)) == {"age": "from 60"}
    assert band_notes(card, Patient()) == {}


@pytest.mark.parametrize(
    ("frequencies", "expected"),
    [
        (None, "mixes a, b evenly, as no frequencies are stated"),
        ((3, 1), "a 3/4, b 1/4."),
        ((0.123, 0.877), "a 12%, b 88%."),
    ],
)
def test_the_mixture_for_an_unknown_driver_is_named(
    frequencies: tuple[float, ...] | None, expected: str
) -> None:
    attribute = CardAttribute(name="g", values=("a", "b"), frequencies=frequencies)
    card = ModelCard(
        name="x", title="x", attributes=(attribute,), classes=("background", "c")
    )
    assert expected in patient_fields(card)[0].if_unknown


def test_a_value_that_the_model_does_not_know_is_a_problem() -> None:
    card = read_card("fairseg-race")
    assert "it knows" in patient_problem(card, Patient(race="Martian"))
    assert patient_problem(card, Patient()) == ""
    assert patient_problem(None, Patient(race="Martian")) == ""
