"""What the headers of DICOM files say of the planes in them; no pixel is read.

A file of one plane and a file of many (enhanced multi-frame) say the same in two ways.
Headers are trusted no further than they can be: numbers that cannot be read are taken
for absent, and what they claim is compared with the file.

References
----------
.. [1] DICOM PS3.3, C.7.6.2 (image plane) and C.7.6.16 (functional groups).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_dmoe.foreign import printable
from napari_dmoe.imaging.dicom.kinds import refuse_no_image
from napari_dmoe.imaging.dicom.library import nothing_told, pydicom_package
from napari_dmoe.imaging.dicom.patient import PATIENT_TAGS, facts_in
from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.patient import PatientFacts

_IMAGE_TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "ImageType"),
    *("SeriesNumber", "InstanceNumber", "AcquisitionNumber", "NumberOfFrames"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation", "PlanarConfiguration"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("ImagerPixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "BurnedInAnnotation"),
    *("TemporalPositionIdentifier", "TriggerTime", "AcquisitionTime", "ContentTime"),
    *("EchoTime", "DiffusionBValue", "SequenceOfUltrasoundRegions"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
TAGS = (*_IMAGE_TAGS, *PATIENT_TAGS)

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_LARGEST_RATIO = 1100
"""Deflate cannot shrink data by more than about 1,032."""
_HEAD = 1024
_UNCOMPRESSED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
)
_LEAST_FLOAT = 32
_MEASURED = ("CT", "PT")
"""Modalities whose numbers are measures, however grey values are to be shown."""
_CENTIMETRES = 3
"""Code of a length among the units of regions of ultrasound."""

AXES_OF_COPIES = (
    ("t", "TemporalPositionIdentifier"),
    ("echo", "EchoTime"),
    ("b", "DiffusionBValue"),
    ("t", "TriggerTime"),
    ("type", "ImageType"),
    ("t", "AcquisitionNumber"),
    ("t", "AcquisitionTime"),
    ("t", "ContentTime"),
)
"""What may differ where several planes lie at one place, and what that axis is called:
the surest first."""


@dataclass(frozen=True)
class Stored:
    """How the pixels of a plane are stored; the same throughout an image."""

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    bits: int
    is_signed: bool
    is_float: bool = False

    @property
    def is_colour(self) -> bool:
        """Whether its pixels are colours once they are read."""
        return self.samples > 1 or self.photometric == "PALETTE COLOR"


@dataclass(frozen=True)
class Plane:
    """One plane of a file."""

    path: Path
    frame: int
    stored: Stored
    series: str
    """Tells its series from others, or its folder where it has none; never shown."""
    modality: str
    number: int | None
    """Its place in the series, as the file counts."""
    uid: str
    """Tells copies of one plane from others; never shown."""
    position: tuple[float, ...] | None = None
    """Centre of the first pixel in mm towards the left, the back and the head."""
    orientation: tuple[float, ...] | None = None
    """Direction of its rows, then of its columns."""
    sizes: tuple[float, float] | None = None
    """Distance of its rows, then of its columns, in mm."""
    thickness: float | None = None
    between: float | None = None
    slope: float = 1.0
    intercept: float = 0.0
    is_in_units: bool = False
    """Whether its numbers are measures, such as Hounsfield units."""
    copies: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)
    """Values of :data:`AXES_OF_COPIES`."""
    at_detector: bool = False
    """Whether its sizes are those at the detector, before the patient's distance."""

    @property
    def is_placed(self) -> bool:
        """Whether it says where in the patient it lies, and its pixels' sizes."""
        return None not in (self.position, self.orientation, self.sizes)


@dataclass(frozen=True)
class Header:
    """What one file says."""

    path: Path
    planes: tuple[Plane, ...]
    series_number: int | None
    facts: PatientFacts
    has_text: bool = False
    """Whether it says that its picture has names or dates burned in."""

    @property
    def is_alone(self) -> bool:
        """Whether it is an image by itself: many frames, or no place in a series."""
        return len(self.planes) > 1 or not self.planes[0].is_placed


