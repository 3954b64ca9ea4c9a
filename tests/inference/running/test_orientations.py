"""One volume gives one mask in the world, in whichever order it is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from orientations import ORIENTATIONS, in_the_world, stored
from skimage.data import retina
from stub_networks import thresholding_model

from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.masks.measures import measure_mask
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.sweep_pictures import sweep_picture
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

ASIAN = Patient(race="Asian")
KEPT = InferenceSettings(probabilities=True, device="cpu")
OBLIQUE = np.array([[2.0, 0.3, 0, 5], [-0.3, 3, 0.1, 6], [0, 0.1, 4, 7], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def volume() -> nib.Nifti1Image:
    """Return a volume in RAS, each plane of which is unlike its mirror image."""
    ramps = np.add.outer(np.arange(21) * 7, np.arange(18) * 5)[..., np.newaxis]
    noise = np.random.default_rng(0).integers(0, 60, (21, 18, 3))
    return nib.Nifti1Image((ramps + noise).astype(np.int16), OBLIQUE)


@pytest.fixture
def planar(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    card = read_card("fairseg-race")
    small = card.preprocessing.model_copy(update={"crop": 15})
    card = card.model_copy(update={"preprocessing": small})
    return load_checkpoint(tiny_checkpoint(3, 3), card=card)


def along_z(volume: nib.Nifti1Image) -> np.ndarray:
    """Return the planes as radiologists see them: z, y to the back, x to the left."""
    return np.asarray(volume.dataobj)[::-1, ::-1].transpose(2, 1, 0)


def test_a_2d_model_gives_one_mask_in_all_48_orders(
    planar: LoadedModel, volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    upright = SpatialImage(along_z(volume), ("z", "y", "x"))
    expected = segment(planar, upright, ASIAN, settings=KEPT)
    assert len(np.unique(expected.labels)) > 1
    for code in ORIENTATIONS:
        image = stored(volume, code, tmp_path / "a.nii")
        found = segment(planar, image, ASIAN, settings=KEPT)
        assert found.axes == image.axes, code
        assert found.labels.shape == image.data.shape
        there = in_the_world(image, found.labels)
        np.testing.assert_array_equal(there, expected.labels, err_msg=code)
        maps = in_the_world(image, found.probabilities)
        np.testing.assert_array_equal(maps, expected.probabilities, err_msg=code)
        turned = [n for n in found.provenance.notices if "were turned" in n]
        assert bool(turned) == bool({"R", "A"} & set(code)), code


def test_what_was_seen_is_recorded_as_the_image_is_stored(
    planar: LoadedModel, volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    image = stored(volume, "RAS", tmp_path / "a.nii")
    found = segment(planar, image, ASIAN, settings=KEPT)
    # Of 18 rows and 21 columns that run to the front and the right, 15 in the middle
    # of those that run to the back and the left.
    assert found.provenance.seen == ((1, 16), (3, 18))
    rows, columns = (slice(*part) for part in found.provenance.seen)
    outside = np.ones(image.data.shape, bool)
    outside[:, rows, columns] = False
    assert not found.labels[outside].any()
    assert (found.probabilities[:, outside] == 0).all()
    np.testing.assert_allclose(found.probabilities[:, ~outside].sum(0), 1, atol=1e-6)
    assert all(step < 0 for step in found.provenance.grid["step"])
    for token in found.routing.grids:
        assert all(step > 0 for step in token.step)


def test_routing_lies_where_the_mask_does(
    planar: LoadedModel, volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    lps, ras = (
        segment(planar, stored(volume, code, tmp_path / "a.nii"), ASIAN, settings=KEPT)
        for code in ("LPS", "RAS")
    )
    for block in range(lps.routing.n_blocks):
        mirrored = ras.routing.gates[block][:, :, ::-1, ::-1]
        np.testing.assert_array_equal(mirrored, lps.routing.gates[block])


def test_masks_at_the_network_lie_along_the_axes_of_the_source(
    planar: LoadedModel, volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    at_network = KEPT.model_copy(update={"scored_at": "network"})
    expected = segment(
        planar, SpatialImage(along_z(volume), ("z", "y", "x")), settings=at_network
    )
    image = stored(volume, "PIR", tmp_path / "a.nii")
    found = segment(planar, image, settings=at_network)
    assert found.axes == image.axes
    np.testing.assert_array_equal(in_the_world(image, found.labels), expected.labels)
    assert set(found.by_value) == set(expected.by_value) != set()
    for name, labels in found.by_value.items():
        np.testing.assert_array_equal(
            in_the_world(image, labels), expected.by_value[name]
        )


def test_pictures_and_stacks_without_a_direction_run_as_they_are_stored(
    planar: LoadedModel,
) -> None:
    stack = np.random.default_rng(1).integers(0, 256, (3, 20, 22), dtype=np.uint8)
    found = segment(planar, SpatialImage(stack, ("z", "y", "x")), ASIAN)
    again = segment(planar, SpatialImage(stack, ("z", "y", "x"), unit="mm"), ASIAN)
    np.testing.assert_array_equal(again.labels, found.labels)
    alone = segment(planar, stack[0], ASIAN)
    np.testing.assert_array_equal(alone.labels, found.labels[0])
    upside_down = SpatialImage(stack[0], ("y", "x"), np.diag([-1.0, -1, 1]), "mm")
    flipped = segment(planar, upside_down, ASIAN)
    np.testing.assert_array_equal(flipped.labels, alone.labels)
    assert not [n for n in flipped.provenance.notices if "turned" in n]


def test_axes_that_a_layer_names_are_kept(planar: LoadedModel) -> None:
    stack = np.random.default_rng(1).integers(0, 256, (3, 20, 22), dtype=np.uint8)
    expected = segment(planar, SpatialImage(stack, ("z", "y", "x")), ASIAN)
    named = SpatialImage(stack.transpose(2, 1, 0), ("x", "y", "z"))
    found = segment(planar, named, ASIAN)
    assert found.axes == ("x", "y", "z")
    np.testing.assert_array_equal(found.labels.transpose(2, 1, 0), expected.labels)
    colour = np.stack([stack, stack, stack])
    series = SpatialImage(colour.transpose(3, 0, 2, 1), ("x", "c", "y", "t"))
    assert segment(planar, series, ASIAN).axes == ("x", "y", "t")


def test_a_3d_model_gives_one_mask_in_all_48_orders(
    volume: nib.Nifti1Image, tmp_path: Path
) -> None:
    loaded = thresholding_model(window=(0, 300), spacing=(3.0, 3.0, 3.0))
    image = stored(volume, "LPS", tmp_path / "a.nii")
    expected = segment(loaded, image, settings=KEPT)
    assert 0 < expected.labels.mean() < 1
    for code in ORIENTATIONS:
        image = stored(volume, code, tmp_path / "a.nii")
        found = segment(loaded, image, settings=KEPT)
        assert found.axes == image.axes, code
        assert found.labels.shape == image.data.shape
        np.testing.assert_array_equal(
            in_the_world(image, found.labels), expected.labels, err_msg=code
        )
        maps = in_the_world(image, found.probabilities)
        np.testing.assert_allclose(maps, expected.probabilities, atol=1e-5)


@pytest.mark.parametrize("code", ["RAS", "PIR", "ASR"])
def test_sizes_and_regions_do_not_hang_on_the_order(tmp_path: Path, code: str) -> None:
    loaded = load_checkpoint("fundus-phantom")
    fundus = retina()[::14, ::14, 1].T
    planes = np.stack([fundus, np.roll(fundus, 9, 0), fundus // 2], -1)
    volume = nib.Nifti1Image(planes, OBLIQUE)
    lps = stored(volume, "LPS", tmp_path / "a.nii")
    reference = sweep(loaded, lps, attribute="severity")
    image = stored(volume, code, tmp_path / "a.nii")
    found = sweep(loaded, image, attribute="severity")
    assert found.axes == image.axes
    entropy = in_the_world(image, found.entropy)
    np.testing.assert_array_equal(entropy, reference.entropy)
    for own, other in zip(found.values, reference.values, strict=True):
        sizes = [each.size for each in own.sizes]
        assert sizes == pytest.approx([each.size for each in other.sizes])
    assert [r.n_pixels for r in found.regions] == [
        r.n_pixels for r in reference.regions
    ]
    assert found.regions
    for region in found.regions:
        at = tuple(round(place) for place in region.point)
        votes = {int(value.labels[at]) for value in found.values}
        assert len(votes) > 1
        assert {loaded.card.classes[label] for label in votes} <= set(region.classes)
    picture = sweep_picture(image, found)
    assert picture.shape[2] == 3


def test_a_picture_of_columns_has_the_ratio_of_one_of_rows(
    tiny_checkpoint: Callable[..., Path],
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")
    plane = np.random.default_rng(2).integers(0, 256, (30, 40), dtype=np.uint8)
    rows = segment(loaded, plane, ASIAN)
    image = SpatialImage(plane.T, ("x", "y"))
    columns = segment(loaded, image, ASIAN)
    np.testing.assert_array_equal(columns.labels.T, rows.labels)
    assert columns.grid == Grid.identity((30, 40))
    by_rows = measure_mask(rows.labels, rows, SpatialImage.of(plane))
    assert measure_mask(columns.labels, columns, image) == by_rows
