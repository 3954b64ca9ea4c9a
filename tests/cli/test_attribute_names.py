"""Names of attributes in options and tables: understood, told or refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_runs import run

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.interpolation import interpolate
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.naming import heard_of, refuse_unheard_of, unheard_of
from napari_dmoe.patient import Patient, PatientError


@pytest.fixture
def bmi_net(tmp_path: Path, tiny_checkpoint: Callable[..., Path]) -> list[object]:
    """Return the options that name a tiny network driven by a number."""
    card = ModelCard(
        name="bmi", title="BMI", classes=("background", "rim", "cup"),
        attributes=(
            CardAttribute(
                name="bmi", values=("lean", "25-29", "obese"), edges=(25, 30),
                unit="kg/m2",
            ),
        ),
    )  # fmt: skip
    path = tmp_path / "bmi.json"
    path.write_text(card.model_dump_json())
    return ["--checkpoint", tiny_checkpoint(3, 3), "--card", path]


def drivers_in(folder: Path) -> list[str | None]:
    (record,) = folder.glob("*.labels.json")
    return [driver["value"] for driver in json.loads(record.read_text())["drivers"]]


@pytest.mark.parametrize("command", ["segment", "sweep"])
@pytest.mark.parametrize(
    ("stated", "near"),
    [
        ("langwage=English", "language"), ("Rase=Black", "race"),
        ("gendr=unknown", "sex"),
    ],
)  # fmt: skip
def test_a_misspelt_attribute_is_refused_with_the_nearest(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    command: str,
    stated: str,
    near: str,
) -> None:
    further = ["--attribute", stated]
    if command == "sweep":
        further = ["--attribute", "race", "--further", stated]
    code, out, err = run(command, picture, *race_net, "-o", tmp_path / "o", *further)
    name, _, value = stated.partition("=")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"there is no attribute {name.lower()!r}: the nearest is {near}." in err
    assert value not in err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--attribute", "RACE=black"], ["--attribute", "patient race=Black"],
        ["--race", "Black", "--attribute", "Gender=F", "--attribute", "bodysite=back"],
    ],
)  # fmt: skip
def test_attributes_go_by_any_of_their_names(
    tmp_path: Path, race_net: list[object], picture: Path, options: list[str]
) -> None:
    code, _, err = run("segment", picture, *race_net, "-o", tmp_path / "o", *options)
    assert (code, err) == (0, "")
    assert drivers_in(tmp_path / "o") == ["Black"]


def test_two_names_of_one_attribute_contradict_each_other(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    both = ["--sex", "female", "--attribute", "Gender=male"]
    code, _, err = run("segment", picture, *race_net, "-o", tmp_path / "o", *both)
    assert code == 2
    assert "--sex and Gender=... contradict each other" in err


def test_a_sweep_goes_over_a_driver_by_any_of_its_names(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    given = ["--attribute", "Race=black"]
    code, out, err = run("sweep", picture, *race_net, "-o", tmp_path / "o", *given)
    assert (code, err) == (0, "")
    assert "race" in out


@pytest.mark.parametrize(
    ("stated", "band"),
    [
        ("bmi=31", "obese"), ("BMI=31 kg/m2", "obese"), ("bmi=24,9", "lean"),
        ("bmi=25", "25-29"), ("bmi=30", "obese"), ("bmi=25-29", "25-29"),
        ("bmi=35+", "obese"), ("bmi=n/a", None),
    ],
)  # fmt: skip
def test_a_number_drives_a_model_by_its_band(
    tmp_path: Path, bmi_net: list[object], picture: Path, stated: str, band: str | None
) -> None:
    asked = ["--attribute", stated, "--scored-at", "network"]
    code, _, err = run("segment", picture, *bmi_net, "-o", tmp_path / "o", *asked)
    assert (code, err) == (0, "")
    assert drivers_in(tmp_path / "o") == [band]
    record = next((tmp_path / "o").glob("*.labels.json")).read_text()
    assert not any(f'"{n}"' in record for n in ("31", "24,9", "31.0", "35+"))


def test_a_table_says_what_it_is_read_as_and_what_is_not_used(
    tmp_path: Path, bmi_net: list[object], picture: Path
) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text("Image_ID,Bmi,Gender,dx,langwage,lesion_id\neye,31,F,nv,x,L1\n")
    code, out, err = run("segment", table, *bmi_net, "-o", tmp_path / "o")
    assert code == 0
    assert drivers_in(tmp_path / "o") == ["obese"]
    assert err.splitlines() == [
        "notice: images were found by their names in the column Image_ID: 1, and "
        "labels of 0 of them",
        "notice: columns read: Gender as sex (which does not drive this model)",
        "notice: columns not used: dx, langwage (is language meant?)",
    ]
    with (tmp_path / "o" / "segment.csv").open(encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert row["image"] == "eye"
    assert "bmi obese" in row["outcome"]
    # The user's own columns go along in the user's own table, and nowhere else.
    further = {name: row[name] for name in ("dx", "langwage", "lesion_id")}
    assert further == {"dx": "nv", "langwage": "x", "lesion_id": "L1"}
    assert "Image_ID" not in row
    assert "Gender" not in row
    record = (tmp_path / "o" / row["record"]).read_text()
    assert "L1" not in out + err + record


def test_a_misspelt_attribute_is_refused_in_python(
    bmi_net: list[object], picture: Path
) -> None:
    loaded = load_checkpoint(str(bmi_net[1]), str(bmi_net[3]))
    image = SpatialImage.of(np.zeros((32, 32), np.uint8))
    with pytest.raises(PatientError, match="the nearest is language") as caught:
        segment(loaded, image, Patient(others={"langwage": "SECRET"}))
    assert "SECRET" not in str(caught.value)
    with pytest.raises(PatientError, match="no attribute 'bmis': the nearest is bmi"):
        segment(loaded, image, Patient(others={"bmis": 31}))
    found = segment(loaded, image, Patient(others={"BMI": 31.5, "dx": "SECRET"}))
    assert found.provenance.drivers[0].value == "obese"
    assert found.provenance.notices[-1] == (
        "not used, as the model's card does not name them: dx"
    )
    assert "SECRET" not in found.provenance.model_dump_json()
    settings = InferenceSettings(scored_at="network")
    asked = loaded, image
    own = Patient(others={"BMI": 31.5, "dx": "SECRET"})
    between = {"attribute": "bmi", "positions": [0, 0.5], "patient": own}
    swept = sweep(*asked, attribute="bmi", patient=own, settings=settings)
    for each in (
        *interpolate(*asked, **between, settings=settings),
        *(each.result for each in swept.values),
        uncertainty(*asked, own, samples=2, settings=settings),
    ):
        assert each.provenance.notices[-1].endswith("does not name them: dx")
    known = segment(loaded, image, Patient(sex="F", others={"language": "English"}))
    assert not any("not used" in notice for notice in known.provenance.notices)


def test_what_a_model_has_heard_of() -> None:
    patient = Patient(sex="F", others={"dx": "x", "Skin-Type": "II", "language": "es"})
    assert unheard_of(patient, ["Skin type"]) == ("dx",)
    heard = heard_of(patient, ["Skin type"])
    assert heard.known() == {"sex": "female", "skin_type": "II", "language": "es"}
    assert heard_of(heard, ["skin_type"]) is heard
    with pytest.raises(PatientError, match="there is no attribute 'dx'"):
        refuse_unheard_of(patient, ["skintype"])
