"""One row of a series' table: what it says of an image, and in which columns.

The window and the command line write the same columns, as both get their rows here.
Columns stand in sections, one after another: what came out, whom the image was run for,
the model, what was measured, the files, and what the input's table had besides.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from napari_dmoe.attributes import FORM_ATTRIBUTES, attribute_called, name_key
from napari_dmoe.inference.masks.measures import ClassSize, CupToDisc
from napari_dmoe.inference.masks.truth import RegionScore
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.running.settings import InferenceSettings, as_recorded
from napari_dmoe.patient import Patient

Status = Literal["segmented", "kept", "corrected", "failed"]
"""What became of an image, in a word."""

HEAD = ("id", "image", "file", "status", "headline", "outcome")
"""Columns that come first. Earlier versions knew no ``id``, only ``image``."""

RUN = ("model", "settings")
FILES = ("labels", "record", "truth", "source")
"""Columns of files: our mask, its record, the truth and the image."""

UNKNOWN = "unknown"

_SECTIONS = range(6)
_HEAD, _PATIENT, _RUN, _MEASURES, _FILES, _FURTHER = _SECTIONS
_FIXED = {
    **dict.fromkeys(HEAD, _HEAD),
    **dict.fromkeys(RUN, _RUN),
    **dict.fromkeys(FILES, _FILES),
}
_SIZE = re.compile(r".+ \((?:px|mL|\S+[²³])\)|cup/disc \(\w+\)", re.S)
_SCORE = re.compile(r".+ (?:Dice|IoU)", re.S)


def series_row(
    name: str,
    status: Status,
    outcome: str,
    *,
    headline: str = "",
    file: str = "",
    patient: Patient | None = None,
    drivers: Collection[str] = (),
    record: Provenance | None = None,
    sizes: Mapping[str, str] | None = None,
    scores: Sequence[RegionScore] = (),
    files: Mapping[str, str] | None = None,
    further: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the row of an image, all of its cells as they are written.

    Parameters
    ----------
    name : str
        What the image is called.
    status : {"segmented", "kept", "corrected", "failed"}
        What became of it.
    outcome : str
        For which values it was run and with which notices, or what went wrong.
    headline : str
        What came out.
    file : str
        Name of the image's file.
    patient : Patient, optional
        Whom it was run for; by default what the record says.
    drivers : collection of str
        Attributes that drive the model, where there is no record to tell.
    record : Provenance, optional
        How the mask was made.
    sizes : mapping of str to str, optional
        What :func:`size_cells` returns.
    scores : sequence of RegionScore
        Dice and IoU of each region, where a truth is given.
    files : mapping of str to str, optional
        Cells of ``labels``, ``record``, ``truth`` and ``source``.
    further : mapping of str to str, optional
        Cells of the input's table that are not used, by its names of the columns.

    Returns
    -------
    dict of str to str
        Cells by column, in the order of :func:`arranged`. Columns of :data:`HEAD`,
        :data:`RUN` and :data:`FILES` are always there.
    """
    head = (name, name, file, status, headline, outcome)
    row = dict(zip(HEAD, head, strict=True))
    for attribute, value in run_for(patient, record, drivers).items():
        row[_free(attribute, row, " (patient)")] = value
    row["model"] = "" if record is None else model_cell(record)
    row["settings"] = "" if record is None else settings_cell(record)
    row |= {**(sizes or {}), **score_cells(scores)}
    row |= {each: (files or {}).get(each, "") for each in FILES}
    for column, cell in (further or {}).items():
        row[_free(column, row, " (table)")] = cell
    return row


def run_for(
    patient: Patient | None, record: Provenance | None, drivers: Collection[str] = ()
) -> dict[str, str]:
    """Return the attributes that an image was run for, the form's first.

    They are those that are known, and those that drive the model; a driver that was
    not known says so. Without a patient they are what the record says, which names no
    age but a band.
    """
    of_record = {} if record is None else {d.attribute: d for d in record.drivers}
    values = {} if patient is None else patient.known()
    found = {name: _written(value) for name, value in values.items()}
    for name in (*of_record, *drivers):
        driver = of_record.get(name)
        stated = None if patient is None else patient.value(name)
        if stated is None and driver is not None:
            stated = driver.value
        own = attribute_called(name)
        found.setdefault(own, UNKNOWN if stated is None else _written(stated))
    return {name: found[name] for name in _form_first(found)}


def model_cell(record: Provenance) -> str:
    """Return the model's file, with the beginning of its hash."""
    return record.model.named


def settings_cell(record: Provenance) -> str:
    """Return what differs from the settings by default; nothing where nothing does."""
    default = InferenceSettings().model_dump(mode="json")
    stated = as_recorded(record.settings)
    said = [
        f"{name}={_setting(value)}"
        for name, value in stated.items()
        if name in default and value != default[name]
    ]
    return "; ".join((*said, *record.departures))


