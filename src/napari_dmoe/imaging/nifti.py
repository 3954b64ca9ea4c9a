"""NIfTI files in, with their whole affine.

The way out is :mod:`napari_dmoe.imaging.nifti_writing`.

World coordinates here run towards the head, the back and the patient's left along z, y
and x: DICOM's directions, so that axial slices show as radiologists read them. NIfTI's
own run to the right and the front; only signs differ. Pixels are never flipped or
resampled, so what is read and written again has its affine back.

nibabel is imported where it is used: it brings pydicom and requests, which cost most of
a second in a process that may read no such file.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, ImageReadError, SpatialImage
from napari_dmoe.imaging.world import placed_image
from napari_dmoe.purpose import reason

NIFTI_SUFFIXES = (".nii", ".nii.gz")

MAX_BYTES = 8 * 2**30
"""Largest image read at once; headers may claim any size."""

_LARGEST_RATIO = 1100
"""Deflate cannot shrink data by more than about 1,032."""

_LEAST_VOLUME = 1e-9
"""Of a box with sides of 1 along the axes; less is a plane or a line."""

_MOST_AXES = 5
"""Space, time and channels; further axes must have the length 1."""

_MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From NIfTI's world (right, front, head) to ours, and back."""

_FURTHEST = 2**28
"""Where pixels may begin: no header has extensions of more bytes."""

_RECORD_HEADER = 352
_MOST_EXTENSION_BYTES = 2**24
"""Of a header's extensions that are looked through; they may claim any size."""

_TEXT_KINDS = (4, 6)
"""Extensions that hold text: AFNI's, and comments."""

NO_DIRECTION = "the file does not say how the patient lies in it"
NO_AFFINE = (
    "its affine (srow) is all zeros, so the file does not say how the patient lies in "
    "it: the voxel sizes (pixdim) alone were used"
)


def read_nifti(path: str | os.PathLike[str]) -> SpatialImage:
    """Read a NIfTI-1 or NIfTI-2 file.

    Parameters
    ----------
    path : str or path-like
        A ``.nii`` or ``.nii.gz`` file.

    Returns
    -------
    SpatialImage
        The file's (i, j, k) array as (k, j, i), in mm; each axis is named z, y or x by
        the world axis that it runs along most. A fourth axis is ``t``, a fifth or RGB
        ``c``. `notices` say what had to be assumed.

    Raises
    ------
    ImageReadError
        When the file is damaged or truncated, or its header contradicts itself; names
        the file and the field.
    """
    path = Path(path)
    header = _read_header(path)
    shape = _checked_shape(path, header)
    notices: list[str] = []
    affine = _affine(path, header, notices)
    data = _pixels(path, header, shape)
    affine[:3] *= _millimetres(path, header, notices)
    image = _image(path, data, affine, tuple(notices))
    return replace(image, is_placed=not {NO_DIRECTION, NO_AFFINE} & set(notices))


def read_record(path: str | os.PathLike[str]) -> str | None:
    """Return the text that travels in a NIfTI-1 file's header; None without one.

    Parameters
    ----------
    path : str or path-like
        A file that :func:`read_nifti` can read.
    """
    try:
        with _opened(Path(path)) as file:
            return _first_text(file)
    except (OSError, EOFError, zlib.error):
        return None


def _first_text(file: BinaryIO) -> str | None:
    """Return the first text in a header's extensions, whatever sizes they claim.

    Each begins with its size, which includes these 8 bytes, and its kind.
    """
    header = file.read(_RECORD_HEADER)
    order = "<" if header[:4] == (348).to_bytes(4, "little") else ">"
    if len(header) < _RECORD_HEADER or not header[348]:
        return None
    offset = float(np.frombuffer(header[108:112], f"{order}f4")[0])
    if np.frombuffer(header[:4], f"{order}i4")[0] != 348 or not offset >= 352:
        return None
    at, end = _RECORD_HEADER, min(offset, float(_MOST_EXTENSION_BYTES))
    while at + 8 <= end:
        head = file.read(8)
        if len(head) < 8:
            return None
        size, kind = (int(n) for n in np.frombuffer(head, f"{order}i4"))
        if size < 8 or at + size > end:
            return None
        content = file.read(size - 8)
        if kind in _TEXT_KINDS and len(content) == size - 8:
            return content.rstrip(b"\0").decode("utf-8", "replace")
        at += size
    return None


