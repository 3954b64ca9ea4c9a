"""NIfTI files as layers, layers as NIfTI files, and 3D results on either."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from npe2 import PluginManifest
from viewer_fakes import make_segmentation

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import Grid, ImageReadError, SpatialImage
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.phantoms.samples import sample_folder
from napari_dmoe.viewer import contributions
from napari_dmoe.viewer.contributions import nifti_reader
from napari_dmoe.viewer.layers.look import mask_layer
from napari_dmoe.viewer.layers.measuring import MaskFrame
from napari_dmoe.viewer.layers.placement import LayerData, to_image
from napari_dmoe.viewer.layers.saving import save_layer
from napari_dmoe.viewer.routing.extras import Extras
from napari_dmoe.viewer.routing.map_layers import shown_map
from napari_dmoe.viewer.routing.overlay import Overlay

STRAIGHT = np.diag([-2.0, -3, 4, 1])  # NIfTI's world: right, front, head
FLIPPED = np.diag([2.0, 3, 4, 1])
TURNED = np.array([[0, -3.0, 0, 5], [2, 0, 0, 6], [0, 0, -4, 7], [0, 0, 0, 1]])
OBLIQUE = np.array([[2, 0.3, 0, 5], [-0.3, 3, 0.1, 6], [0, 0.1, 4, 7], [0, 0, 0, 1]])
AFFINES = pytest.mark.parametrize("affine", [STRAIGHT, FLIPPED, TURNED, OBLIQUE])


def save(path: Path, affine: np.ndarray, dtype: type = np.int16) -> Path:
    data = np.random.default_rng(0).integers(0, 3, (8, 10, 12)).astype(dtype)
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    nib.save(image, path)
    return path


def layer_of(made: LayerData) -> Layer:
    data, arguments, kind = made
    return Layer.create(data, arguments, kind)


def opened(path: Path) -> Layer:
    reader = nifti_reader(str(path))
    assert reader is not None
    (made,) = reader(str(path))
    return layer_of(made)


def volume_result(image: SpatialImage) -> Segmentation:
    """Return a mask with one corner set, and blocks of 4 voxels in halves."""
    shape = tuple(
        dict(zip(image.axes, image.data.shape, strict=True))[a] for a in "zyx"
    )
    labels = np.zeros(shape, np.uint8)
    labels[:2, :3, :4] = 1
    grid = Grid.identity(shape).every(4, (1.5,) * 3, tuple(-(-n // 4) for n in shape))
    gates = np.zeros((1, *grid.shape, 2), np.float32)
    gates[:, 0, ..., 1] = 1
    flat = make_segmentation(SpatialImage(np.zeros((2, 2)), ("y", "x")))
    return Segmentation(
        labels=labels,
        axes=("z", "y", "x"),
        grid=Grid.identity(shape),
        classes=("background", "target"),
        by_value={},
        probabilities=None,
        routing=RoutingMaps((gates,), (grid,), ("",), (1.0,), (), ("z", "y", "x")),
        provenance=flat.provenance,
    )


@AFFINES
def test_voxels_lie_where_the_file_says(tmp_path: Path, affine: np.ndarray) -> None:
    layer = opened(save(tmp_path / "scan.nii.gz", affine))
    assert isinstance(layer, Image)
    source = nib.load(tmp_path / "scan.nii.gz")
    assert {str(unit) for unit in layer.units} == {"millimeter"}
    for index in ((0, 0, 0), (3, 4, 5)):
        z, y, x = layer.data_to_world(index)
        ijk = np.rint(np.linalg.inv(source.affine) @ [-x, -y, z, 1])[:3].astype(int)
        assert layer.data[index] == source.dataobj[tuple(ijk)]
    assert tuple(layer.axis_labels) == ("z", "y", "x")


@AFFINES
def test_a_layer_is_read_for_a_model_as_its_file_is(
    tmp_path: Path, affine: np.ndarray
) -> None:
    path = save(tmp_path / "scan.nii", affine)
    from_layer, from_file = to_image(opened(path), dims=3), read_image(path)
    order = [from_file.axes.index(axis) for axis in "zyx"]
    np.testing.assert_array_equal(from_layer.data, from_file.data.transpose(order))
    place = [*order, 3]
    np.testing.assert_allclose(
        from_layer.affine, from_file.affine[np.ix_(place, place)], atol=1e-5
    )
    assert from_layer.unit == "mm"


@AFFINES
def test_a_mask_is_saved_with_its_sources_affine_and_record(
    tmp_path: Path, affine: np.ndarray
) -> None:
    source = opened(save(tmp_path / "scan.nii.gz", affine))
    result = volume_result(to_image(source, dims=3))
    mask = layer_of(mask_layer(source, result))
    data, meta, _ = mask.as_layer_data_tuple()
    written = save_layer(tmp_path / "mask.nii.gz", data.astype(np.int64), meta)
    assert [Path(path).name for path in written] == ["mask.nii.gz", "mask.json"]
    saved, original = (nib.load(tmp_path / f"{n}.nii.gz") for n in ("mask", "scan"))
    np.testing.assert_allclose(saved.affine, original.affine, atol=1e-5)
    assert saved.shape == original.shape
    assert saved.get_data_dtype() == np.uint8
    again = opened(tmp_path / "mask.nii.gz")
    assert isinstance(again, Labels)
    np.testing.assert_array_equal(again.data, mask.data)
    corners = ((0, 0, 0), (2, 3, 4))
    for index in corners:
        np.testing.assert_allclose(
            again.data_to_world(index), mask.data_to_world(index), atol=1e-4
        )


def test_saving_what_has_no_record_costs_no_other_file_its_own(tmp_path: Path) -> None:
    source = opened(save(tmp_path / "scan.nii.gz", np.eye(4)))
    mask = layer_of(mask_layer(source, volume_result(to_image(source, dims=3))))
    data, meta, _ = mask.as_layer_data_tuple()
    save_layer(tmp_path / "mask.nii.gz", data, meta)
    plain = meta | {"metadata": {}}
    assert len(save_layer(tmp_path / "mask.nii", data, plain)) == 1
    assert (tmp_path / "mask.json").is_file()
    (tmp_path / "mask.nii").unlink()
    assert len(save_layer(tmp_path / "mask.nii.gz", data, plain)) == 1
    assert not (tmp_path / "mask.json").exists()


@AFFINES
def test_blocks_cover_the_voxels_that_they_stand_for(
    tmp_path: Path, affine: np.ndarray
) -> None:
    source = opened(save(tmp_path / "scan.nii", affine))
    blocks = layer_of(
        shown_map(
            source,
            volume_result(to_image(source, 3)),
            Overlay("dominant", 0),
            Extras(),
        ).layer_data
    )
    # The first block is voxels 0 to 3, so its centre is voxel 1.5.
    np.testing.assert_allclose(
        blocks.data_to_world((0, 0, 0)), source.data_to_world((1.5,) * 3), atol=1e-6
    )
    np.testing.assert_allclose(
        blocks.data_to_world((1, 1, 1)), source.data_to_world((5.5,) * 3), atol=1e-6
    )


def test_volumes_are_measured_in_millilitres(tmp_path: Path) -> None:
    source = opened(save(tmp_path / "scan.nii", FLIPPED))
    result = volume_result(to_image(source, dims=3))
    frame = MaskFrame.of(source, result)
    (target,) = frame.measure(frame.shown(result.labels, (0, 0, 0))).sizes
    assert (target.n_pixels, target.unit) == (24, "mL")
    assert target.size == pytest.approx(24 * 24 / 1000)


def test_an_unnamed_first_axis_is_depth_for_a_3d_model_only() -> None:
    layer = Image(np.zeros((5, 6, 7)))
    assert to_image(layer, dims=3).axes == ("z", "y", "x")
    assert to_image(layer).axes == ("axis 0", "y", "x")


def test_ct_is_shown_in_the_soft_tissue_window(tmp_path: Path) -> None:
    data = np.linspace(-1000, 1500, 960).reshape(8, 10, 12).astype(np.int16)
    nib.save(nib.Nifti1Image(data, FLIPPED), tmp_path / "ct.nii")
    assert opened(tmp_path / "ct.nii").contrast_limits == [-160, 240]
    nib.save(nib.Nifti1Image(data + 1000, FLIPPED), tmp_path / "mr.nii")
    low, high = opened(tmp_path / "mr.nii").contrast_limits
    assert 0 <= low < 50
    assert 2400 < high <= 2500


def test_only_integers_in_files_named_as_labels_become_labels(tmp_path: Path) -> None:
    for name in ("case_labels.nii.gz", "seg.nii", "my-mask.nii"):
        assert isinstance(opened(save(tmp_path / name, FLIPPED, np.uint8)), Labels)
    for name, dtype in (("labels.nii", np.float32), ("masked.nii", np.uint8)):
        assert isinstance(opened(save(tmp_path / name, FLIPPED, dtype)), Image)


def test_the_reader_is_found_and_leaves_other_files_alone(tmp_path: Path) -> None:
    path = save(tmp_path / "scan.nii.gz", FLIPPED)
    manifest = PluginManifest.from_distribution("napari-dmoe")
    readers = {r.command: r for r in manifest.contributions.readers}
    reader = readers["napari-dmoe.read_nifti"]
    assert reader.filename_patterns == ["*.nii", "*.nii.gz"]
    command = {c.id: c.python_name for c in manifest.contributions.commands}
    module, name = command[reader.command].split(":")
    open_files = getattr(import_module(module), name)("scan.nii.gz")
    ((data, meta, kind),) = open_files([str(path)])
    assert (data.shape, kind, meta["name"]) == ((12, 10, 8), "image", "scan")
    assert nifti_reader("scan.png") is None
    assert nifti_reader([]) is None


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    for layer in (Image(np.zeros((5, 6))), Image(np.zeros((5, 6, 3)), rgb=True)):
        data, meta, _ = layer.as_layer_data_tuple()
        with pytest.raises(ImageReadError, match="grey volumes"):
            save_layer(tmp_path / "a.nii", data, meta)
    assert not list(tmp_path.iterdir())


def test_a_patient_is_never_written(tmp_path: Path) -> None:
    case = contributions.phantom_pelvis()
    data, meta, _ = layer_of(case[0]).as_layer_data_tuple()
    assert save_layer(tmp_path / "a.nii", data, meta) == [str(tmp_path / "a.nii")]
    content = (tmp_path / "a.nii").read_bytes()
    assert b"severity" not in content
    assert b"male" not in content


@pytest.mark.parametrize(
    ("open_sample", "kinds", "brings_patient"),
    [
        ("phantom_fundus", ["image"], True),
        ("phantom_skin", ["image"], True),
        ("phantom_pelvis", ["image"], True),
        ("ct_pelvis", ["image", "labels"], False),
        ("mr_brain", ["image", "labels"], False),
    ],
)
def test_samples_open_in_place_and_phantoms_bring_their_patient(
    open_sample: str, kinds: list[str], brings_patient: bool
) -> None:
    made = getattr(contributions, open_sample)()
    assert [kind for *_, kind in made] == kinds
    viewer = ViewerModel()
    for layer_data in made:
        viewer.add_layer(layer_of(layer_data))
    first = viewer.layers[0]
    assert ("patient" in first.metadata.get("napari-dmoe", {})) == brings_patient
    for other in viewer.layers[1:]:
        np.testing.assert_allclose(other.extent.world, first.extent.world)
        assert other.visible  # as an outline, in a session


def test_a_mask_of_the_real_ct_opens_in_place_in_another_library(
    tmp_path: Path,
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    image, labels = map(layer_of, contributions.ct_pelvis())
    data, meta, _ = labels.as_layer_data_tuple()
    save_layer(tmp_path / "labels.nii.gz", data, meta)
    source = nib.load(sample_folder("ct") / "ct.nii.gz")
    saved = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_allclose(saved.affine, source.affine, atol=1e-5)
    theirs = sitk.ReadImage(str(tmp_path / "labels.nii.gz"))
    found = np.argwhere(sitk.GetArrayViewFromImage(theirs) == 1)
    assert len(found) == 549
    for index in (found[0], found[-1]):
        x, y, z = theirs.TransformIndexToPhysicalPoint([*map(int, index[::-1])])
        np.testing.assert_allclose(image.data_to_world(index), (z, y, x), atol=1e-4)
        assert image.data[tuple(index)] > -200  # soft tissue, where the prostate is
