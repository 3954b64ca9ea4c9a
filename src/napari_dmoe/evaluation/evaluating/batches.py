"""The cases of one batch: read and prepared, and then run, scored and written.

Reading needs no network, so that the next batch is read while one is run. Which cases
make up a batch depends on their places in the cohort alone: a run that goes on gives
what the whole run would have given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case, CaseRow
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.labels import placed_labels
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.faults import shown, told
from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.inference.results.routing import NO_ROUTING
from napari_dmoe.inference.running.drivers import RouterChoice, choose_routers
from napari_dmoe.inference.running.many import Asked, Joined
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.naming import as_known, heard_of, is_known_to, unheard_of
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Pulse

MOST_BYTES = 2**28
"""Of images that are held together: larger ones share batches with fewer others."""


@dataclass
class ReadCase:
    """One case, read and prepared, or what is wrong with it."""

    number: int
    row: CaseRow
    patient: Patient = field(default_factory=Patient)
    case: Case | None = None
    truth: NDArray[Any] | None = None
    """Classes along :attr:`axes`, on the image's pixels."""
    axes: tuple[str, ...] = ()
    joined: Joined | None = None
    """Ready for the network; None where it cannot be run."""
    notes: tuple[str, ...] = ()
    """What is said of many cases alike."""
    understood: tuple[str, ...] = ()
    """How its labels were read."""
    failed: str = ""
    """What is wrong with it."""

    @property
    def n_bytes(self) -> int:
        """Memory that its image takes."""
        if self.case is None:
            return 0
        data = self.case.image.data
        return int(np.prod(data.shape)) * int(np.dtype(data.dtype).itemsize)


@dataclass
class Part:
    """Cases of one batch that are run together: all, unless their images are large."""

    cases: list[ReadCase]
    reading: Mapping[str, Any] | None = None
    """At the end of a batch, what its labels decide of further ones; else None."""


@dataclass
class Reader:
    """Reads one case after another, in their order."""

    loaded: LoadedModel
    settings: EvaluationSettings
    labels: LabelReading

    def parts(
        self, rows: Sequence[CaseRow], *, first: int, pulse: Pulse
    ) -> Iterator[Part]:
        """Yield the cases of a cohort from a place on, as many as are run together."""
        n = self.settings.batch
        for begin in range(first, len(rows), n):
            together: list[ReadCase] = []
            for number in range(begin, min(begin + n, len(rows))):
                pulse()
                case = self.one(number, rows[number])
                so_far = sum(each.n_bytes for each in together)
                if together and so_far + case.n_bytes > MOST_BYTES:
                    yield Part(together)
                    together = []
                together.append(case)
            yield Part(together, self.labels.so_far())

    def one(self, number: int, row: CaseRow) -> ReadCase:
        """Return one case; whatever is wrong with it stops no other."""
        read, before = ReadCase(number, row), self.labels.so_far()
        try:
            self._fill(read)
        except Cancelled:
            raise
        # One case that fails, for whatever reason, stops no cohort.
        except Exception as error:  # noqa: BLE001 - it is told
            read.failed = failed(error)
            read.joined = None
            # Labels that cannot be read decide nothing of the others'.
            self.labels.go_on(before)
            with suppress(ValueError, OSError):
                read.patient = row.patient
        read.understood = self.labels.notices_of(row.id)
        return read

    def _fill(self, read: ReadCase) -> None:
        read.case = case = read.row.read()
        drivers = self.loaded.card.attributes
        names = [each.name for each in drivers]
        # What nobody has heard of stays in its column, and is no attribute.
        unheard = unheard_of(case.patient, names)
        read.patient = case.patient.without(set(unheard) & set(read.row.further))
        read.axes = source_axes(case.image.axes)
        if case.labels is not None:
            values = placed_labels(case, read.axes)
            self.labels.note(case.labels.notices, case.id)
            read.truth = self.labels.read(values, case.id)
        elif not self.settings.keep_masks:
            return
        known = as_known(heard_of(case.patient, names), drivers)
        choice = choose_routers(self.loaded, known, self.settings.inference)
        read.notes = tuple(_notes(read.patient, drivers, choice))
        asked = Asked(case.image, (choice,), NO_ROUTING)
        read.joined = Joined(self.loaded, asked, self.settings.inference)


def _notes(
    patient: Patient, drivers: Sequence[CardAttribute], choice: RouterChoice
) -> Iterator[str]:
    """Yield what was decided for a patient, in words that others share."""
    for attribute, driver in zip(drivers, choice.drivers, strict=False):
        if not is_known_to(attribute, patient):
            yield (
                f"{attribute.label.lower()} is no value that the model knows, and was "
                "run as unknown"
            )
        if driver.value is None:
            yield driver.words
    yield from choice.notices


def failed(error: Exception) -> str:
    """Say why a case failed, in words that can be shown."""
    return told(shown(error))
