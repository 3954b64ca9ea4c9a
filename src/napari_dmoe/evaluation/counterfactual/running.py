"""Cases of an audit, some at a time: read, run for every value, held side by side.

The images of a part share the network's batches. One image that cannot be used does
not stop the others; it is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case, CaseRow, CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.labels import placed_labels
from napari_dmoe.evaluation.counterfactual.audited import AuditedCase, CaseSweep
from napari_dmoe.evaluation.counterfactual.parts import DoneCase
from napari_dmoe.evaluation.counterfactual.settings import AuditSettings
from napari_dmoe.evaluation.counterfactual.sweeping import (
    CasePlan,
    CaseRouting,
    Mask,
    case_routing,
    case_sweeps,
)
from napari_dmoe.faults import shown, told
from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.forward import Answers
from napari_dmoe.inference.running.many import Asked, Joined, answered, batches_for
from napari_dmoe.inference.what_if.yardstick import moved_masks
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.naming import as_known, heard_of, is_known_to
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Phases, Progress, ProgressHook, part_of

READING, RUNNING, DRAWING = "reading", "running", "comparing"
_SHARES = {READING: 1.0, RUNNING: 6.0, DRAWING: 2.0}
"""Of a part; the estimator learns how fast each is."""


@dataclass
class _Opened:
    """A case whose image was read, with what it needs."""

    row: Case | CaseRow
    number: int
    patient: Patient = field(default_factory=Patient)
    case: Case | None = None
    truth: NDArray[Any] | None = None
    """Classes along the axes of the masks, on the image's pixels."""
    notes: list[str] = field(default_factory=list)
    plan: CasePlan | None = None
    joined: Joined | None = None
    error: Exception | None = None


class PartRunner:
    """Audits the cases of one cohort, part by part.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    drivers : sequence of CardAttribute
        What is swept.
    settings : AuditSettings
        How.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        drivers: Sequence[CardAttribute],
        settings: AuditSettings,
    ) -> None:
        self.loaded, self.drivers, self.settings = loaded, tuple(drivers), settings
        self.how = settings.of_runs()
        self.batches = batches_for(self.how)
        self.reading = LabelReading(
            loaded.card.classes, unlabelled=NOT_ANNOTATED, is_stated=False
        )

    def run(
        self, rows: Sequence[tuple[int, Case | CaseRow]], progress: ProgressHook
    ) -> list[DoneCase]:
        """Audit some rows, each with its place in the cohort.

        Parameters
        ----------
        rows : sequence of (int, CaseRow)
            What is held in memory together.
        progress : callable
            Told of this part; may raise ``Cancelled``.
        """
        phases = Phases(progress, _SHARES)
        opened = []
        for n, (number, row) in enumerate(rows):
            message = f"case {number + 1}"
            phases.of(READING)(Progress(n, len(rows), message))
            opened.append(self._opened(number, row))
        together = [each.joined for each in opened if each.joined is not None]
        running = phases.of(RUNNING)
        answers = iter(
            answered(self.loaded, together, self.how, self.batches, running)
            if together
            else ()
        )
        done = []
        for n, each in enumerate(opened):
            answer = next(answers) if each.joined is not None else None
            is_alone = answer is None
            hook = part_of(
                running if is_alone else phases.of(DRAWING),
                n,
                len(opened),
                f"case {each.number + 1}",
            )
            hook(Progress(0, 1))
            done.append(self._done(each, answer, hook))
            each.case = each.truth = each.plan = each.joined = None  # they are large
        progress(Progress(1, 1, "comparing"))
        return done

    def _opened(self, number: int, row: Case | CaseRow) -> _Opened:
        found = _Opened(row, number)
        with _told_of(found):
            case = row if isinstance(row, Case) else row.read()
            card = self.loaded.card
            found.patient = heard_of(case.patient, [a.name for a in card.attributes])
            found.case = case
            found.truth = self._truth(found, case)
            found.notes += [
                f"{attribute.label.lower()} is no value that the model knows, and was "
                "taken for unknown"
                for attribute in card.attributes
                if not is_known_to(attribute, found.patient)
            ]
            found.plan = CasePlan(
                self.loaded,
                self.drivers,
                as_known(found.patient, card.attributes),
                self.how,
                # Of a volume it takes as long as all values, so only where it counts.
                with_mixture=card.dims == 2 or found.truth is not None,
            )
            asked = Asked(case.image, tuple(found.plan.choices))
            found.joined = Joined(self.loaded, asked, self.how)
        return found

    def _truth(self, found: _Opened, case: Case) -> NDArray[Any] | None:
        """Return a case's truth as classes; the masks can be compared without, too."""
        if case.labels is None:
            return None
        try:
            values = placed_labels(case, source_axes(case.image.axes))
            self.reading.note(case.labels.notices, case.id)
            truth = self.reading.read(values, case.id)
        except CohortError as error:
            why = str(error).removeprefix(f"case {case.id}: ")
            found.notes.append(f"its truth is not used: {why}")
            return None
        found.notes += self.reading.notices_of(case.id)
        return truth

    def _done(
        self, each: _Opened, answer: Answers | None, progress: ProgressHook
    ) -> DoneCase:
        sweeps: tuple[CaseSweep, ...] = ()
        routing: CaseRouting | None = None
        if each.joined and each.plan and each.case:
            with _told_of(each):
                names = tuple(driver.name for driver in self.drivers)
                results = each.joined.results(
                    answer, self.batches, progress, swept=names
                )
                moved = self._moved(each.case, each.plan, results)
                sweeps = case_sweeps(each.plan, results, truth=each.truth, moved=moved)
                routing = case_routing(each.plan, results)
        notes = each.notes
        if each.error is not None:
            sweeps, notes = (), [told(shown(each.error))]
        case = AuditedCase(
            id=each.row.id,
            number=each.number,
            status="audited" if sweeps else "failed",
            said="; ".join(notes),
            subject=each.row.subject,
            patient=each.patient,
            further=getattr(each.row, "further", {}),
            has_truth=bool(sweeps) and each.truth is not None,
            sweeps=sweeps,
        )
        return DoneCase(case, routing if sweeps else None)

    def _moved(
        self, case: Case, plan: CasePlan, results: Sequence[Segmentation]
    ) -> Mapping[str, Sequence[Mask]]:
        """Return masks on the image moved by one pixel, where they are asked for."""
        if not self.settings.reruns:
            return {}
        by_run: dict[int, Sequence[Mask]] = {}
        for driver in self.drivers:
            place = plan.place_of_yardstick(driver)
            if place not in by_run:
                by_run[place] = moved_masks(
                    self.loaded,
                    case.image,
                    plan.choices[place],
                    self.how,
                    like=results[place],
                    progress=lambda step: None,
                )
        return {d.name: by_run[plan.place_of_yardstick(d)] for d in self.drivers}


class _told_of:
    """Keeps what goes wrong with one case for its row, and lets the others go on."""

    def __init__(self, each: _Opened) -> None:
        self._each = each

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is None or isinstance(error, Cancelled):
            return False
        if not isinstance(error, ValueError | OSError | MemoryError | RuntimeError):
            return False
        self._each.error = error
        return True


def numbered_parts(
    rows: Sequence[Case | CaseRow], size: int
) -> Iterator[list[tuple[int, Case | CaseRow]]]:
    """Yield the rows of a cohort, some at a time, each with its place."""
    for begin in range(0, len(rows), size):
        yield list(enumerate(rows[begin : begin + size], begin))
