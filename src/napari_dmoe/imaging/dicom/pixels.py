"""The pixels of planes: decoded when they are needed, as numbers that mean something.

Slope and intercept are applied, of each plane its own; what is stored with white as 0
is turned round; colours become red, green and blue.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.dicom.headers import Plane, Stored
from napari_dmoe.imaging.dicom.library import pydicom_package
from napari_dmoe.imaging.spatial import ImageReadError

_PIXEL_TAGS = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PlanarConfiguration", "NumberOfFrames", "SOPClassUID"),
    *("PixelData", "FloatPixelData", "DoubleFloatPixelData"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData"),
    *("GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData"),
    *("BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"),
    *("SegmentedRedPaletteColorLookupTableData",),
    *("SegmentedGreenPaletteColorLookupTableData",),
    *("SegmentedBluePaletteColorLookupTableData",),
)
_WORKERS = 4
_LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_PACKAGES = {
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.5": "pylibjpeg-rle",
}
"""Which package of the extra decodes a compression."""

TURNED_ROUND = "white is stored as 0: its grey values were turned round"
KEPT_ROUND = (
    "white is stored as 0, but its numbers are measures: they were not turned round"
)


def numbers_of(planes: Sequence[Plane]) -> np.dtype[Any]:
    """Return the type of the numbers that planes have once slopes are applied.

    Whole numbers stay whole; none of them can overflow.
    """
    stored = planes[0].stored
    own = _stored_type(stored)
    if stored.is_colour:
        return np.dtype(np.uint8) if stored.samples == 1 else own
    scales = {(plane.slope, plane.intercept) for plane in planes}
    if scales == {(1.0, 0.0)} or own.kind == "f":
        return own
    if not all(a.is_integer() and b.is_integer() for a, b in scales):
        return np.dtype(np.float32)
    low, high = _range(stored)
    ends = [a * end + b for a, b in scales for end in (low, high)]
    for kind in (np.int16, np.int32):
        info = np.iinfo(kind)
        if info.min <= min(ends) and max(ends) <= info.max:
            return np.dtype(kind)
    return np.dtype(np.float64)


def grey_notices(planes: Sequence[Plane]) -> tuple[str, ...]:
    """Say what is done to grey values."""
    if planes[0].stored.photometric != "MONOCHROME1":
        return ()
    return (KEPT_ROUND if planes[0].is_in_units else TURNED_ROUND,)


def decode(plane: Plane, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return a plane's pixels.

    Returns
    -------
    (rows, columns) or (rows, columns, 3) array
        Of the type `kind`.

    Raises
    ------
    ImageReadError
        When it is cut off, damaged, gone, or compressed in a way that nothing here
        unpacks; says which package would.
    """
    path = plane.path
    try:
        stored = _decoded(plane)
    except (ImageReadError, MemoryError):
        raise
    except OSError as error:
        raise ImageReadError(f"{path.name} cannot be read: {error.strerror}") from error
    # What is damaged makes decoders raise almost anything, and all means the same.
    except Exception as error:
        raise ImageReadError(f"{path.name} is cut off or damaged") from error
    expected = (plane.stored.rows, plane.stored.columns)
    if stored.shape[:2] != expected or stored.ndim > 3:
        raise ImageReadError(
            f"{path.name} is damaged: it holds {stored.shape} pixels, and its header "
            f"claims {expected}"
        )
    return _scaled(plane, stored, kind)


def _decoded(plane: Plane) -> NDArray[Any]:
    pydicom = pydicom_package()
    dataset = pydicom.dcmread(plane.path, force=True, specific_tags=list(_PIXEL_TAGS))
    meta = dataset.file_meta
    if not meta.get("TransferSyntaxUID"):
        meta.TransferSyntaxUID = _syntax_told(pydicom, dataset)
    _refuse_unpackable(plane.path, pydicom, meta.TransferSyntaxUID)
    names = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    if not any(name in dataset for name in names):
        raise ImageReadError(f"{plane.path.name} holds no pixels")
    if "PhotometricInterpretation" not in dataset:
        dataset.PhotometricInterpretation = plane.stored.photometric
    array = pydicom.pixels.pixel_array(dataset, index=plane.frame)
    if plane.stored.photometric == "PALETTE COLOR":
        array = pydicom.pixels.apply_color_lut(array, dataset)
        array = array if array.dtype == np.uint8 else (array >> 8).astype(np.uint8)
    return np.asarray(array)


def _syntax_told(pydicom: Any, dataset: Any) -> Any:
    """Return how a file without a preamble is written, as its reader found it."""
    is_implicit, is_little = dataset.original_encoding
    if is_implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    known = pydicom.uid
    return known.ExplicitVRLittleEndian if is_little else known.ExplicitVRBigEndian


