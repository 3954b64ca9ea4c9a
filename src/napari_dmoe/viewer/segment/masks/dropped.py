"""Masks of runs that are opened or dropped as files: results of the open image.

That is the one that they are named after, or else the one whose pixels the record has
the hash of. Until that image is open a mask is hidden: it would lie on another patient.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image, Labels, Layer

from napari_dmoe.imaging.mask_likeness import Certainty
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers import found_masks as layers
from napari_dmoe.viewer.layers import undecided
from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.records import is_mask, layer_record
from napari_dmoe.viewer.segment.masks.of_record import pixels_of, places_of
from napari_dmoe.viewer.segment.result.view import ResultSection
from napari_dmoe.viewer.session.inquiry import GONE
from napari_dmoe.viewer.session.reopening import is_on, show_alone
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order


class DroppedResults(Control):
    """Looks for the image of each mask of a run that came as a file."""

    def __init__(self, bench: Bench, section: ResultSection) -> None:
        super().__init__(bench, section)
        self._compared: WeakKeyDictionary[Layer, WeakSet[Layer]] = WeakKeyDictionary()
        """Images that a mask is not of, or is being compared with."""
        self._refresh = Refresh(self, self.show, soon=(bench.session.images_changed,))
        self._refresh.soon()

    def show(self) -> None:
        """Give masks to their images, where that is known; else compare the pixels."""
        images = self._session.images()
        for mask in undecided.dropped_results_of(self._session.viewer):
            if not images or not is_mask(mask):
                continue
            judgement = layers.judged(mask, images)
            if judgement.certainty is Certainty.CERTAIN:
                self._give(mask, images[judgement.owners[0]])
                continue
            self._session.showing.own(None, mask)
            known = self._compared.setdefault(mask, WeakSet())
            new = [each for each in images if each not in known and is_on(mask, each)]
            known.update(new)
            self._compare(mask, new)

    def _compare(self, mask: Labels, images: Sequence[Image]) -> None:
        record, shown = layer_record(mask), self._session.image
        if record is None:
            return
        dims = len(record.grid["shape"])
        order = Order(
            title=f"dMoE: looking for the image of {mask.name}",
            status=f"Looking for the image of “{mask.name}” …",
            work=partial(_compared, record, [pixels_of(each, dims) for each in images]),
            then=partial(
                self._on_compared,
                weakref.ref(mask),
                [weakref.ref(each) for each in images],
                None if shown is None else weakref.ref(shown),
            ),
        )
        self._work.start_beside(order)

    def _on_compared(
        self,
        reference: weakref.ref[Labels],
        images: Sequence[weakref.ref[Image]],
        before: weakref.ref[Image] | None,
        places: Sequence[int],
    ) -> str:
        viewer, mask = self._session.viewer, reference()
        if mask is None or not stays(viewer, mask):
            return GONE
        for place in places:
            image = images[place]()
            if image is not None and stays(viewer, image):
                self._give(mask, image)
                if before is not None and before() is self._session.image:
                    self._session.choose_image(image)
                return f"“{mask.name}” is a result of “{image.name}”."
        return (
            f"The image of “{mask.name}” is not open: the mask is hidden until it is."
        )

    def _give(self, mask: Labels, image: Image) -> None:
        undecided.decide(mask, undecided.LABELS)
        layers.raise_over(self._session.viewer, mask, image)
        show_alone(self._session, mask, image)


def _compared(
    record: Provenance, pixels: Sequence[SpatialImage | None], hook: ProgressHook
) -> tuple[int, ...]:
    hook(Progress(0, 1, "comparing pixels"))
    return places_of(record, pixels)