def size_cells(
    sizes: Iterable[ClassSize], ratio: CupToDisc | None = None
) -> dict[str, str]:
    """Return the cells of sizes: of each class, and cup-to-disc ratio."""
    cells = {f"{size.name} ({size.unit})": f"{size.size:.6g}" for size in sizes}
    if ratio is not None:
        cells["cup/disc (area)"] = f"{ratio.area:.4f}"
        cells["cup/disc (vertical)"] = f"{ratio.vertical:.4f}"
    return cells


def score_cells(scores: Iterable[RegionScore]) -> dict[str, str]:
    """Return the cells of Dice and IoU; empty where neither mask has the region."""
    cells: dict[str, str] = {}
    for each in scores:
        cells[f"{each.name} Dice"] = _share(each.dice)
        cells[f"{each.name} IoU"] = _share(each.iou)
    return cells


def without_measures(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row's cells but for what was measured of its mask."""
    section = sections(tuple(row))
    return {name: cell for name, cell in row.items() if section[name] != _MEASURES}


def further_of(row: Mapping[str, str]) -> dict[str, str]:
    """Return those cells of a row that this program has no column for."""
    section = sections(tuple(row))
    return {name: cell for name, cell in row.items() if section[name] == _FURTHER}


def attributes_of(header: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a header that say whom the images were run for."""
    section = sections(header)
    return tuple(name for name in header if section[name] == _PATIENT)


def scored_regions(header: Iterable[str]) -> tuple[str, ...]:
    """Return the regions of which a header has the Dice."""
    ending = " Dice"
    return tuple(n.removesuffix(ending) for n in header if n.endswith(ending))


def arranged(headers: Iterable[Sequence[str]]) -> list[str]:
    """Return the columns of rows that have different ones, each in its section.

    Rows of earlier versions, which had fewer columns, are among them.
    """
    found: list[dict[str, None]] = [{} for _ in _SECTIONS]
    for name in (*HEAD, *RUN, *FILES):
        found[_FIXED[name]][name] = None
    for header in dict.fromkeys(map(tuple, headers)):
        for name, section in sections(header).items():
            found[section].setdefault(name)
    found[_PATIENT] = dict.fromkeys(_form_first(found[_PATIENT]))
    measures = sorted(found[_MEASURES], key=lambda name: bool(_SCORE.fullmatch(name)))
    found[_MEASURES] = dict.fromkeys(measures)
    # A name is one column, wherever two rows have it.
    return list(dict.fromkeys(name for section in found for name in section))


def sections(header: Sequence[str]) -> dict[str, int]:
    """Return in which section each column of a header stands, by its place.

    Without a column ``model`` it is one of an earlier version, which had sizes alone.
    """
    is_ours = "model" in header
    found: dict[str, int] = {}
    at = _HEAD
    for name in header:
        own = _FIXED.get(name)
        if own is not None:
            at = max(at, own)
            found[name] = own
            at = _PATIENT if name == HEAD[-1] else at
            at = _MEASURES if name == RUN[-1] else at
            at = _FURTHER if name == FILES[-1] else at
        elif not is_ours:
            found[name] = _MEASURES if _SIZE.fullmatch(name) else _FURTHER
        else:
            found[name] = at if at in (_PATIENT, _MEASURES) else _FURTHER
    return found


def path_cell(path: Path, folder: Path, *, is_beside: bool = False) -> str:
    """Return a path as a table tells it: from a folder on where it lies below it.

    Elsewhere it is absolute; but from the folder's parent on where it `is_beside` the
    folder, below that parent.
    """
    wanted, below = (Path(os.path.normpath(p.absolute())) for p in (path, folder))
    if below.name and wanted.is_relative_to(below):
        return wanted.relative_to(below).as_posix()
    if is_beside and wanted.is_relative_to(below.parent) and below.parent.name:
        return f"../{wanted.relative_to(below.parent).as_posix()}"
    return str(wanted)


def _free(name: str, row: Mapping[str, str], ending: str) -> str:
    """Return a name for a column that is none of ours in any row."""
    while name in row or name in _FIXED or _is_measure(name):
        name += ending
    return name


def _is_measure(name: str) -> bool:
    return bool(_SIZE.fullmatch(name) or _SCORE.fullmatch(name))


def _form_first(names: Iterable[str]) -> Iterator[str]:
    given = tuple(names)
    keys = {name_key(each): each for each in given}
    first = [keys[key] for name in FORM_ATTRIBUTES if (key := name_key(name)) in keys]
    yield from dict.fromkeys((*first, *given))


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


def _setting(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _share(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else ""