def read_header(path: Path) -> Header:
    """Read what a file says of its planes.

    Raises
    ------
    ImageReadError
        When it is damaged or cut off, holds no image, or claims more than it can hold
        or memory has.
    """
    pydicom = pydicom_package()
    _refuse_bomb(path)
    try:
        with nothing_told():
            dataset = pydicom.dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=list(TAGS)
            )
            refuse_no_image(path, dataset)
            return _header(path, dataset)
    except (ImageReadError, OSError):
        raise
    # What is damaged makes pydicom raise almost anything, and all of it means the same.
    except Exception as error:
        raise ImageReadError(f"{path.name} is cut off, damaged or no DICOM") from error


def stated(dataset: Any, name: str) -> Any:
    """Return what a dataset states by a name; None where it is blank or unreadable."""
    try:
        value = dataset.get(name)
    # Values are made only when they are asked for, and may be anything.
    except Exception:  # noqa: BLE001
        return None
    is_blank = value is None or (isinstance(value, str) and not value.strip())
    return None if is_blank else value


def number(dataset: Any, name: str) -> float | None:
    """Return a finite number that a dataset states; None where it does not."""
    found = _numbers(dataset, name, 1)
    return found[0] if found else None


def _numbers(dataset: Any, name: str, n: int) -> tuple[float, ...] | None:
    value = stated(dataset, name)
    several = (
        value if hasattr(value, "__len__") and not isinstance(value, str) else None
    )
    try:
        found = tuple(
            float(each) for each in (several if several is not None else [value])
        )
    except (TypeError, ValueError):
        return None
    is_good = len(found) == n and all(map(math.isfinite, found))
    return found if is_good else None


def _refuse_bomb(path: Path) -> None:
    """Refuse a deflated file that may unpack to more than memory has."""
    with path.open("rb") as file:
        if _DEFLATED not in file.read(_HEAD):
            return
    try:
        refuse_beyond_memory(
            path.stat().st_size * _LARGEST_RATIO,
            what=f"{path.name}: unpacking it may need",
            remedy="save it without deflate",
        )
    except NotEnoughMemory as error:
        raise ImageReadError(str(error)) from error


def _header(path: Path, dataset: Any) -> Header:
    planes = tuple(_planes(path, dataset))
    claimed = _claimed(planes)
    syntax = str(stated(getattr(dataset, "file_meta", {}), "TransferSyntaxUID") or "")
    if syntax in _UNCOMPRESSED and claimed > path.stat().st_size:
        raise ImageReadError(
            f"{path.name} is cut off: its header claims {claimed:,} bytes of pixels, "
            f"and the file has {path.stat().st_size:,}"
        )
    series_number = number(dataset, "SeriesNumber")
    return Header(
        path,
        planes,
        None if series_number is None else int(series_number),
        facts_in(dataset),
        str(stated(dataset, "BurnedInAnnotation") or "").upper() == "YES",
    )


def _claimed(planes: Sequence[Plane]) -> int:
    stored = planes[0].stored
    bits = stored.rows * stored.columns * stored.samples * stored.allocated
    if stored.photometric == "YBR_FULL_422":
        bits = bits * 2 // 3
    return len(planes) * bits // 8


def _stored(path: Path, dataset: Any) -> Stored:
    def whole(name: str, default: int) -> int:
        value = number(dataset, name)
        return default if value is None else int(value)

    allocated = whole("BitsAllocated", 16)
    found = Stored(
        whole("Rows", 0),
        whole("Columns", 0),
        whole("SamplesPerPixel", 1),
        str(stated(dataset, "PhotometricInterpretation") or "MONOCHROME2").strip(),
        allocated,
        min(whole("BitsStored", allocated), allocated),
        whole("PixelRepresentation", 0) == 1,
        number(dataset, "PixelRepresentation") is None and allocated >= _LEAST_FLOAT,
    )
    if found.rows < 1 or found.columns < 1 or found.samples not in (1, 3, 4):
        raise ImageReadError(
            f"{path.name}: its header claims {found.rows} x {found.columns} pixels of "
            f"{found.samples} samples"
        )
    return found


