"""The files that pydicom brings: each is opened, or refused in one clear line."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

data = pytest.importorskip("pydicom.data")

from napari_dmoe.imaging.dicom.reading import read_dicom  # noqa: E402
from napari_dmoe.imaging.spatial import ImageReadError  # noqa: E402

ROOT = Path(data.__file__).parent / "test_files"
_NOT_DICOM = (".json", ".dump", ".txt", ".icc", ".gz", ".py")
FILES = sorted(
    path for path in ROOT.rglob("*") if path.is_file() and path.suffix not in _NOT_DICOM
)
OPENED = {
    "693_J2KI.dcm": (1, 512, 512),
    "CT_small.dcm": (1, 128, 128),
    "ExplVR_BigEnd.dcm": (60, 80, 3),
    "JPEGLSNearLossless_16.dcm": (50, 10),
    "MR_small.dcm": (1, 64, 64),
    "MR_small_RLE.dcm": (1, 64, 64),
    "MR_small_bigendian.dcm": (1, 64, 64),
    "MR_small_implicit.dcm": (1, 64, 64),
    "MR_small_jp2klossless.dcm": (1, 64, 64),
    "MR_small_jpeg_ls_lossless.dcm": (1, 64, 64),
    "MR_small_padded.dcm": (1, 64, 64),
    "SC_rgb_jpeg.dcm": (256, 256, 3),
    "SC_rgb_rle_2frame.dcm": (2, 100, 100, 3),
    "examples_jpeg2k.dcm": (480, 640, 3),
    "examples_palette.dcm": (350, 800, 3),
    "examples_ybr_color.dcm": (30, 240, 320, 3),
    "image_dfl.dcm": (512, 512),
}
"""Shapes of some that must open."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_of_pydicom_opens_or_says_why_not(path: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(path, tmp_path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = read_dicom(alone)
    except ImageReadError as error:
        said = str(error)
        assert path.name in said
        assert "\n" not in said
        assert 20 < len(said) < 300
        assert path.name not in OPENED
        return
    expected = OPENED.get(path.name)
    assert expected is None or image.data.shape == expected
    assert np.isfinite(image.data).all()


def test_they_were_looked_at() -> None:
    assert {path.name for path in FILES} > set(OPENED)
    assert len(FILES) > 90


def test_one_slice_in_many_encodings_has_the_same_numbers(tmp_path: Path) -> None:
    images = []
    for name in (name for name in OPENED if name.startswith("MR_small")):
        folder = tmp_path / name
        folder.mkdir()
        images.append(read_dicom(Path(shutil.copy(ROOT / name, folder))))
    for image in images:
        np.testing.assert_array_equal(image.data, images[0].data)
        np.testing.assert_array_equal(image.affine, images[0].affine)
