"""``napari-dmoe segment``: an image, a folder or a cohort, without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from napari_dmoe.cli.options import (
    Age,
    Card,
    Checkpoint,
    Further,
    Output,
    Race,
    Severity,
    Sex,
    patient_of,
    with_settings,
)
from napari_dmoe.cli.outcome import BAD_INPUT, clear_errors, progress_bar
from napari_dmoe.inference.settings import InferenceSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.export import FileFormat
    from napari_dmoe.inference.provenance import DriverRecord
    from napari_dmoe.inference.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient

SUMMARY = "segment.csv"
"""Table of what was done, in the output folder."""


@dataclass(frozen=True)
class _Job:
    """One image to segment, not yet read."""

    name: str
    path: Path
    patient: Patient


@with_settings(InferenceSettings)
def segment(
    source: Annotated[
        Path, typer.Argument(metavar="IMAGE|FOLDER|COHORT.csv", help="What to segment.")
    ],
    checkpoint: Checkpoint,
    output: Output,
    card: Card = None,
    sex: Sex = None,
    race: Race = None,
    age: Age = None,
    severity: Severity = None,
    attribute: Further = None,
    routing: Annotated[
        bool, typer.Option("--routing", help="Also write the gates of every block.")
    ] = False,
    file_format: Annotated[
        str,
        typer.Option(
            "--format", help="tiff, nifti, or auto: nifti for 3D models, else tiff."
        ),
    ] = "auto",
    *,
    settings: InferenceSettings,
) -> None:
    """Segment for a patient; what is not given of the patient is unknown.

    In a cohort each row brings its own patient. Writes the labels of each image (TIFF,
    or NIfTI for volumes), their record as JSON, and a table of sizes, segment.csv.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.models.checkpoint import load_checkpoint
        from napari_dmoe.progress import Progress

        patient = patient_of(
            sex=sex, race=race, age=age, severity=severity, further=attribute
        )
        jobs = list(_jobs(source, patient))
        loaded = load_checkpoint(checkpoint, card)
        work = _Work(loaded, settings, output, routing, _format(file_format))
        for number, job in enumerate(jobs):
            progress(Progress(number, len(jobs), job.name))
            work.do(job, is_alone=len(jobs) == 1)
        work.finish()
    if work.n_failed:
        raise typer.Exit(BAD_INPUT)


def _jobs(source: Path, patient: Patient) -> Iterator[_Job]:
    from napari_dmoe.cohorts.datasets import TABLE, CohortError, read_cohort
    from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_stem, image_suffix

    is_cohort = source.suffix.lower() == ".csv" or (source / TABLE).is_file()
    if is_cohort:
        if patient.known():
            raise CohortError(
                "a cohort's table gives each patient: leave out --sex, --race, --age, "
                "--severity and --attribute"
            )
        for row in read_cohort(source).rows:
            yield _Job(row.id, row.image, row.patient)
    elif source.is_dir():
        paths = sorted(p for p in source.iterdir() if image_suffix(p) in IMAGE_SUFFIXES)
        if not paths:
            raise ValueError(f"{source.name} holds no image and no {TABLE}")
        yield from (_Job(image_stem(path), path, patient) for path in paths)
    else:
        yield _Job(image_stem(source), source, patient)


def _format(name: str) -> FileFormat:
    if name not in ("auto", "tiff", "nifti"):
        raise ValueError(f"there is no format {name!r}: use auto, tiff or nifti")
    return cast("FileFormat", name)


class _Work:
    """Segments images one after another, and keeps the table of what was done."""

    def __init__(
        self,
        loaded: LoadedModel,
        settings: InferenceSettings,
        output: Path,
        routing: bool,
        file_format: FileFormat,
    ) -> None:
        self.loaded, self.settings = loaded, settings
        self.output, self.routing = output, routing
        self.file_format = file_format
        self.rows: list[dict[str, str]] = []
        self.stems: set[str] = set()
        self.n_failed = 0

    def do(self, job: _Job, *, is_alone: bool) -> None:
        """Segment one image; in a series, a bad one does not stop the others."""
        try:
            self._segment(job)
        except (ValueError, OSError, MemoryError) as error:
            if is_alone:
                raise
            self.n_failed += 1
            message = " ".join(str(error).split())
            typer.echo(f"napari-dmoe: {job.name}: {message}", err=True)
            self.rows.append({"image": job.name, "outcome": message})

    def _segment(self, job: _Job) -> None:
        from napari_dmoe.imaging.files import read_image
        from napari_dmoe.inference.export import save_segmentation
        from napari_dmoe.inference.segment import segment as run

        image = read_image(job.path)
        result = run(self.loaded, image, job.patient, settings=self.settings)
        saved = save_segmentation(
            self.output,
            self._stem(job.name),
            result,
            image,
            routing=self.routing,
            file_format=self.file_format,
        )
        outcome = "; ".join((_done(result), *result.provenance.notices))
        row = {"image": job.name, "outcome": outcome, "labels": saved.labels.name}
        on_source = self.settings.scored_at == "source"
        if on_source and len(result.axes) == len(result.grid.shape):
            row |= _sizes(result.labels, image, result.classes)
        self.rows.append(row)
        typer.echo(f"{saved.labels}: {outcome}")

    def _stem(self, name: str) -> str:
        from napari_dmoe.inference.export import safe_stem

        stem, number = safe_stem(name), 2
        while stem in self.stems:
            stem, number = f"{safe_stem(name)}-{number}", number + 1
        self.stems.add(stem)
        return stem

    def finish(self) -> None:
        """Write the table."""
        import io

        import defusedcsv.csv as csv

        from napari_dmoe.imaging.atomic import write_text

        columns = dict.fromkeys(name for row in self.rows for name in row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(columns), restval="")
        writer.writeheader()
        writer.writerows(self.rows)
        self.output.mkdir(parents=True, exist_ok=True)
        write_text(self.output / SUMMARY, text.getvalue())


def _done(result: Segmentation) -> str:
    """Say for which values of the drivers an image was segmented."""
    drivers = result.provenance.drivers
    parts = [_driver(driver) for driver in drivers]
    return f"segmented for {', '.join(parts)}" if parts else "segmented"


def _driver(driver: DriverRecord) -> str:
    name = driver.attribute.replace("_", " ")
    if driver.value is None:
        return f"{name} unknown ({len(driver.values)} values mixed)"
    return f"{name} {driver.value}"


def _sizes(
    labels: NDArray[np.uint8], image: SpatialImage, classes: tuple[str, ...]
) -> dict[str, str]:
    """Return the table's columns on sizes: of each class, and cup-to-disc ratio."""
    from napari_dmoe.imaging.frames import Frames
    from napari_dmoe.imaging.spatial import SPATIAL_AXES
    from napari_dmoe.imaging.spatial import SpatialImage as Image
    from napari_dmoe.inference.measures import class_sizes, cup_to_disc

    along = SPATIAL_AXES[-labels.ndim :]
    frame = Frames(image, along)[0]
    # The pixel's size is the same in whichever order its axes stand.
    on_frame = Image(labels, along, frame.affine, frame.unit)
    columns = {
        f"{size.name} ({size.unit})": f"{size.size:.6g}"
        for size in class_sizes(on_frame, classes)
    }
    ratio = cup_to_disc(labels, classes)
    if ratio is not None:
        columns["cup/disc (area)"] = f"{ratio.area:.4f}"
        columns["cup/disc (vertical)"] = f"{ratio.vertical:.4f}"
    return columns