def _planes(path: Path, dataset: Any) -> Iterator[Plane]:
    common = _stored(path, dataset)
    n_frames = int(number(dataset, "NumberOfFrames") or 1)
    groups = stated(dataset, "PerFrameFunctionalGroupsSequence") or ()
    shared = stated(dataset, "SharedFunctionalGroupsSequence") or ()
    if n_frames < 1 or (groups and len(groups) != n_frames):
        raise ImageReadError(
            f"{path.name}: its header claims {n_frames} frames, and tells of "
            f"{len(groups)}"
        )
    whole = shared[0] if shared else None
    for frame in range(n_frames):
        own = groups[frame] if groups else None
        yield _plane(path, frame, dataset, common, (own, whole))


def _plane(
    path: Path, frame: int, dataset: Any, common: Stored, groups: tuple[Any, Any]
) -> Plane:
    def of(sequence: str) -> Any:
        """Return the functional group of a frame, of all, or the file itself."""
        for group in groups:
            found = None if group is None else stated(group, sequence)
            if found:
                return found[0]
        return dataset

    measures, values = (
        of("PixelMeasuresSequence"),
        of("PixelValueTransformationSequence"),
    )
    sizes = _numbers(measures, "PixelSpacing", 2)
    position = _numbers(of("PlanePositionSequence"), "ImagePositionPatient", 3)
    at_detector = None if sizes else _numbers(dataset, "ImagerPixelSpacing", 2)
    sizes = sizes or at_detector or _of_ultrasound(dataset)
    instance = number(dataset, "InstanceNumber")
    modality = printable(str(stated(dataset, "Modality") or ""), 16)
    uid = str(stated(dataset, "SOPInstanceUID") or "")
    return Plane(
        path,
        frame,
        common,
        str(stated(dataset, "SeriesInstanceUID") or path.parent),
        modality,
        None if instance is None else int(instance),
        f"{uid}/{frame}" if uid else "",
        position,
        _numbers(of("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        _positive(sizes),
        number(measures, "SliceThickness"),
        number(measures, "SpacingBetweenSlices"),
        _or(number(values, "RescaleSlope"), 1.0),
        _or(number(values, "RescaleIntercept"), 0.0),
        modality in _MEASURED or stated(values, "RescaleType") == "HU",
        _copies(dataset, of),
        bool(at_detector),
    )


def _positive(sizes: tuple[float, ...] | None) -> tuple[float, float] | None:
    if sizes is None or min(sizes) <= 0:
        return None
    down, right = sizes
    return down, right


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _copies(dataset: Any, of: Any) -> dict[str, Any]:
    """Return what may tell planes of one place from each other."""
    found: dict[str, Any] = {}
    content, echo = of("FrameContentSequence"), of("MREchoSequence")
    diffusion, heart = of("MRDiffusionSequence"), of("CardiacSynchronizationSequence")
    nested = {
        "TemporalPositionIdentifier": number(content, "TemporalPositionIndex"),
        "EchoTime": number(echo, "EffectiveEchoTime"),
        "DiffusionBValue": number(diffusion, "DiffusionBValue"),
        "TriggerTime": number(heart, "NominalCardiacTriggerDelayTime"),
        "AcquisitionTime": stated(content, "FrameAcquisitionDateTime"),
    }
    for _, name in AXES_OF_COPIES:
        value = nested.get(name)
        value = stated(dataset, name) if value is None else value
        if name == "ImageType" and value is not None:
            several = [value] if isinstance(value, str) else list(map(str, value))
            found[name] = "\\".join(several)
        elif value is not None:
            found[name] = float(value) if _is_number(value) else str(value)
    return found


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _of_ultrasound(dataset: Any) -> tuple[float, float] | None:
    """Return the sizes of pixels that the one region of an ultrasound states."""
    regions = stated(dataset, "SequenceOfUltrasoundRegions") or []
    if len(regions) != 1:
        return None
    down, right = (_centimetres(regions[0], axis) for axis in "YX")
    return None if not down or not right else (10 * down, 10 * right)


def _centimetres(region: Any, axis: str) -> float | None:
    if number(region, f"PhysicalUnits{axis}Direction") != _CENTIMETRES:
        return None
    side = number(region, f"PhysicalDelta{axis}")
    return None if side is None else abs(side)
