"""Many images segmented one after another, into a folder with a table of what was done.

Masks need no ground truth. A bad image is said and does not stop the others. Nothing is
written before all is known that can be known: the model, the patients, and that no file
is in the way that is another's.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.series.listing import Entry
from napari_dmoe.cohorts.series.resuming import Outputs, SeriesOptions, bytes_needed
from napari_dmoe.cohorts.series.table import SUMMARY, SeriesTable
from napari_dmoe.cohorts.tables.rows import one_error
from napari_dmoe.faults import shown, told
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.imaging.disk.output_names import output_stems
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.masks.headline import mask_headline
from napari_dmoe.inference.masks.measures import class_sizes, cup_to_disc
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.replacing import (
    ExistingFileError,
    files_of,
    set_aside,
)
from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.inference.running.drivers import choose_routers
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Cancelled, Progress, ProgressHook, silent
from napari_dmoe.purpose import reason

__all__ = ["SUMMARY", "Done", "SeriesError", "SeriesOptions", "segment_series"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""A disk that takes nothing more fails for every further image."""


class SeriesError(ValueError):
    """A series cannot go on; says how far it came."""


@dataclass(frozen=True)
class Done:
    """What became of one image."""

    name: str
    outcome: str
    """For which values it was segmented and with which notices, or what went wrong."""
    headline: str = ""
    """What came out, in the words of every result."""
    labels: Path | None = None
    """The mask's file; None where it failed."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Sizes of the classes, with the unit in the key, and the cup-to-disc ratio."""
    seconds: float = 0.0
    error: Exception | None = None
    file: str = ""
    """Name of the image's file."""
    number: int | None = None
    """Which row of a cohort's table it is; the header is row 1."""
    is_kept: bool = False
    """Whether an earlier run made the mask, and this one left it."""

    def row(self) -> dict[str, str]:
        """Return the line of the table."""
        file = {"file": self.file} if self.file else {}
        labels = {} if self.labels is None else {"labels": self.labels.name}
        head = {"headline": self.headline} if self.headline else {}
        said = {"image": self.name, **file, **head, "outcome": self.outcome}
        return {**said, **labels, **self.sizes}


def segment_series(
    loaded: LoadedModel,
    entries: Sequence[Entry],
    output: Path,
    *,
    options: SeriesOptions | None = None,
    progress: ProgressHook = silent,
    tell: Callable[[Done], None] | None = None,
) -> list[Done]:
    """Segment images, and write masks, records and the table ``segment.csv``.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    entries : sequence of Entry
        The images; each has output names of its own.
    output : Path
        The folder, made where it does not exist. Nobody else can write there meanwhile.
    options : SeriesOptions, optional
        How each is run, what is written, and whether an earlier run is gone on with.
    progress : callable
        May raise ``Cancelled``; the table then holds what was done until then, as it
        does at any moment.
    tell : callable, optional
        Called with what became of each entry.

    Returns
    -------
    list of Done
        What became of each, in order.

    Raises
    ------
    ExistingFileError
        When a file is in the way that is no earlier result of the same image.
    FolderError
        When nothing can be written to the folder, it has no room, or another run
        writes into it.
    OutputNameError
        When two inputs would be written to the same files.
    ValueError
        When the device is not there; when no patient fits the model, all for one
        reason; and when no row of a table can be understood.
    SeriesError
        When the disk is full before all is done.
    """
    options = options or SeriesOptions()
    choose_device(options.settings.device)
    drivers = [attribute.name for attribute in loaded.card.attributes]
    entries = [entry.of_model(drivers) for entry in entries]
    _refuse_what_no_patient_fits(loaded, entries, options)
    outputs = _outputs(loaded, entries, output, options)
    there = [each for each in outputs if each.entry.problem is None]
    with claimed(output, needs_bytes=bytes_needed(there)):
        table = SeriesTable(output, overwrite=options.overwrite)
        for number, each in enumerate(there):
            progress(
                Progress(0, len(entries), f"looking at {number + 1} of {len(there)}")
            )
            each.refuse_foreign()
        return _all_done(outputs, table, progress, tell)


