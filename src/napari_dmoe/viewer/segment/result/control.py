"""Shows the result of the image that is worked on, and does what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal

from napari_dmoe.inference.masks.headline import IMPLAUSIBLE
from napari_dmoe.models.training_images import LOADS
from napari_dmoe.patient import PatientError
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.contributed import ABOUT
from napari_dmoe.viewer.layers.measuring import differ, edits_of
from napari_dmoe.viewer.layers.records import badge
from napari_dmoe.viewer.layers.truth_layers import NO_TRUTH
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.segment.result.rows import (
    ShownMasks,
    empty_rows,
    frame_note,
)
from napari_dmoe.viewer.segment.result.view import ResultSection, ResultState
from napari_dmoe.viewer.segment.subject.fit import FitControl
from napari_dmoe.viewer.segment.truth.control import TruthControl
from napari_dmoe.viewer.session.checks import (
    describe_run,
    run_notices,
    unlike_notice,
    was_for_others,
    why_not_again,
)
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.tidying import bring_back, tidy
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.docking import bring_up, contributed_widget
from napari_dmoe.viewer.ui.measuring import MEASURING, Measuring

if TYPE_CHECKING:
    from napari.layers import Image


NOTHING_THERE = "The mask was removed"


class ResultControl(Control):
    """Keeps the result section up to date."""

    measured = Signal()
    """What takes long was measured, and is shown."""

    def __init__(
        self,
        bench: Bench,
        section: ResultSection,
        fit: FitControl,
        truth: TruthControl,
    ) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section, self._fit, self._truth = section, fit, truth
        fit.found.connect(self.show)
        truth.arrived.connect(self.show)
        self._measuring = Measuring(self)
        self._measuring.arrived.connect(self._on_measured)
        self._headline = ""
        self._rows: list[TableRow] = []
        viewer = session.viewer
        dims = () if viewer is None else (viewer.dims.events.current_step,)
        changes = session.result_changed, session.settings_changed, *dims
        changes = *changes, session.truths.changed
        self._refresh = Refresh(
            self, self.show, soon=(*session.subject_changes, *changes)
        )
        section.result_chosen.connect(self._on_chosen)
        section.previous_requested.connect(self._on_previous)
        section.keep_toggled.connect(self._on_keep)
        section.tidy_requested.connect(self._on_tidy)
        section.record_requested.connect(self._on_record)
        self._refresh.soon()

    def _on_measured(self) -> None:
        self.show()
        self.measured.emit()

    def show(self) -> None:
        """Show the result of the image that is worked on."""
        section, viewer = self._section, self._session.viewer
        image, result = self._session.current
        if image is None or result is None or viewer is None:
            model = self._session.model
            section.show_nothing(empty_rows(model.card.classes) if model else ())
            return
        step = viewer.dims.current_step[-image.ndim :]
        found = self._measured(image, result, step)
        notes = [frame_note(image, result, step), *run_notices(result)]
        if found is not None:
            self._headline, self._rows = found
        else:
            empty = empty_rows(result.segmentation.classes)
            lines = [row.name for row in self._rows]
            if lines[: len(empty)] != [row.name for row in empty]:
                self._rows = empty
        section.show_result(
            MEASURING if found is None else self._headline,
            self._rows,
            is_measured=found is not None,
            is_doubtful=found is not None and self._headline.startswith(IMPLAUSIBLE),
            summary=describe_run(result),
            unlike=unlike_notice(result.segmentation),
            is_unlike_said=self._is_unlike_said(image, result),
            badge=badge(result.segmentation.provenance),
            outdated=self._outdated(image, result),
            notices=[note for note in notes if note],
        )
        shown = self._session.results_of(image)
        names, place = tuple(each.title for each in shown), shown.index(result)
        has_previous = result.before is not None and not result.looks_edited
        section.show_state(ResultState(names, place, has_previous, result.is_kept))

    def _measured(
        self, image: Image, result: Result, step: Sequence[int]
    ) -> tuple[str, list[TableRow]] | None:
        """Return headline and lines; None while a large mask is measured."""
        self._compare(result)
        truth = self._truth.read(image, result) or NO_TRUTH
        mask, masks = result.mask(), ShownMasks.of(result, image, truth)
        if mask is None or masks is None:
            return NOTHING_THERE, []
        shown, frame = masks.at(step), masks.frame
        named = zip(frame.names, step, strict=True)
        place = tuple(int(at) for name, at in named if name not in frame.along)
        lies = frame.affine.tobytes(), frame.unit
        n, is_true = truth.key, masks.truth_at(step)
        key = id(result.outcome), place, len(shown), n, *lies
        size = sum(each.size for each in shown)
        measure = partial(masks.measure, shown, is_true)
        measured = self._measuring.of(mask, key, size, measure)
        if measured is None:
            return None
        return measured[0].headline, masks.rows(measured)

    def _compare(self, result: Result) -> None:
        """Find out whether a mask differs from what was made, if that takes long."""
        mask = result.mask()
        if mask is None or result.is_compared:
            return
        compare = partial(differ, np.asarray(mask.data), result.original)
        found = self._measuring.of(mask, "is another", mask.data.size, compare)
        if found is not None:
            result.note_compared(edits_of(mask), found)

    def _outdated(self, image: Image, result: Result) -> str:
        said = self._session.outdated(image, result.request)
        is_of_driver = self._is_of_driver(image, result)
        why_not = why_not_again(result) if is_of_driver else ""
        because = f" ({why_not})" if why_not else ""
        if result.request.is_of_file:
            said = because  # of its run nothing is known but for whom it was
        if not said:
            return ""
        if result.looks_edited or result.request.is_of_file:  # it belongs to no run
            return f"Segment adds a mask beside it{because}." if because else ""
        what = "Segment again" if result.is_plain else "Make it again in “What if”"
        return f"{said} {what}{because}."

    def _is_unlike_said(self, image: Image, result: Result) -> bool:
        """Say whether the line on image and model tells of it what the result would.

        That line knows nothing of how often the experts were used.
        """
        if not self._fit.says_unlike or LOADS in unlike_notice(result.segmentation):
            return False
        return self._is_of_driver(image, result)

    def _is_of_driver(self, image: Image, result: Result) -> bool:
        """Say whether nothing but the patient is another than when it was made."""
        session, request = self._session, result.request
        if session.model is None:
            return False
        if request.is_of_file:
            patient = session.patient_of(image)
            return was_for_others(result, session.model.card, patient)
        try:
            changes = request.changes(session.request(image, session.model))
        except PatientError:
            return False
        return set(changes) <= {name.replace("_", " ") for name in request.routers}

    def _on_chosen(self, place: int) -> None:
        image = self._session.image
        shown = self._session.results_of(image)
        if image is not None and 0 <= place < len(shown):
            self._session.choose_result(image, shown[place])

    def _on_previous(self) -> None:
        image = self._session.image
        if image is not None:
            bring_back(self._session, image)
            self._work.say("The earlier result is back, with its patient.")

    def _on_tidy(self, is_everywhere: bool) -> None:
        session, image = self._session, self._session.image
        one = [] if image is None else [image]
        self._work.say(tidy(session, session.images() if is_everywhere else one))

    def _on_keep(self, is_kept: bool) -> None:
        _, result = self._session.current
        if result is not None:
            result.is_kept = is_kept

    def _on_record(self) -> None:
        _, result = self._session.current
        mask, viewer = None if result is None else result.mask(), self._session.viewer
        window = getattr(viewer, "window", None)
        if mask is not None and viewer is not None and window is not None:
            viewer.layers.selection.active = mask
            kind = contributed_widget(ABOUT)
            bring_up(window, kind, ABOUT, partial(kind, viewer), tabify=True)
