"""Folders in BIDS: ``participants.tsv``, and a folder ``sub-XX`` for each participant.

The image and the mask of a participant are found by their names. Where these leave
open which mask belongs to which image, that is a problem of the row, never a guess.

References
----------
Gorgolewski et al., The brain imaging data structure, Scientific Data 3, 2016,
doi:10.1038/sdata.2016.44.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from napari_dmoe.attributes import is_unknown, name_key
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.cohorts.tables.columns import columns_of, tells_who
from napari_dmoe.cohorts.tables.reading import commas_told
from napari_dmoe.cohorts.tables.refusals import RowError
from napari_dmoe.cohorts.tables.row_reading import RowReader
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.cohorts.tables.telling import columns_in, decimal_commas, lines_of
from napari_dmoe.imaging.dicom.library import has_dicom_suffix
from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_stem, image_suffix
from napari_dmoe.imaging.tables import TableError, encoding_of, unescaped

LAYOUT = "bids"
PARTICIPANTS = "participants.tsv"
DERIVATIVES = "derivatives"

_ID = "participant_id"
_MASKS = ("mask", "dseg", "seg", "segmentation", "label", "labels", "roi", "lesion")
"""Last words of names of masks."""

_NO_IMAGES = ("probseg", "bvec", "bval", "defacemask")
_OF_MASKS = ("desc", "label", "space", "res", "den", "seg")
"""Entities in which a mask's name may differ from its image's."""

_SHOWN = 3


@dataclass(frozen=True)
class BidsName:
    """What the name of one file says."""

    path: Path
    entities: Mapping[str, str]
    words: tuple[str, ...]
    """Parts that are no entities; the last tells what the file is."""

    @classmethod
    def of(cls, path: Path) -> BidsName:
        """Take a name apart."""
        parts = image_stem(path).split("_")
        entities = dict(part.split("-", 1) for part in parts if "-" in part)
        return cls(path, entities, tuple(part for part in parts if "-" not in part))

    @property
    def is_mask(self) -> bool:
        """Whether it names a mask."""
        return bool(self.words) and self.words[-1].lower() in _MASKS

    @property
    def is_image(self) -> bool:
        """Whether it names an image."""
        last = self.words[-1].lower() if self.words else ""
        return not self.is_mask and last not in _NO_IMAGES

    def is_of(self, image: BidsName) -> bool:
        """Say whether it may be a mask of an image: same session, run and so on."""
        own = {k: v for k, v in self.entities.items() if k not in _OF_MASKS}
        same = {k: v for k, v in image.entities.items() if k not in _OF_MASKS}
        space = self.entities.get("space", "orig")
        is_here = space in ("orig", image.entities.get("space", "orig"))
        named = {word for word in self.words[:-1] if word.lower() not in _MASKS}
        return own == same and is_here and named <= set(image.words)


def find_bids(path: Path) -> Path | None:
    """Return the table of participants at a folder or of that name; None for others."""
    table = path / PARTICIPANTS if path.is_dir() else path
    if table.suffix.lower() != ".tsv" or not table.is_file():
        return None
    with suppress(CohortError, OSError):
        keys = {name_key(name) for name in columns_in(table).header}
        if name_key(_ID) in keys and "image" not in keys:
            return table if any(table.parent.glob("sub-*")) else None
    return None


def read_bids(table: Path, *, needs_image: bool = True) -> Cohort:
    """Read the participants; images and masks are read later, one at a time.

    Raises
    ------
    CohortError
        When the table cannot be read, or has no rows.
    """
    try:
        header = columns_in(table).header
        column = next(name for name in header if name_key(name) == name_key(_ID))
        columns = columns_of(header, table.name, column)
        commas = decimal_commas(columns, table)
        further = tuple(n for n in columns.further() if not tells_who(n))
        cells = RowReader(table, columns, further=further, commas=commas)
        reader = _Reader(table.parent, column, cells, further, needs_image)
        for number, line in lines_of(table):
            reader.add(number, dict(zip(header, map(_cell, line), strict=False)))
    except TableError as error:
        raise CohortError(f"{table.name} {error}") from error
    if not reader.rows and not reader.problems:
        raise CohortError(f"{table.name} has no rows below its header")
    n_subjects = len({row.subject for row in reader.rows})
    said = (
        f"read as BIDS: {len(reader.rows):,} images of {n_subjects:,} participants; "
        "those of one are kept on one side of every split",
        encoding_of(table).notice,
        commas_told(commas),
        *reader.notices(),
        *columns.kept_notices(),
    )
    problems = tuple(reader.problems)
    return Cohort(
        tuple(reader.rows),
        tuple(filter(None, said)),
        table.name,
        LAYOUT,
        problems=problems,
    )


def _cell(text: str) -> str:
    return unescaped(text.strip())


@dataclass
class _Reader:
    """Finds the cases of one participant after the other."""

    root: Path
    column: str
    cells: RowReader
    further: Sequence[str]
    needs_image: bool
    rows: list[CohortRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    n_left: int = 0
    """Images without a mask of participants who have one of another image."""
    _seen: dict[str, int] = field(default_factory=dict)

    def add(self, number: int, values: Mapping[str, str]) -> None:
        """Add what a participant has, or what is wrong with it."""
        told = values.get(self.column, "")
        name = told if told.startswith("sub-") else f"sub-{told}"
        if is_unknown(told) or "/" in name or "\\" in name:
            self._note(number, told, "a participant such as sub-01")
            return
        if name in self._seen:
            expected = f"each participant once; row {self._seen[name]} has this one"
            self._note(number, told, expected)
            return
        self._seen[name] = number
        plain = {k: self.cells._plain(k, v) for k, v in values.items()}
        patient = self.cells.patient(plain, number)
        if isinstance(patient, RowError):
            self.problems.extend(patient.problems)
            return
        pairs = self._pairs(number, told, name)
        further = {each: plain.get(each, "") for each in self.further}
        for image, mask in pairs:
            shown = image or mask
            identity = name if len(pairs) == 1 or shown is None else image_stem(shown)
            row = CohortRow(number, identity, image or Path(), mask, patient, name)
            self.rows.append(_with(row, further))

    def notices(self) -> Iterator[str]:
        """Say what was left out."""
        if self.n_left:
            yield (
                f"{self.n_left:,} images without a mask left out, as their "
                "participants have another image with one"
            )

    def _pairs(
        self, number: int, told: str, name: str
    ) -> list[tuple[Path | None, Path | None]]:
        """Return the images of a participant with their masks."""
        images, masks = self._files(name)
        if not images:
            if not self.needs_image and len(masks) == 1:
                return [(None, masks[0].path)]
            self._note(number, told, "an image in the participant's folder")
            return []
        by_mask = {mask.path: [i for i in images if mask.is_of(i)] for mask in masks}
        for mask, fitting in by_mask.items():
            if len(fitting) > 1:
                expected = f"a name that tells which of {len(fitting)} images it is of"
                self._note(number, mask.name, expected)
                return []
        found: dict[Path, Path] = {}
        for mask, fitting in by_mask.items():
            for image in fitting:
                if image.path in found:
                    names = _names([found[image.path], mask])
                    self._note(number, names, "one mask of each image")
                    return []
                found[image.path] = mask
        if found:
            self.n_left += len(images) - len(found)
            return list(found.items())
        if len(images) > 1:
            names = _names([each.path for each in images])
            self._note(number, names, "one image, or masks that tell which")
            return []
        return [(images[0].path, None)]

    def _files(self, name: str) -> tuple[list[BidsName], list[BidsName]]:
        """Return images and masks of a participant; of derivatives masks alone."""
        own = [BidsName.of(path) for path in _pictures(self.root / name)]
        masks = [each for each in own if each.is_mask]
        above = self.root / DERIVATIVES
        with suppress(OSError):
            for place in (above, *sorted(p for p in above.iterdir() if p.is_dir())):
                found = map(BidsName.of, _pictures(place / name))
                masks += [each for each in found if each.is_mask]
        return [each for each in own if each.is_image], masks

    def _note(self, number: int, value: str, expected: str) -> None:
        # Names of files tell the participant, too.
        found = Problem(number, self.column, value, expected, is_private=True)
        self.problems.append(found)


def _with(row: CohortRow, further: Mapping[str, str]) -> CohortRow:
    return CohortRow(
        row.number,
        row.id,
        row.image,
        row.labels,
        row.patient,
        row.subject,
        (f"patient {row.subject}",),
        further,
    )


def _pictures(folder: Path) -> list[Path]:
    """Return the image files in and below a folder, in order; BIDS has no DICOM."""
    found = folder.rglob("*") if folder.is_dir() else ()
    return sorted(
        path
        for path in found
        if image_suffix(path) in IMAGE_SUFFIXES
        and not (path.name.startswith(".") or has_dicom_suffix(path))
    )


def _names(paths: Sequence[Path]) -> str:
    more = ", ..." if len(paths) > _SHOWN else ""
    return ", ".join(path.name for path in paths[:_SHOWN]) + more