def notices_before(
    loaded: LoadedModel,
    entries: Sequence[Entry],
    options: SeriesOptions | None = None,
) -> list[str]:
    """Return what must be said of the routers of a series before it is run.

    Such as values that no training case had; each once, with the number of images.
    """
    options = options or SeriesOptions()
    said: Counter[str] = Counter()
    for entry in entries:
        if entry.problem is not None:
            continue
        with suppress(ValueError):  # told in its turn
            asked = loaded, entry.patient, options.settings, options.priors
            said.update(choose_routers(*asked).notices)
    if len(entries) == 1:
        return list(said)
    return [
        f"{notice} ({n:,} of {len(entries):,} images)" for notice, n in said.items()
    ]


def _refuse_what_no_patient_fits(
    loaded: LoadedModel, entries: Sequence[Entry], options: SeriesOptions
) -> None:
    """Say once what would be said of every image."""
    problems = [entry.problem for entry in entries if entry.problem is not None]
    if problems and len(problems) == len(entries):
        raise one_error(problems)
    reasons: dict[str, ValueError] = {}
    for entry in entries:
        if entry.problem is not None:
            return
        try:
            choose_routers(loaded, entry.patient, options.settings, options.priors)
        except ValueError as error:
            reasons[reason(error)] = error
        else:
            return
    if len(reasons) == 1:
        raise next(iter(reasons.values()))


def _outputs(
    loaded: LoadedModel, entries: Sequence[Entry], folder: Path, options: SeriesOptions
) -> list[Outputs]:
    # Those with a problem, too: what others are called must not depend on it.
    names = [entry.name for entry in entries]
    stems = output_stems(names, [entry.path.name for entry in entries])
    return [
        Outputs(loaded, entry, folder / stem, options)
        for entry, stem in zip(entries, stems, strict=True)
    ]


def _all_done(
    outputs: Sequence[Outputs],
    table: SeriesTable,
    progress: ProgressHook,
    tell: Callable[[Done], None] | None,
) -> list[Done]:
    done: list[Done] = []
    try:
        for number, each in enumerate(outputs):
            name = each.entry.name
            progress(Progress(number, len(outputs), name))
            hook = _part(progress, number, len(outputs), name)
            done.append(_done(each, table, hook))
            # A single image that fails leaves no table, but where there is one.
            if done[-1].error is None or len(outputs) > 1 or table.has_rows:
                table.add(done[-1].row())
            if tell is not None:
                with suppress(
                    OSError, ValueError
                ):  # such as a closed pipe: work goes on
                    tell(done[-1])
        progress(Progress(len(outputs), len(outputs), "done"))
        table.write()
    except OSError as error:
        raise _stopped(error, done, len(outputs)) from error
    finally:
        with suppress(OSError):
            table.write()
    return done


def _stopped(error: OSError, done: Sequence[Done], n: int) -> SeriesError:
    n_done = sum(each.error is None for each in done)
    why = error.strerror or reason(error)
    return SeriesError(
        f"stopped after {n_done} of {n} images: {why}. Make room, and go on with "
        "--resume: what is done is kept"
    )


def _part(progress: ProgressHook, number: int, n: int, name: str) -> ProgressHook:
    """Return the hook of one image among several."""
    steps = 1000

    def hook(inner: Progress) -> None:
        done = min(steps * number + round(steps * inner.fraction), steps * n - 1)
        message = f"{name}: {inner.message}"
        progress(Progress(done, steps * n, message, inner.phase, inner.plan))

    return hook


def _done(outputs: Outputs, table: SeriesTable, progress: ProgressHook) -> Done:
    entry = outputs.entry
    try:
        if entry.problem is not None:
            raise entry.problem
        return _segmented(outputs, progress)
    except ExistingFileError as error:  # it came meanwhile, and stays
        why: Exception = error
        said = [str(error)]
    except Cancelled:
        raise
    # One image that fails, for whatever reason, stops no series but on a full disk.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        why = shown(error)
        said = [told(why), *_left_behind(outputs, table)]
    file, row = entry.path.name, entry.row
    return Done(entry.name, "; ".join(said), error=why, file=file, number=row)


