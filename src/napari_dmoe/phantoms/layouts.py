"""Phantoms written in the layouts in which cohorts are published, and as a cohort.

Files, names, codes and lists are those of Harvard-FairSeg and of HAM10000, so that what
reads these reads the phantoms; what such a layout cannot hold is left out, and said.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.drawn import DrawnFiles, write_drawn
from napari_dmoe.cohorts.layouts.fairseg_rows import (
    AGE,
    CODES,
    DAYS_PER_YEAR,
    IMAGE,
    MASK,
    UNKNOWN,
)
from napari_dmoe.cohorts.layouts.ham10000 import AGE_BANDS, mask_of
from napari_dmoe.cohorts.layouts.opening import cohort_of
from napari_dmoe.cohorts.writing import README, write_cohort
from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.disk.claims import FolderError, claimed
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS, Kind
from napari_dmoe.phantoms.skin.cohort import AGE_EDGES
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.purpose import reason

TRAIN_SHARE = 0.8
"""Share of the cases in the list for training: 8,000 of 10,000, as in FairSeg."""

_GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value (ITU-R BT.601)."""

_JPEG_QUALITY = 95

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class DrawnCases(Sequence[Case]):
    """Phantoms of one kind, each drawn when it is asked for."""

    kind: Kind
    number: int
    seed: int = 0

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Case]: ...

    def __getitem__(self, index: int | slice) -> Case | Sequence[Case]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self.number))]
        return self.kind.case(self.seed, range(self.number)[index])


def phantom_cohort(kind: str, number: int, *, seed: int = 0) -> Cohort:
    """Return phantoms as a cohort, without any file.

    Parameters
    ----------
    kind : str
        A key of :data:`~napari_dmoe.phantoms.kinds.KINDS`.
    number : int
        How many; each is drawn when it is asked for, and once here for its patient.
    seed : int
        Seed of the cohort.
    """
    return cohort_of(DrawnCases(KINDS[kind], number, seed), title=f"{kind} phantoms")


def write_phantoms(
    folder: str | Path,
    kind: str,
    number: int,
    *,
    layout: str = "folder",
    seed: int = 0,
    progress: ProgressHook = silent,
) -> Path:
    """Write phantoms as a cohort in a layout; return its table, or its list for tests.

    Parameters
    ----------
    folder : str or Path
        Where to; made where it does not exist. In a published layout it is empty.
    kind : str
        A key of :data:`~napari_dmoe.phantoms.kinds.KINDS`.
    number : int
        How many.
    layout : {"folder", "fairseg", "ham10000"}
        ``fairseg`` takes fundi, ``ham10000`` skin.
    seed : int
        Seed of the cohort.
    progress : callable
        Told after every case. It may raise ``Cancelled``.

    Raises
    ------
    CohortError
        When the layout does not hold such phantoms, or the folder is not empty or
        cannot be written.
    """
    own = KINDS[kind]
    cases = own.cohort(number, seed=seed)
    if layout == "folder":
        told = {"total": number, "notice": own.notice, "progress": progress}
        return write_cohort(folder, cases, **told)  # type: ignore[arg-type]
    if layout not in _WRITERS:
        known = ", ".join(("folder", *_WRITERS))
        raise CohortError(f"there is no layout {layout!r}: expected one of {known}")
    kinds, writer = _WRITERS[layout]
    if kind not in kinds:
        raise CohortError(
            f"the layout {layout} does not hold {kind} phantoms: expected "
            f"{' or '.join(kinds)}"
        )
    root = Path(folder)
    try:
        with _empty(root):
            written = writer(root, _counted(cases, number, progress))
            write_text(root / README, f"{own.notice}\n{_LEFT_OUT[layout]}\n")
    except (OSError, FolderError) as error:
        raise CohortError(f"the cohort cannot be written: {reason(error)}") from error
    return written


def _counted(
    cases: Iterator[Case], total: int, progress: ProgressHook
) -> Iterator[Case]:
    for n, case in enumerate(cases, start=1):
        yield case
        progress(Progress(n, total, "writing cases"))


@contextmanager
def _empty(folder: Path) -> Iterator[None]:
    """Be the only writer of an empty folder; what was written goes if a block fails."""
    with claimed(folder):
        there = {path.name for path in folder.iterdir() if path.name[0] != "."}
        if there:
            raise CohortError(f"{folder.name} is not empty: choose another folder")
        try:
            yield
        except BaseException:
            below = sorted(folder.rglob("*"), reverse=True)
            for path in below:
                if path.relative_to(folder).parts[0].startswith("."):
                    continue  # the claim's own
                with suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink()
            raise


