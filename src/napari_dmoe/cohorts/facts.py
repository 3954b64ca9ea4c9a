"""What an image brings of its patient: by its DICOM header, or the BIDS table above it.

Only of images that no cohort's table tells of: there a blank cell means unknown.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from napari_dmoe.attributes import attribute_called, is_unknown, name_key
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.telling import columns_in, lines_of
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.dicom.library import is_dicom_file
from napari_dmoe.imaging.dicom.patient import race_meant
from napari_dmoe.imaging.dicom.reading import facts_of_dicom
from napari_dmoe.imaging.files import is_image_folder
from napari_dmoe.imaging.ome_zarr.library import is_zarr
from napari_dmoe.imaging.tables import TableError, unescaped
from napari_dmoe.patient import Patient, PatientError, PatientFacts, Proposal

PARTICIPANTS = "participants.tsv"
BIDS_SOURCE = f"from {PARTICIPANTS}"

_TAKEN = ("sex", "age")
_LONGEST = 40
_DEEPEST = 6
"""Folders between a participant's and an image that are gone up at most."""


def facts_of(path: Path) -> PatientFacts:
    """Return what is known of the patient of one image that was opened by itself.

    Parameters
    ----------
    path : Path
        An image's file or folder.

    Returns
    -------
    PatientFacts
        Of DICOM, the header's sex and age; the ethnic group is a proposal. Of a file
        in a BIDS folder ``sub-XX``, sex and age of its row in ``participants.tsv``, and
        a race as a proposal. Nothing where neither says anything.
    """
    is_dicom = (path.is_dir() and not is_zarr(path)) or is_dicom_file(path)
    if is_dicom and (path.is_file() or is_image_folder(path)):
        facts = facts_of_dicom(path)
        if facts:
            return facts
    return _of_bids(path)


def told_taken(names: tuple[str, ...], source: str) -> str:
    """Say which attributes of a patient were taken, and no value.

    Examples
    --------
    >>> told_taken(("sex", "age"), "from the DICOM header")
    "sex and age are taken from the DICOM header ('unknown' leaves one out)"
    """
    what = " and ".join(names)
    are = "are" if len(names) > 1 else "is"
    return f"{what} {are} taken {source} ('unknown' leaves one out)"


def _of_bids(path: Path) -> PatientFacts:
    """Return what the table beside an image's participant says of them."""
    for folder in (path.absolute(), *path.absolute().parents)[:_DEEPEST]:
        table = folder.parent / PARTICIPANTS
        if folder.name.startswith("sub-") and folder.is_dir() and table.is_file():
            with suppress(CohortError, TableError, OSError):
                return _row(table, folder.name)
            return PatientFacts()
    return PatientFacts()


def _row(table: Path, name: str) -> PatientFacts:
    header = columns_in(table).header
    places = {name_key(column): n for n, column in enumerate(header)}
    own = places[name_key("participant_id")] if "participantid" in places else None
    for _, cells in lines_of(table):
        if own is None or own >= len(cells):
            continue
        if cells[own].strip() in (name, name.removeprefix("sub-")):
            named = zip(header, cells, strict=False)
            return _facts({n: unescaped(cell.strip()) for n, cell in named})
    return PatientFacts()


def _facts(cells: dict[str, str]) -> PatientFacts:
    values: dict[str, str | float] = {}
    proposals: dict[str, Proposal] = {}
    for column, cell in cells.items():
        name = attribute_called(column)
        if is_unknown(cell):
            continue
        if name == "race":
            said = printable(cell, _LONGEST)
            proposals[name] = Proposal(said, race_meant(cell))
        elif name in _TAKEN:
            with suppress(PatientError):
                values |= Patient.from_values({name: cell}).known()
    return PatientFacts(values, proposals, BIDS_SOURCE)
