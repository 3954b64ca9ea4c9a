"""Labels layers in formats of clinical programs: ours, and those painted by hand."""

from __future__ import annotations

from pathlib import Path

import highdicom
import nrrd
import numpy as np
import pytest
import zarr
from dicom_series import write_series
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from npe2 import PluginManifest

from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.viewer import contributions
from napari_dmoe.viewer.layers.opening import mask_layers
from napari_dmoe.viewer.layers.saving import mask_path, save_mask
from napari_dmoe.viewer.layers.segments import dicom_sources, layer_segments

SHAPE = (3, 4, 5)
PLACE = {
    "scale": (-3.0, -0.75, -0.5),  # as napari-nifti opens files
    "translate": (40.0, -20.0, 10.0),
    "units": ("mm",) * 3,
    "axis_labels": ("z", "y", "x"),
}


def painted(**more: object) -> Labels:
    """Return labels that somebody painted in the viewer."""
    layer = Labels(np.zeros(SHAPE, np.int32), **PLACE, **more)
    layer.data[1, 2, 1:4], layer.data[2, 0, 0] = 1, 3
    return layer


def saved(path: Path, layer: Labels, **how: object) -> list[str]:
    data, meta, _ = layer.as_layer_data_tuple()
    return [Path(each).name for each in save_mask(path, data, meta, **how)]


def world_of(layer: Layer) -> list[tuple[float, ...]]:
    found = np.argwhere(np.asarray(layer.data))
    return sorted(tuple(np.round(layer.data_to_world(each), 4)) for each in found)


def test_names_and_colours_are_those_that_the_viewer_shows() -> None:
    colours = {0: "transparent", 1: "red", 3: (0, 0.2, 1, 1), None: "transparent"}
    layer = painted(
        colormap=DirectLabelColormap(color_dict=colours),
        features={"index": [0, 1, 3], "class": ["background", "rim", "cup"]},
    )
    data, meta, _ = layer.as_layer_data_tuple()
    found = layer_segments(data, meta, None)
    assert [(each.label, each.name, each.colour) for each in found] == [
        (1, "rim", (255, 0, 0)),
        (3, "cup", (0, 51, 255)),
    ]
    plain = painted()
    data, meta, _ = plain.as_layer_data_tuple()
    for each in layer_segments(data, meta, None):
        shown = np.rint(255 * plain.get_color(each.label)[:3]).astype(int)
        assert each.colour == tuple(shown)
        assert each.name == f"label {each.label}"


def test_what_was_painted_lies_where_it_was_painted_for_slicer(tmp_path: Path) -> None:
    layer, path = painted(), tmp_path / "a.seg.nrrd"
    assert saved(path, layer) == ["a.seg.nrrd"]
    samples, header = nrrd.read(str(path))
    where = np.argwhere(samples) @ header["space directions"] + header["space origin"]
    found = sorted(tuple(np.round(row[::-1], 4)) for row in where)
    assert found == world_of(layer)
    assert samples.dtype == np.uint8
    assert {header["Segment0_Name"], header["Segment1_Name"]} == {"label 1", "label 3"}


def test_what_was_painted_lies_where_it_was_painted_in_zarr(tmp_path: Path) -> None:
    layer, path = painted(), tmp_path / "a.ome.zarr"
    assert saved(path, layer) == ["a.ome.zarr"]
    group = zarr.open_group(str(path), mode="r")
    image = group.attrs["ome"]["multiscales"][0]
    scale, move = image["datasets"][0]["coordinateTransformations"]
    where = np.argwhere(group["0"][:]) * scale["scale"] + move["translation"]
    assert sorted(tuple(np.round(row, 4)) for row in where) == world_of(layer)


def test_a_segmentation_opens_as_labels_with_names_and_colours(tmp_path: Path) -> None:
    colours = {1: "red", 3: (0, 0.2, 1, 1), None: "transparent"}
    layer = painted(
        colormap=DirectLabelColormap(color_dict=colours),
        features={"index": [1, 3], "class": ["rim", "cup"]},
    )
    path = tmp_path / "a.seg.nrrd"
    saved(path, layer)
    reader = contributions.itk_reader(str(path))
    assert reader is not None
    ((data, meta, kind),) = reader(str(path))
    again = Layer.create(data, meta, kind)
    assert isinstance(again, Labels)
    assert again.name == "a"
    assert world_of(again) == world_of(layer)
    np.testing.assert_allclose(again.get_color(3), (0, 0.2, 1, 1), atol=1e-6)
    assert list(again.features["class"]) == ["background", "rim", "", "cup"]
    assert mask_layers(path)[0][1]["name"] == "a"


@pytest.fixture
def viewer() -> ViewerModel:
    """Return a viewer whose image was opened from elsewhere."""
    viewer = ViewerModel()
    viewer.add_layer(Image(np.zeros(SHAPE), name="scan", **PLACE))
    return viewer


def series_of(folder: Path) -> Path:
    """Write the series on which the painted labels lie."""
    affine = np.diag([0.5, 0.75, 3.0, 1])
    affine[:3, 3] = 10 - 4 * 0.5, -20 - 3 * 0.75, 40 - 2 * 3
    return write_series(folder, np.zeros(SHAPE), affine)


def test_a_dicom_seg_refers_to_the_series_that_the_image_was_opened_from(
    tmp_path: Path, viewer: ViewerModel
) -> None:
    layer, path = painted(), tmp_path / "a.dcm"
    with pytest.raises(ImageReadError, match="no image here was opened from one"):
        saved(path, layer, series=dicom_sources(viewer.layers))
    folder = series_of(tmp_path / "series")
    for each in (tmp_path / "elsewhere", folder, folder / "001.dcm"):
        each.mkdir(exist_ok=True) if each.suffix != ".dcm" else None
        image = Image(np.zeros(SHAPE), **PLACE)
        image._set_source(image.source.model_copy(update={"path": str(each)}))
        viewer.add_layer(image)
    found = dicom_sources(viewer.layers)
    assert found == (tmp_path / "elsewhere", folder, folder / "001.dcm")
    assert saved(path, layer, series=found) == ["a.dcm"]
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    where = np.argwhere(volume.array) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert sorted(tuple(np.round(row[::-1], 4)) for row in where) == world_of(layer)
    with pytest.raises(ImageReadError, match="elsewhere holds no DICOM"):
        saved(tmp_path / "b.dcm", layer, series=found[:1])


def test_each_format_has_its_writer() -> None:
    manifest = PluginManifest.from_distribution("napari-dmoe")
    writers = manifest.contributions.writers
    found = {
        ending: writer.command
        for writer in writers
        for ending in writer.filename_extensions
        if writer.layer_types[0].startswith("labels")
    }
    of_nifti = dict.fromkeys((".nii", ".nii.gz"), "napari-dmoe.write_nifti")
    ours = (".labels.tif", ".seg.nrrd", ".dcm", ".ome.zarr")
    assert found == of_nifti | dict.fromkeys(ours, "napari-dmoe.write_mask")
    for name in ("a.seg.nrrd", "a.dcm", "a.ome.zarr", "a.nii.gz", "a.labels.tif"):
        assert mask_path(Path(name)).name == name
    assert mask_path(Path("a.png")).name == "a.labels.tif"
