"""The errors of the public names are those that docs/python.md promises."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from places import DATA, REPOSITORY

import napari_dmoe as dmoe

PAGE = (REPOSITORY / "docs" / "python.md").read_text("utf-8")
PIXELS = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)


@pytest.fixture(scope="module")
def loaded() -> dmoe.LoadedModel:
    return dmoe.load_checkpoint(DATA / "vit2d_race3.pth", card="fairseg-race")


@pytest.fixture(scope="module")
def image() -> dmoe.SpatialImage:
    return dmoe.SpatialImage.from_array(PIXELS, axes="yx", spacing=(1, 1), unit="mm")


@pytest.fixture(scope="module")
def result(loaded: dmoe.LoadedModel, image: dmoe.SpatialImage) -> dmoe.Segmentation:
    return dmoe.segment(loaded, image)


def test_every_error_that_the_page_names_is_public() -> None:
    rows = re.findall(r"^\| (`\w+Error`[^|]*)\|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    public = {name for name in dmoe.__all__ if name.endswith("Error")}
    assert named == public
    for name in public:
        assert issubclass(getattr(dmoe, name), ValueError)
    assert issubclass(dmoe.NotEnoughMemory, MemoryError)


@pytest.mark.parametrize(
    ("error", "make"),
    [
        ("SettingsError", lambda: dmoe.InferenceSettings(batch=0)),
        ("SettingsError", lambda: dmoe.ModelCard(name="x")),
        ("SettingsError", lambda: dmoe.Provenance(created=3)),
        ("CheckpointError", lambda: dmoe.load_checkpoint("absent.pth")),
        ("CardError", lambda: dmoe.read_card("absent")),
        ("ImageReadError", lambda: dmoe.read_image("absent.png")),
        ("ImageError", lambda: dmoe.SpatialImage(PIXELS, ("y",))),
        ("PatientError", lambda: dmoe.Patient(age=-3)),
        ("PatientError", lambda: dmoe.Patient(colour="red")),
        ("CohortError", lambda: dmoe.read_cohort("absent")),
        ("CaseFileError", lambda: dmoe.read_case("absent.dmoe-case")),
    ],
)
def test_what_cannot_be_made_or_read(error: str, make: Callable[[], object]) -> None:
    with pytest.raises(getattr(dmoe, error)) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1
    assert "pydantic" not in str(caught.value)


def test_what_cannot_be_run(
    tmp_path: Path,
    loaded: dmoe.LoadedModel,
    image: dmoe.SpatialImage,
    result: dmoe.Segmentation,
) -> None:
    nowhere = dmoe.InferenceSettings(device="cuda:99")
    other = dmoe.ExpertControl(mute={(None, 99)})
    runs = {
        dmoe.DeviceError: lambda: dmoe.segment(loaded, image, settings=nowhere),
        dmoe.ImageError: lambda: dmoe.segment(loaded, np.zeros((3, 5, 5))),
        dmoe.PatientError: lambda: dmoe.segment(loaded, image, dmoe.Patient(race="x")),
        dmoe.ReplayError: lambda: dmoe.replay(result.provenance, loaded, PIXELS[:9]),
        dmoe.CheckpointError: lambda: dmoe.save_checkpoint(tmp_path / "a.txt", loaded),
        dmoe.ImageReadError: lambda: dmoe.save_segmentation(
            tmp_path, "a", result, image, file_format="nifti"
        ),
        dmoe.SettingsError: lambda: dmoe.uncertainty(loaded, image, seed=-1),
        dmoe.CohortError: lambda: dmoe.write_cohort(_file(tmp_path), []),
        ValueError: lambda: dmoe.segment(loaded, image, experts=other),
    }
    for error, do in runs.items():
        with pytest.raises(error) as caught:
            do()
        assert len(str(caught.value).splitlines()) == 1
        assert type(caught.value).__module__.startswith(("napari_dmoe", "builtins"))


def _file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file"


def test_results_and_cohorts_go_to_the_disk_and_back(
    tmp_path: Path,
    loaded: dmoe.LoadedModel,
    image: dmoe.SpatialImage,
    result: dmoe.Segmentation,
) -> None:
    saved = dmoe.save_segmentation(str(tmp_path / "masks"), "eye", result, image)
    np.testing.assert_array_equal(dmoe.read_image(saved.labels).data, result.labels)
    of_array = dmoe.save_segmentation(tmp_path / "plain", "eye", result, PIXELS)
    assert of_array.labels.is_file()
    labels = dmoe.SpatialImage(result.labels, ("y", "x"), image.affine, image.unit)
    case = dmoe.Case("eye", image, labels, dmoe.Patient(race="Asian"))
    dmoe.write_cohort(tmp_path / "cohort", [case])
    (read,) = dmoe.read_cohort(tmp_path / "cohort")
    np.testing.assert_array_equal(read.labels.data, result.labels)
    assert read.patient == case.patient
