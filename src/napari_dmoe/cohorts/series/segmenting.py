"""Many images segmented one after another, into a folder with a table of what was done.

Masks need no ground truth. A bad image is said and does not stop the others. Nothing is
written before all is known that can be known: the model, the patients, and that no file
is in the way that is another's.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from napari_dmoe.cohorts.series.done import TRUTH_NOT_USED, AllDone, Done
from napari_dmoe.cohorts.series.listing import Entry
from napari_dmoe.cohorts.series.measuring import headline_and_sizes, outcome_of
from napari_dmoe.cohorts.series.resuming import (
    Mask,
    Outputs,
    SeriesOptions,
    bytes_needed,
)
from napari_dmoe.cohorts.series.rows import series_row
from napari_dmoe.cohorts.series.table import SUMMARY, SeriesTable
from napari_dmoe.cohorts.series.truths import TruthReader
from napari_dmoe.cohorts.tables.refusals import one_error
from napari_dmoe.faults import shown, told
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.imaging.disk.output_names import output_stems
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.masks.truth import RegionScore
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.replacing import (
    ExistingFileError,
    files_of,
    set_aside,
)
from napari_dmoe.inference.results.routing import NO_ROUTING, KeptRouting
from napari_dmoe.inference.results.sidecars import record_path
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


def segment_series(
    loaded: LoadedModel,
    entries: Sequence[Entry],
    output: Path,
    *,
    options: SeriesOptions | None = None,
    progress: ProgressHook = silent,
    tell: Callable[[Done], None] | None = None,
) -> AllDone:
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
    AllDone
        What became of each, in order, and what was understood of the truth of those
        that have one.

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
        for number, each in enumerate(() if options.resume else there):
            progress(
                Progress(0, len(entries), f"looking at {number + 1} of {len(there)}")
            )
            each.refuse_foreign()
        series = _Series(output, table, TruthReader(loaded.card.classes))
        return _all_done(outputs, series, progress, tell)


@dataclass(frozen=True)
class _Series:
    """What the images of a series share."""

    folder: Path
    table: SeriesTable
    truths: TruthReader


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
    series: _Series,
    progress: ProgressHook,
    tell: Callable[[Done], None] | None,
) -> AllDone:
    done, table = AllDone(), series.table
    try:
        for number, each in enumerate(outputs):
            name = each.entry.name
            progress(Progress(number, len(outputs), name))
            hook = _part(progress, number, len(outputs), name)
            done.append(_done(each, series, hook))
            # A single image that fails leaves no table, but where there is one.
            if done[-1].error is None or len(outputs) > 1 or table.has_rows:
                table.add(done[-1].cells)
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
    done.notices = series.truths.notices
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


def _done(outputs: Outputs, series: _Series, progress: ProgressHook) -> Done:
    entry = outputs.entry
    try:
        if entry.problem is not None:
            raise entry.problem
        return _segmented(outputs, series, progress)
    except ExistingFileError as error:  # it came meanwhile, and stays
        return _failed(outputs, series, error, [str(error)])
    except Cancelled:
        raise
    # One image that fails, for whatever reason, stops no series but on a full disk.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        why = shown(error)
        said = [told(why), *_left_behind(outputs, series.table)]
        return _failed(outputs, series, why, said)


def _failed(
    outputs: Outputs, series: _Series, error: Exception, said: Sequence[str]
) -> Done:
    entry, outcome = outputs.entry, "; ".join(said)
    is_named = entry.path != Path()
    cells = series_row(
        entry.name,
        "failed",
        outcome,
        file=entry.path.name,
        patient=None if entry.problem is not None else entry.patient,
        drivers=outputs.drivers if entry.problem is None else (),
        files=outputs.given(series.folder) if is_named else {},
        further=entry.further,
    )
    return Done(
        entry.name,
        outcome,
        error=error,
        file=entry.path.name,
        number=entry.row,
        status="failed",
        cells=cells,
    )


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


def _segmented(outputs: Outputs, series: _Series, progress: ProgressHook) -> Done:
    began = perf_counter()
    entry, options = outputs.entry, outputs.options
    image = read_image(entry.path)
    if options.resume:
        kept = outputs.kept(image)
        if kept is not None:
            return _described(outputs, series, image, kept)
        outputs.refuse_unknown()
    result = segment(
        outputs.loaded,
        image,
        entry.patient,
        settings=options.settings,
        progress=progress,
        priors=options.priors,
        routing=KeptRouting(each_value=False) if options.routing else NO_ROUTING,
    )
    aside = outputs.put_aside(result.provenance.image)
    saved = save_segmentation(
        outputs.stem.parent,
        outputs.stem.name,
        result,
        image,
        routing=options.routing,
        file_format=options.file_format,
        overwrite=options.overwrite,
        series=options.dicom_series or entry.path,
    )
    made = Mask(saved.labels, result.provenance, result.labels, "segmented")
    said = _said_of((*aside, *saved.set_aside))
    done = _described(outputs, series, image, made, said)
    return replace(done, seconds=perf_counter() - began)


def _described(
    outputs: Outputs,
    series: _Series,
    image: SpatialImage,
    mask: Mask,
    said: Sequence[str] = (),
) -> Done:
    """Return what became of an image with a mask, new or kept."""
    entry, record, name = outputs.entry, mask.record, outputs.entry.path.name
    headline, sizes = headline_and_sizes(mask.labels, record, image)
    scores, notes = _scored(entry, series, image, mask)
    outcome = outcome_of(record, is_corrected=mask.status == "corrected")
    outcome = "; ".join((outcome, *said, *notes))
    own = {"labels": mask.path.name, "record": record_path(mask.path).name}
    cells = series_row(
        entry.name,
        mask.status,
        outcome,
        headline=headline,
        file=name,
        patient=entry.patient,
        record=record,
        sizes=sizes,
        scores=scores,
        files=own | outputs.given(series.folder),
        further=entry.further,
    )
    return Done(
        *(entry.name, outcome, headline, mask.path, sizes),
        file=name,
        number=entry.row,
        status=mask.status,
        scores=scores,
        cells=cells,
    )


def _scored(
    entry: Entry, series: _Series, image: SpatialImage, mask: Mask
) -> tuple[tuple[RegionScore, ...], list[str]]:
    """Return the scores against the truth, or why there are none."""
    if entry.labels is None:
        return (), []
    try:
        which = mask.labels, mask.record, image, entry.labels, entry.name
        return series.truths.scores(*which), []
    except (ValueError, OSError) as error:
        why = reason(error).removeprefix(f"case {entry.name}: ")
        return (), [f"{TRUTH_NOT_USED}: {why}"]