def _read_header(path: Path) -> Any:
    """Read the header without nibabel's silent repairs."""
    import nibabel as nib

    kinds = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
    try:
        with _opened(path) as file:
            start = file.read(540)
    except (OSError, EOFError, zlib.error) as error:
        raise ImageReadError(f"{path.name} is cut off, damaged or no gzip") from error
    for n_bytes, kind in kinds.items():
        for order in ("<", ">"):
            stated = np.frombuffer(start[:4].ljust(4, b"\0"), f"{order}i4")[0]
            if stated == n_bytes and len(start) >= n_bytes:
                header = kind(start[:n_bytes], endianness=order, check=False)
                return _checked_magic(path, header)
    raise ImageReadError(
        f"{path.name} is no NIfTI file, or it is cut off: its header does not begin "
        "with 348 or 540 (sizeof_hdr)"
    )


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path) if _is_gzip(path) else path.open("rb"))


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _checked_magic(path: Path, header: Any) -> Any:
    magic = bytes(header["magic"])[:3]
    if magic in (b"ni1", b"ni2"):
        raise ImageReadError(
            f"{path.name} is the header of an image in two files (.hdr and .img): "
            "convert it to one .nii file"
        )
    if magic not in (b"n+1", b"n+2"):
        raise ImageReadError(f"{path.name} is no NIfTI file: its magic is {magic!r}")
    return header


def _checked_shape(path: Path, header: Any) -> tuple[int, ...]:
    from nibabel.spatialimages import HeaderDataError

    n_axes, *sizes = (int(n) for n in header["dim"])
    if not 2 <= n_axes <= len(sizes):
        raise ImageReadError(
            f"{path.name}: dim[0] is {n_axes}, expected 2 to {len(sizes)} axes"
        )
    shape = tuple(sizes[:n_axes])  # what stands behind them may be anything
    if min(shape) < 1:
        raise ImageReadError(f"{path.name}: dim holds {shape}: every axis needs pixels")
    if any(n > 1 for n in shape[_MOST_AXES:]):
        raise ImageReadError(
            f"{path.name}: dim holds {shape}: at most {_MOST_AXES} axes can have more "
            "than one pixel, along space, time and channels"
        )
    shape = shape[:_MOST_AXES]
    try:
        item = int(header.get_data_dtype().itemsize)
    except (HeaderDataError, KeyError) as error:
        raise ImageReadError(
            f"{path.name}: datatype {int(header['datatype'])} is not known"
        ) from error
    claimed = int(np.prod(shape, dtype=object)) * item
    on_disk = path.stat().st_size
    held = on_disk * (_LARGEST_RATIO if _is_gzip(path) else 1)
    if claimed > MAX_BYTES or claimed > held:
        raise ImageReadError(
            f"{path.name}: dim claims {' x '.join(map(str, shape))} pixels, "
            f"{claimed / 1e6:,.0f} MB: more than a file of {on_disk / 1e6:,.1f} MB "
            f"can hold, or than the {MAX_BYTES / 2**30:.0f} GiB that are read at once"
        )
    return shape


def _affine(path: Path, header: Any, notices: list[str]) -> NDArray[np.float64]:
    """Return the affine from (i, j, k) to NIfTI's world; a sform goes first."""
    sform = _valid(header.get_sform()) if int(header["sform_code"]) > 0 else None
    mended: list[str] = []
    qform = _qform(header, mended) if int(header["qform_code"]) > 0 else None
    if sform is None and qform is None:
        if _is_all_zero(header):
            notices.append(NO_AFFINE)
            return _unoriented(path, header)
        if int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0:
            raise ImageReadError(
                f"{path.name}: neither sform (srow) nor qform (quatern, pixdim) is a "
                "finite affine with a volume, so nobody can tell where the image lies"
            )
        notices.append(NO_DIRECTION)
        return _unoriented(path, header)
    if sform is None:
        if int(header["sform_code"]) > 0:
            notices.append(
                "its sform (srow) is no affine with a volume: the qform was used"
            )
        notices += mended
        return cast("NDArray[np.float64]", qform)
    if qform is not None:
        reach = np.abs(sform[:3, :3] - qform[:3, :3]).max()
        size = min(1.0, float(np.abs(sform[:3, :3]).max()))
        if reach > 1e-2 * size or np.abs(sform - qform).max() > size:
            notices.append("its sform and qform disagree: the sform was used")
    return sform


def _valid(affine: Any) -> NDArray[np.float64] | None:
    affine = np.array(affine, float)
    if not np.isfinite(affine).all():
        return None
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not (sizes > 0).all():
        return None
    # Of the directions alone, for voxels may be as small as those of a microscope.
    volume = abs(np.linalg.det(affine[:3, :3] / sizes))
    return affine if volume > _LEAST_VOLUME else None


def _is_all_zero(header: Any) -> bool:
    """Whether an sform is stated and says nothing at all, and no qform is stated."""
    is_stated = int(header["sform_code"]) > 0 and int(header["qform_code"]) <= 0
    return is_stated and not np.any(header.get_sform()[:3])


def _qform(header: Any, mended: list[str]) -> NDArray[np.float64] | None:
    """Return the affine of the quaternion, mended as nibabel does, and what was."""
    from nibabel.spatialimages import HeaderDataError

    header = header.copy()
    side, *sizes = (float(n) for n in header["pixdim"][:4])
    if not np.isfinite(sizes).all() or 0 in sizes:
        return None
    if side not in (-1, 1):  # NIfTI takes 0 for 1
        header["pixdim"][0] = 1
        if side != 0:
            mended.append(f"its pixdim[0] is {side:g}, neither 1 nor -1: 1 was used")
    if min(sizes) < 0:
        header["pixdim"][1:4] = np.abs(sizes)
        mended.append("its voxel sizes (pixdim) are below 0: the sign was left out")
    with contextlib.suppress(HeaderDataError, ValueError, np.linalg.LinAlgError):
        return _valid(header.get_qform())
    return None


