"""NRRD and MetaImage files as layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Image, Labels, Layer
from npe2 import PluginManifest

from napari_dmoe.viewer.contributions import itk_reader


def test_a_volume_and_its_labels_lie_in_one_place(tmp_path: Path) -> None:
    source = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(5, 4, 3))
    source.SetSpacing((0.5, 2.0, 3.0))
    source.SetOrigin((-7.0, 11.0, 40.0))
    paths = [str(tmp_path / name) for name in ("scan.nrrd", "scan_labels.mha")]
    sitk.WriteImage(source, paths[0])
    sitk.WriteImage(source > 30, paths[1])
    read = itk_reader(paths)
    assert read is not None
    image, labels = (Layer.create(*made) for made in read(paths))
    assert isinstance(image, Image)
    assert isinstance(labels, Labels)
    for layer in (image, labels):
        np.testing.assert_allclose(layer.scale, (3.0, 2.0, 0.5))
        np.testing.assert_allclose(layer.translate, (40.0, 11.0, -7.0))
        assert layer.axis_labels == ("z", "y", "x")
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert labels.data.sum() == 29


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_the_manifest_names_them(name: str) -> None:
    manifest = PluginManifest.from_distribution("napari-dmoe")
    readers = {r.command: r for r in manifest.contributions.readers}
    patterns = readers["napari-dmoe.read_itk"].filename_patterns
    assert f"*{Path(name).suffix}" in patterns
    assert itk_reader(name) is not None
    assert itk_reader("scan.nii") is None