def _write_fairseg(root: Path, cases: Iterator[Case]) -> Path:
    """Write ``FairSeg/data_*.npz`` and ``lists/train.txt`` and ``test.txt``."""
    folder, lists = root / "FairSeg", root / "lists"
    folder.mkdir(), lists.mkdir()
    names: list[str] = []
    drawn: list[DrawnFiles] = []
    for number, case in enumerate(cases):
        names.append(f"data_{number:05d}.npz")
        stored, patient = _fairseg_attributes(case.patient)
        with atomic_path(folder / names[-1]) as partial, partial.open("wb") as file:
            labels = np.asarray(_labels(case))
            np.savez_compressed(
                file, **{IMAGE: _grey(case), MASK: -labels.astype(np.int8)}, **stored
            )
        drawn.append(_drawn(case, folder / names[-1], None, patient))
    write_drawn(folder, drawn)
    for name, part in _split(names).items():
        write_text(lists / f"{name}.txt", "".join(f"{each}\n" for each in part))
    return lists / "test.txt"


def _fairseg_attributes(patient: Patient) -> tuple[dict[str, Any], Patient]:
    """Return a patient's codes, and the patient as they will be read again."""
    stored: dict[str, Any] = {}
    kept: dict[str, object] = {}
    for key, (name, words) in CODES.items():
        value = patient.value(name)
        code = next((c for c, word in words.items() if word == value), UNKNOWN)
        stored[key] = np.array(code)
        if code != UNKNOWN:
            kept[name] = value
    if isinstance(patient.age, float):
        stored[AGE] = np.array(patient.age * DAYS_PER_YEAR)
        kept[AGE] = patient.age
    return stored, Patient.from_values(kept)


def _write_ham(root: Path, cases: Iterator[Case]) -> Path:
    """Write ``HAM10000/``, with images and masks, and the tables of ``HAM_split/``."""
    base, splits = root / "HAM10000", root / "HAM_split"
    for folder in ("HAM10000_images", "HAM10000_segmentations"):
        (base / folder).mkdir(parents=True)
    rows: list[dict[str, str]] = []
    drawn: list[DrawnFiles] = []
    for number, case in enumerate(cases):
        # A name of its own: an ISIC number could be taken for a real photograph's.
        name = f"PHANTOM_{number:07d}"
        path = f"HAM10000_images/{name}.jpg"
        image, mask = base / path, base / mask_of(path)
        _save(image, np.asarray(case.image.data), quality=_JPEG_QUALITY)
        _save(mask, (np.asarray(_labels(case)) != 0).astype(np.uint8) * 255)
        row, patient = _ham_attributes(case.patient)
        rows.append({"image_id": name, "Path": path, **row})
        drawn.append(_drawn(case, image, mask, patient))
    write_drawn(base, drawn)
    for name, part in _split(rows).items():
        write_table(splits / f"{name}.csv", part, line_end="\n")
    return splits / "test.csv"


def _ham_attributes(patient: Patient) -> tuple[dict[str, str], Patient]:
    """Return a patient's cells, and the patient as they will be read again."""
    sex, site = patient.sex, patient.value("body_site")
    band = bisect_right(AGE_EDGES, float(patient.age or 0))
    is_aged = isinstance(patient.age, float)
    row = {
        "Sex": sex[0].upper() if sex else "",
        "Age_multi": str(band) if is_aged else "",
        "localization": str(site or "unknown"),
    }
    age = AGE_BANDS[band] if is_aged else None
    kept: dict[str, object] = {"sex": sex, "age": age, "body_site": site}
    return row, Patient.from_values(kept)


def _split(cases: Sequence[_Item]) -> Mapping[str, Sequence[_Item]]:
    """Part cases into the first for training and the rest for tests, one at least."""
    n = min(int(len(cases) * TRAIN_SHARE), len(cases) - 1)
    return {"train": cases[:n], "test": cases[n:]}


def _labels(case: Case) -> NDArray[Any]:
    if case.labels is None:
        raise CohortError(f"case {case.id} has no labels to write")
    return np.asarray(case.labels.data)


def _grey(case: Case) -> NDArray[np.uint8]:
    pixels = np.asarray(case.image.data)
    if pixels.ndim == 2:
        return pixels
    return np.rint(pixels @ np.array(_GREY)).astype(np.uint8)


def _save(path: Path, pixels: NDArray[np.uint8], **how: int) -> None:
    kind = "JPEG" if path.suffix == ".jpg" else "PNG"
    with atomic_path(path) as partial:
        Image.fromarray(pixels).save(partial, format=kind, **how)


def _drawn(case: Case, image: Path, labels: Path | None, whom: Patient) -> DrawnFiles:
    return DrawnFiles(image, labels, str(case.phantom), whom, case.is_altered)


Writer = Callable[[Path, Iterator[Case]], Path]

_WRITERS: Mapping[str, tuple[tuple[str, ...], Writer]] = {
    "fairseg": (("fundus", "fundus-race"), _write_fairseg),
    "ham10000": (("skin",), _write_ham),
}

_LEFT_OUT: Mapping[str, str] = {
    "fairseg": "In this layout images are grey, ages are in days, and the severity and "
    "the size of a pixel are not written.",
    "ham10000": "In this layout images are JPEG, ages are bands of 20 years, and race "
    "and the size of a pixel are not written.",
}
