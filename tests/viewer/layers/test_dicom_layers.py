"""DICOM series as layers: their place, their patient, and nobody's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("pydicom")
from dicom_files import WHO, write, write_series
from napari.components import ViewerModel
from napari.layers import Image, Layer
from npe2 import PluginManifest

from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.patient import Patient, Proposal
from napari_dmoe.viewer.contributions import dicom_reader, nifti_reader
from napari_dmoe.viewer.layers import scans
from napari_dmoe.viewer.session.session import session_of

VOLUME = np.random.default_rng(0).integers(0, 999, (5, 4, 6)).astype(np.int16)


@pytest.fixture(autouse=True)
def _no_drop_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "_last", scans._Drop())


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(scans, "show_info", told.append)
    monkeypatch.setattr(scans, "show_warning", told.append)
    return told


def opened(path: Path) -> list[Layer]:
    read = dicom_reader(str(path))
    assert read is not None
    return [Layer.create(*made) for made in read(str(path)) if made[0] is not None]


def test_a_folder_is_a_layer_in_its_place(tmp_path: Path, said: list[str]) -> None:
    write_series(tmp_path / "scan", VOLUME, SliceThickness=3)
    (layer,) = opened(tmp_path / "scan")
    assert isinstance(layer, Image)
    assert layer.name == "scan"
    np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.75))
    np.testing.assert_allclose(layer.translate, (30.0, -20.0, -10.0))
    assert layer.axis_labels == ("z", "y", "x")
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert not isinstance(layer.data, np.ndarray)  # read when it is looked at
    np.testing.assert_array_equal(np.asarray(layer.data), VOLUME)
    assert said == [
        "scan: its slices lie 2 mm apart by their positions, which was taken, though "
        "the header says SliceThickness 3 mm"
    ]


def test_the_patient_comes_with_the_layer_and_a_race_is_only_proposed(
    tmp_path: Path,
) -> None:
    who = {"PatientSex": "F", "PatientAge": "063Y", "EthnicGroup": "CAUCASIAN"}
    write_series(tmp_path, VOLUME, **who, **WHO)
    (layer,) = opened(tmp_path)
    viewer = ViewerModel()
    viewer.add_layer(layer)
    session = session_of(viewer)
    assert session.patient_of(layer) == Patient(sex="female", age=63)
    assert session.source_of(layer, "sex") == "from the DICOM header"
    assert session.source_of(layer, "race") == "unknown"
    assert session.proposals_of(layer) == {"race": Proposal("CAUCASIAN", "White")}
    chosen = session.patient_of(layer).with_value("race", "White")
    session.set_patient(layer, chosen, "chosen")
    assert session.proposals_of(layer) == {}
    assert session.source_of(layer, "age") == "from the DICOM header"


def test_a_layer_keeps_nothing_that_tells_who_it_is(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "scan", VOLUME, PatientSex="F", **WHO)
    (layer,) = opened(tmp_path / "scan")
    kept = json.dumps(layer.metadata) + layer.name
    private = [*WHO.values(), "1961", "1.2.826"]
    assert [value for value in private if value in kept] == []
    (paths[0].parent / "IM0000.dcm").rename(tmp_path / "scan" / "CT.1.2.826.0.1.3")
    photograph = np.zeros((4, 6, 3), np.uint8)
    alone = write(tmp_path / "x" / "CT.1.2.826.0.1.3.dcm", photograph, Modality="XC")
    (layer,) = opened(alone)
    assert layer.name == "XC"


def test_files_of_one_drop_open_their_series_once(tmp_path: Path) -> None:
    first, *others = write_series(tmp_path / "scan", VOLUME)
    assert len(opened(first)) == 1
    assert [opened(each) for each in others] == [[]] * 4
    assert len(opened(first)) == 1  # who asks again, means it


def test_images_of_a_folder_are_all_opened_and_what_cannot_be_is_told(
    tmp_path: Path, said: list[str]
) -> None:
    write_series(tmp_path / "a", VOLUME)
    write_series(tmp_path / "b", VOLUME[:3], SeriesNumber=7, Modality="MR")
    gap = write_series(tmp_path / "c", VOLUME, SeriesNumber=8)
    gap[2].unlink()
    names = [layer.name for layer in opened(tmp_path)]
    assert names == [
        f"{tmp_path.name} · CT, series 3",
        f"{tmp_path.name} · MR, series 7",
    ]
    assert any("not evenly apart" in each for each in said)
    with pytest.raises(ImageReadError, match="not evenly apart"):
        opened(tmp_path / "c")


def test_folders_of_others_are_left_to_others(tmp_path: Path) -> None:
    zarr = tmp_path / "a.ome.zarr"
    write_series(zarr / "0", VOLUME)
    (zarr / ".zgroup").write_text("{}")
    for path in (zarr, tmp_path / "none"):
        assert dicom_reader(str(path)) is None
    (tmp_path / "notes.dcm").write_text("no DICOM at all")
    assert dicom_reader(str(tmp_path / "notes.dcm")) is None
    assert dicom_reader([]) is None


def test_a_nifti_file_of_a_bids_tree_brings_its_participant(tmp_path: Path) -> None:
    folder = tmp_path / "sub-01"
    folder.mkdir()
    nib.save(nib.Nifti1Image(VOLUME, np.eye(4)), folder / "sub-01_T1w.nii.gz")
    table = "participant_id\tsex\tage\nsub-01\tM\t30\n"
    (tmp_path / "participants.tsv").write_text(table)
    path = str(folder / "sub-01_T1w.nii.gz")
    read = nifti_reader(path)
    assert read is not None
    ((_, arguments, _),) = read(path)
    record = arguments["metadata"]["napari-dmoe"]
    assert record["patient"] == {"sex": "male", "age": 30.0}
    assert record["source"] == "from participants.tsv"


def test_the_manifest_names_files_and_folders() -> None:
    manifest = PluginManifest.from_distribution("napari-dmoe")
    readers: dict[str, Any] = {r.command: r for r in manifest.contributions.readers}
    ours = readers["napari-dmoe.read_dicom"]
    assert ours.accepts_directories
    assert set(ours.filename_patterns) == {"*.dcm", "*.dicom", "*.ima"}