def _refuse_unpackable(path: Path, pydicom: Any, syntax: Any) -> None:
    if not syntax.is_compressed or syntax == pydicom.uid.DeflatedExplicitVRLittleEndian:
        return
    try:
        is_there = pydicom.pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        is_there = False
    if is_there:
        return
    how = syntax.name if syntax.name != syntax else "an unknown way"
    package = _PACKAGES.get(str(syntax))
    if package:
        remedy = f"{package}: pip install 'napari-dmoe[dicom]'"
    elif str(syntax) in _LOSSLESS_JPEG:
        remedy = "pylibjpeg-libjpeg (GPL-3): pip install pylibjpeg pylibjpeg-libjpeg"
    else:
        remedy = "nothing that can be installed: save it without compression"
    raise ImageReadError(f"{path.name} is compressed ({how}), which needs {remedy}")


def _scaled(plane: Plane, stored: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    own = plane.stored
    if own.is_colour:
        if stored.ndim != 3 or stored.shape[-1] < 3:
            raise ImageReadError(f"{plane.path.name} is damaged: it has no colours")
        return stored[..., :3].astype(kind)
    if stored.ndim != 2:
        raise ImageReadError(f"{plane.path.name} is damaged: it is in colour")
    if stored.dtype.kind == "u" and own.bits < own.allocated:
        # What stands above the stored bits is an overlay.
        stored = stored & np.asarray((1 << own.bits) - 1, stored.dtype)
    if own.photometric == "MONOCHROME1" and not plane.is_in_units:
        low, high = _range(own)
        stored = ((low + high) - stored.astype(np.int64)).astype(stored.dtype)
    if (plane.slope, plane.intercept) == (1.0, 0.0):
        return stored.astype(kind)
    wide = np.float64 if kind.kind == "f" else np.int64
    slope, intercept = wide(plane.slope), wide(plane.intercept)
    return (stored.astype(wide) * slope + intercept).astype(kind)


def _stored_type(stored: Stored) -> np.dtype[Any]:
    if stored.is_float:
        return np.dtype(f"float{stored.allocated}")
    bits = next((n for n in (8, 16, 32, 64) if n >= stored.allocated), 64)
    return np.dtype(f"{'int' if stored.is_signed else 'uint'}{bits}")


def _range(stored: Stored) -> tuple[int, int]:
    """Return the least and the largest number that can be stored.

    Of signed ones all bits count: some scanners pad with numbers beyond those stored.
    """
    if stored.is_signed and stored.photometric != "MONOCHROME1":
        return -(1 << (stored.allocated - 1)), (1 << (stored.allocated - 1)) - 1
    if stored.is_signed:
        return -(1 << (stored.bits - 1)), (1 << (stored.bits - 1)) - 1
    return 0, (1 << stored.bits) - 1


class Planes:
    """The planes of an image, each decoded once, when it is first looked at.

    An array of (*leading, rows, columns), or with colours behind; indexing reads. Safe
    in several threads.
    """

    def __init__(self, planes: Sequence[Plane], leading: tuple[int, ...]) -> None:
        own = planes[0].stored
        self._planes, self._leading = tuple(planes), leading
        self.dtype = numbers_of(planes)
        frame = (own.rows, own.columns, *((3,) if own.is_colour else ()))
        self.shape, self.ndim = (*leading, *frame), len(leading) + len(frame)
        self.chunks = (*(1,) * len(leading), *frame)
        # Systems give memory only where a plane is written.
        self._data = np.empty((len(planes), *frame), self.dtype)
        self._is_there = np.zeros(len(planes), bool)
        self._locks = [threading.Lock() for _ in planes]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read a part, decoding what is missing."""
        whole = index if isinstance(index, tuple) else (index,)
        n = len(self._leading)
        first = (...,) if Ellipsis in whole[:n] else whole[:n]
        numbers = np.arange(len(self._planes)).reshape(self._leading)
        wanted = np.ravel(numbers[first]).tolist()
        missing = [each for each in wanted if not self._is_there[each]]
        if len(missing) > 1:
            with ThreadPoolExecutor(_WORKERS) as pool:
                list(pool.map(self._fill, missing))
        else:
            for each in missing:
                self._fill(each)
        return np.asarray(self._data.reshape(self.shape)[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        return np.asarray(self[...], dtype)

    @property
    def is_complete(self) -> bool:
        """Whether every plane has been decoded."""
        return bool(self._is_there.all())

    def fill_behind(self, after_s: float = 0.0) -> threading.Thread:
        """Decode what is missing in a thread of its own, as long as this is used.

        It begins in the middle, where people look first, and some seconds later, so
        that a first picture can be drawn.
        """
        middle = len(self._planes) // 2
        order = sorted(range(len(self._planes)), key=lambda n: abs(n - middle))
        work = partial(_fill_all, weakref.ref(self), order, after_s)
        thread = threading.Thread(target=work, name="dicom-planes", daemon=True)
        thread.start()
        return thread

    def _fill(self, n: int) -> None:
        with self._locks[n]:
            if not self._is_there[n]:
                self._data[n] = decode(self._planes[n], self.dtype)
                self._is_there[n] = True


def _fill_all(used: weakref.ref[Planes], order: Sequence[int], after_s: float) -> None:
    time.sleep(after_s)
    for n in order:
        planes = used()
        if planes is None:
            return
        try:
            planes._fill(n)
        except (ImageReadError, MemoryError):
            return  # whoever looks at that plane is told
