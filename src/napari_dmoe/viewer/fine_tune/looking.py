"""Shows what the tuned model draws, and where that differs from before."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_info

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fine_tune.report_view import OutcomeSection
from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.look import difference_layer
from napari_dmoe.viewer.layers.names import CHANGED_BY_TUNING, mask_by
from napari_dmoe.viewer.layers.placement import in_order
from napari_dmoe.viewer.session.inquiry import Inquiry, holding, if_there
from napari_dmoe.viewer.session.results import Outcome
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari_dmoe.inference.masks.comparison import Comparison
    from napari_dmoe.models.checkpoint import LoadedModel

_OWNER = "tuning"
WAIT = "Wait until the dock's other work has ended, then look."


@dataclass(frozen=True)
class _Looked:
    """What the tuned model drew, and how it differs from before."""

    outcome: Outcome
    comparison: Comparison | None


class LookingControl(Control):
    """Connects the outcome section's looks with the viewer."""

    def __init__(self, bench: Bench, tuning: Tuning, section: OutcomeSection) -> None:
        super().__init__(bench, section)
        self._tuning, self._section = tuning, section
        self._images: list[weakref.ref[Image]] = []
        section.look_requested.connect(self._look)

    def offer(self) -> None:
        """Offer the images of the tuning that are still there."""
        tuning, viewer = self._tuning, self._session.viewer
        there = [] if viewer is None else list(viewer.layers)
        images = [pair.image() for pair in tuning.pairs]
        kept = list(dict.fromkeys(i for i in images if i is not None and i in there))
        self._images = [weakref.ref(image) for image in kept]
        is_over = tuning.state in (State.DONE, State.KEPT)
        self._section.offer_cases(
            [image.name for image in kept],
            may_look=bool(kept) and tuning.has_model and not is_over,
            may_compare=bool(kept) and is_over,
        )

    def _look(self, place: int, is_compared: bool) -> None:
        path, parent = self._tuning.model_file, self._tuning.parent
        image = self._images[place]() if 0 <= place < len(self._images) else None
        if path is None or parent is None or image is None:
            return
        if self._work.is_busy:
            show_info(WAIT)
        else:
            self._session.choose_image(image)
            before = parent if is_compared else None
            self._work.begin(partial(self._order, path, parent, before, image))

    def _order(
        self, path: Path, parent: LoadedModel, before: LoadedModel | None, image: Image
    ) -> Order:
        inquiry = self._session.inquire(image, dims=parent.card.dims)
        return Order(
            title=f"dMoE: looking at {image.name}",
            status=f"Segmenting “{image.name}” with the tuned model …",
            work=partial(_look, self._engines, path, before, inquiry),
            then=if_there(
                self._session,
                image,
                partial(self._show, image),
                if_gone=lambda: "The image was removed: nothing is shown.",
            ),
            problem=holding(self._session, image),
        )

    def _show(self, image: Image, looked: _Looked) -> str:
        session, n = self._session, len(self._tuning.epochs)
        before = session.result_of(image)
        # There to be compared: the next run leaves it.
        name = mask_by(f"the tuned model, round {n}")
        shown = session.show_outcome(image, looked.outcome, name=name)
        if before is not None and looked.comparison is not None:
            session.outlines.add(before.mask())
        if looked.comparison is None:
            return f"Shown: “{shown.title}”."
        return self._show_difference(image, looked.comparison)

    def _show_difference(self, image: Image, comparison: Comparison) -> str:
        made = difference_layer(image, comparison.difference, what=CHANGED_BY_TUNING)
        self._session.groups.put(image, Group.WHAT_IF, made, _OWNER)
        n, total = comparison.n_different, max(1, comparison.difference.size)
        return f"Tuning changed {n} pixels of “{image.name}” ({n / total:.2%})."


def _look(
    engines: Engines,
    path: Path,
    before: LoadedModel | None,
    inquiry: Inquiry,
    hook: ProgressHook,
) -> _Looked:
    """Segment with the tuned model; where wanted, with the one before it, too."""
    hook(Progress(0, 1, "loading the tuned model"))
    loaded = engines.load_checkpoint(str(path), None)
    outcome = inquiry.outcome(engines.segment, loaded, hook)
    if before is None:
        return _Looked(outcome, None)
    old = inquiry.run(engines.segment, before, hook)
    first, second = (
        (in_order(inquiry.axes, each.labels, axes=each.axes), each.classes)
        for each in (old, outcome.segmentation)
    )
    return _Looked(outcome, engines.compare(first, second))