def _left_behind(outputs: Outputs, table: SeriesTable) -> list[str]:
    """Set aside what an earlier run wrote of an image that failed, and say so."""
    stem, entry = outputs.stem, outputs.entry
    is_another = table.file_of(stem.name) not in ("", entry.path.name)
    if is_another and entry.row is None:  # X.png's, while X.jpg fails
        return []
    try:
        moved = set_aside(files_of(stem.parent, stem.name), stem.name)
    except OSError as error:
        return [f"what an earlier run wrote of it is still there: {reason(error)}"]
    return _said_of(moved)


def _said_of(moved: Sequence[Path]) -> list[str]:
    names = ", ".join(path.name for path in moved)
    return [f"what an earlier run wrote of it is called {names} now"] if moved else []


def _segmented(outputs: Outputs, progress: ProgressHook) -> Done:
    began = perf_counter()
    entry, options, name = outputs.entry, outputs.options, outputs.entry.path.name
    image = read_image(entry.path)
    kept = outputs.kept(image) if options.resume else None
    if kept is not None:
        sizes = _sizes(kept.labels, image, kept.record)
        outcome, mask = _outcome(kept.record), kept.mask
        found = mask_headline(kept.labels, kept.record, image)
        what = entry.name, outcome, found, mask, sizes
        return Done(*what, file=name, is_kept=True)
    result = segment(
        outputs.loaded,
        image,
        entry.patient,
        settings=options.settings,
        progress=progress,
        priors=options.priors,
    )
    saved = save_segmentation(
        outputs.stem.parent,
        outputs.stem.name,
        result,
        image,
        routing=options.routing,
        file_format=options.file_format,
        overwrite=options.overwrite,
    )
    sizes = _sizes(result.labels, image, result.provenance)
    outcome = "; ".join((_outcome(result.provenance), *_said_of(saved.set_aside)))
    found = mask_headline(result.labels, result.provenance, image)
    seconds = perf_counter() - began
    what = entry.name, outcome, found, saved.labels, sizes
    return Done(*what, seconds=seconds, file=name)


def _outcome(record: Provenance) -> str:
    is_mixed = any(driver.value is None for driver in record.drivers)
    drivers = ("; " if is_mixed else ", ").join(describe_drivers(record))
    made_for = f"segmented for {drivers}" if drivers else "segmented"
    return "; ".join((made_for, *record.notices))


def _sizes(
    labels: NDArray[np.uint8], image: SpatialImage, record: Provenance
) -> dict[str, str]:
    """Return sizes where they can be told: of a plane or volume, on its own pixels."""
    is_on_source = record.settings["scored_at"] == "source"
    if not is_on_source or labels.ndim != len(record.grid["shape"]):
        return {}
    return sizes_of(record.by_frame(labels), image, record.classes)


def describe_drivers(provenance: Provenance) -> list[str]:
    """Say the value of each driver, or that it was unknown and what was mixed."""
    return [driver.words for driver in provenance.drivers]


def sizes_of(
    labels: NDArray[np.uint8], image: SpatialImage, classes: tuple[str, ...]
) -> dict[str, str]:
    """Return the table's columns on sizes: of each class, and cup-to-disc ratio."""
    along = SPATIAL_AXES[-labels.ndim :]
    frame = Frames(image, along)[0]
    # The pixel's size is the same in whichever order its axes stand.
    on_frame = SpatialImage(labels, along, frame.affine, frame.unit)
    columns = {
        f"{size.name} ({size.unit})": f"{size.size:.6g}"
        for size in class_sizes(on_frame, classes)
    }
    ratio = cup_to_disc(labels, classes)
    if ratio is not None:
        columns["cup/disc (area)"] = f"{ratio.area:.4f}"
        columns["cup/disc (vertical)"] = f"{ratio.vertical:.4f}"
    return columns