def _unoriented(path: Path, header: Any) -> NDArray[np.float64]:
    """Return an affine that only has the voxel sizes, such that no axis is flipped."""
    sizes = np.asarray(header["pixdim"], float)[1:4]
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ImageReadError(
            f"{path.name}: pixdim holds {sizes.tolist()}: voxel sizes must be above 0"
        )
    return cast("NDArray[np.float64]", TO_LPS @ np.diag([*sizes, 1.0]))


def _millimetres(path: Path, header: Any, notices: list[str]) -> float:
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError:
        unit = "unknown"
    if unit == "unknown":
        notices.append("the file states no unit of length: mm were assumed")
    return _MM[unit]


def _pixels(path: Path, header: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read the (i, j, k, ...) array, scaled as the header says."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isinf(slope) or np.isinf(inter):
        raise ImageReadError(f"{path.name}: scl_slope or scl_inter is infinite")
    dtype, offset = header.get_data_dtype(), float(header["vox_offset"])
    _refuse_offset(path, int(header["sizeof_hdr"]) + 4, offset)
    if dtype.kind == "c":
        raise ImageReadError(
            f"{path.name} holds complex numbers: save their magnitude instead"
        )
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    is_unscaled = not np.isfinite(slope) or slope == 0 or (slope, inter) == (1.0, 0.0)
    is_scaled = not is_unscaled and dtype.names is None
    _refuse_beyond_memory(path, dtype, math.prod(shape), is_scaled=is_scaled)
    try:
        with _opened(path) as file:
            file.seek(int(offset))
            content = file.read(n_bytes)
    except (OSError, EOFError, zlib.error) as error:
        raise ImageReadError(f"{path.name} is cut off or damaged") from error
    if len(content) < n_bytes:
        raise ImageReadError(
            f"{path.name} is cut off: its header promises {n_bytes} bytes of pixels, "
            f"and it holds {len(content)}"
        )
    data = np.frombuffer(content, dtype).reshape(shape, order="F")
    data = data.astype(dtype.newbyteorder("="), copy=False)
    if not is_scaled:
        return data
    scaled = data.astype(np.float32)
    scaled *= slope
    scaled += inter if np.isfinite(inter) else 0.0
    return scaled


def _refuse_offset(path: Path, header_bytes: int, offset: float) -> None:
    """Refuse pixels that begin in the header, or where no header ends."""
    if offset > path.stat().st_size * (_LARGEST_RATIO if _is_gzip(path) else 1):
        raise ImageReadError(
            f"{path.name} is cut off: its pixels begin at byte {offset:,.0f} "
            "(vox_offset), which lies beyond it"
        )
    if not header_bytes <= offset <= _FURTHEST:
        raise ImageReadError(
            f"{path.name}: vox_offset is {offset:g}: pixels begin behind the header of "
            f"{header_bytes} bytes, and before byte {_FURTHEST:,}"
        )


def _refuse_beyond_memory(
    path: Path, dtype: np.dtype[Any], n_pixels: int, *, is_scaled: bool
) -> None:
    n_bytes = n_pixels * dtype.itemsize
    peak = n_bytes * (1 + (not dtype.isnative)) + 4 * n_pixels * is_scaled
    try:
        refuse_beyond_memory(
            peak, what=f"{path.name}: its pixels need", remedy="cut it into parts"
        )
    except NotEnoughMemory as error:
        raise ImageReadError(str(error)) from error


def _image(
    path: Path,
    data: NDArray[Any],
    affine: NDArray[np.float64],
    notices: tuple[str, ...],
) -> SpatialImage:
    """Name the axes, and turn (i, j, k, ...) into (..., k, j, i)."""
    if data.dtype.names is not None:  # RGB
        channels = [data[name] for name in data.dtype.names]
        data = np.stack(channels, axis=-1).reshape(*data.shape[:3], -1)
        further = [CHANNEL_AXIS]
    else:
        if data.ndim == 2:
            data = data[..., np.newaxis]
        data, further = _without_single(data)
    try:
        return placed_image(data, TO_LPS @ affine, further, unit="mm", notices=notices)
    except ImageReadError:
        raise
    except ValueError as error:
        raise ImageReadError(f"{path.name}: {reason(error)}") from error


def _without_single(data: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Drop further axes of length 1, and name the others: time, then channels."""
    names = ["t", CHANNEL_AXIS][: data.ndim - 3]
    kept = [name for name, n in zip(names, data.shape[3:], strict=True) if n > 1]
    shape = (*data.shape[:3], *(n for n in data.shape[3:] if n > 1))
    return data.reshape(shape, order="F"), kept
