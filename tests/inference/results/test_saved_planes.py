"""Masks of a 2D model on a volume: as NIfTI, in case files, and replayed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cli_runs import run
from orientations import ORIENTATIONS, SOME, in_the_world, restored, stored
from stub_networks import thresholding_model

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.nifti import read_record
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.inference.replaying.case_files import read_case, write_case
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.provenance import Provenance, labels_sha256
from napari_dmoe.inference.results.sidecars import in_order_of_result
from napari_dmoe.inference.running.drivers import choose_routers
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import silent

AFFINE = np.array([[2.0, 0.3, 0, 5], [-0.3, 3, 0.1, 6], [0, 0.1, 4, 7], [0, 0, 0, 1]])
ASIAN = Patient(race="Asian")
KEPT = InferenceSettings(probabilities=True, device="cpu")


@pytest.fixture
def planar(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    card = read_card("fairseg-race")
    small = card.preprocessing.model_copy(update={"crop": 30})
    card = card.model_copy(update={"preprocessing": small})
    return load_checkpoint(tiny_checkpoint(3, 3), card=card)


@pytest.fixture
def volume() -> nib.Nifti1Image:
    data = np.random.default_rng(0).integers(0, 90, (40, 36, 3))
    data += np.add.outer(np.arange(40) * 2, np.arange(36) * 2)[..., np.newaxis]
    data = data.astype(np.uint8)
    return nib.Nifti1Image(data, AFFINE)


@pytest.mark.formats("NIfTI mask of a 2D model on a volume")
@pytest.mark.parametrize("code", SOME)
def test_a_mask_of_planes_is_saved_on_the_voxels_of_its_image(
    planar: LoadedModel, volume: nib.Nifti1Image, tmp_path: Path, code: str
) -> None:
    image = stored(volume, code, tmp_path / "scan.nii")
    found = segment(planar, image, ASIAN, settings=KEPT)
    saved = save_segmentation(
        tmp_path, "scan", found, image, routing=True, file_format="nifti"
    )
    assert saved.labels.name == "scan.labels.nii.gz"
    source, mask = restored(volume, code), nib.load(saved.labels)
    assert mask.shape == source.shape
    np.testing.assert_allclose(mask.affine, source.affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(mask.dataobj).T, found.labels)
    assert mask.header.get_xyzt_units()[0] == "mm"
    again = read_image(saved.labels)
    assert again.axes == image.axes
    np.testing.assert_array_equal(again.data, found.labels)
    record = Provenance.model_validate_json(read_record(saved.labels))
    assert record == found.provenance
    maps = np.asarray(nib.load(saved.probabilities).dataobj)
    np.testing.assert_array_equal(maps.T, found.probabilities)
    (gates,) = saved.routing
    spacing = dict(zip(image.axes, read_image(gates).spacing, strict=True))
    assert spacing["z"] == pytest.approx(image.spacing[image.axes.index("z")])


@pytest.mark.formats("NIfTI in any of the 48 orientations")
def test_saved_masks_lie_alike_in_all_48_orders(
    planar: LoadedModel, volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    masks: list[np.ndarray] = []
    for code in ORIENTATIONS[::5]:
        image = stored(volume, code, tmp_path / "scan.nii")
        found = segment(planar, image, ASIAN)
        saved = save_segmentation(tmp_path, code, found, image, file_format="nifti")
        upright = nib.as_closest_canonical(nib.load(saved.labels))
        np.testing.assert_allclose(upright.affine, AFFINE, atol=1e-5)
        masks.append(np.asarray(upright.dataobj))
    assert len(np.unique(masks[0])) > 1
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, masks[0])


@pytest.mark.formats("NIfTI mask of a 2D model on a picture")
def test_a_mask_of_a_picture_is_no_nifti(planar: LoadedModel, tmp_path: Path) -> None:
    plane = np.zeros((20, 22), np.uint8)
    found = segment(planar, plane, ASIAN)
    image = SpatialImage.of(plane)
    said = r"NIfTI holds volumes.* save it as TIFF"
    with pytest.raises(ImageReadError, match=said):
        save_segmentation(tmp_path / "out", "a", found, image, file_format="nifti")
    assert not (tmp_path / "out").exists()


def test_the_command_saves_planes_as_nifti_and_replays_them(
    tiny_checkpoint: Callable[..., Path], volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    nib.save(restored(volume, "PIR"), tmp_path / "scan.nii.gz")
    net = ["-c", tiny_checkpoint(3, 3), "--card", "fairseg-race"]
    arguments = ["--race", "Asian", "--format", "nifti", "-o", tmp_path / "out"]
    code, _, said = run("segment", tmp_path / "scan.nii.gz", *net, *arguments)
    assert code == 0, said
    mask = tmp_path / "out" / "scan.labels.nii.gz"
    assert nib.aff2axcodes(nib.load(mask).affine) == ("P", "I", "R")
    case = tmp_path / "scan.dmoe-case"
    assert run("case", mask, case)[:2] == (0, f"{case}\n")
    code, said, _ = run("replay", case, tmp_path / "scan.nii.gz", *net)
    assert (code, said) == (0, "The mask was rebuilt bit for bit.\n")


@pytest.mark.parametrize("code", SOME)
def test_case_files_give_labels_along_the_axes_of_the_image(
    volume: nib.Nifti1Image, tmp_path: Path, code: str
) -> None:
    loaded = thresholding_model(window=(0, 255))
    image = stored(volume, code, tmp_path / "scan.nii")
    first = segment(loaded, image)
    write_case(tmp_path / "a.dmoe-case", first.provenance, first.labels)
    case = read_case(tmp_path / "a.dmoe-case")
    np.testing.assert_array_equal(case.labels, first.labels)
    again = replay(case.record, loaded, image, labels=case.labels)
    assert (again.verdict, again.agreement, again.differences) == ("equal", 1.0, ())
    # The hash is that of the labels along z, y and x, as in records made before.
    upright = first.labels.transpose([image.axes.index(axis) for axis in "zyx"])
    assert first.provenance.labels_sha256 == labels_sha256(upright)
    unhashed = case.record.model_copy(update={"labels_sha256": None})
    assert replay(unhashed, loaded, image, labels=case.labels).verdict == "equal"
    saved = save_segmentation(tmp_path, "b", first, image, file_format="tiff")
    on_disk = read_image(saved.labels)
    np.testing.assert_array_equal(
        in_order_of_result(on_disk, first.provenance), first.labels
    )


@pytest.mark.parametrize("code", SOME)
def test_a_record_made_on_planes_as_stored_is_replayed_on_these(
    planar: LoadedModel, volume: nib.Nifti1Image, tmp_path: Path, code: str
) -> None:
    image = stored(volume, code, tmp_path / "scan.nii")
    choice = choose_routers(planar, ASIAN, KEPT)
    (before,) = segment_variants(planar, image, [choice], KEPT, silent, upright=False)
    now = segment(planar, image, ASIAN, settings=KEPT)
    is_alike = np.array_equal(before.probabilities, now.probabilities)
    assert is_alike == (code == "LPS")
    for first in (before, now):
        text = json.loads(first.provenance.model_dump_json())
        record = Provenance.model_validate(text)
        again = replay(record, planar, image, labels=first.labels)
        assert (again.verdict, again.differences) == ("equal", ())
        np.testing.assert_array_equal(again.result.labels, first.labels)


def test_probabilities_of_a_volume_lie_where_its_labels_do(
    volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    loaded = thresholding_model(window=(0, 255))
    image = stored(volume, "PIR", tmp_path / "scan.nii")
    found = segment(loaded, image, settings=KEPT)
    assert found.probabilities.shape == (2, *image.data.shape)
    np.testing.assert_array_equal(found.probabilities.argmax(0), found.labels)
    assert in_the_world(image, found.labels).shape == (3, 36, 40)
