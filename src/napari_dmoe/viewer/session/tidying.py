"""What clears up on an image: fewer layers, or the earlier mask with its patient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_dmoe.patient import attribute_called
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.session.patients import EARLIER
from napari_dmoe.viewer.session.results import let_go, show_previous

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.viewer.session.session import Session


def tidy(session: Session, images: Iterable[Layer]) -> str:
    """Let every layer of ours on some images go but their masks; say how many.

    The masks of what-ifs go, too. What was painted on stays, and what is kept.
    """
    n, viewer = 0, session.viewer
    for image in () if viewer is None else images:
        n += session.groups.tidy(image) + session.seen_frames.tidy(image)
        n += sum(let_go(viewer, each) for each in session.results_of(image))
        left = session.result_of(image)
        if left is not None:
            session.outlines.discard(left.mask())
            session.choose_result(image, left)
    if not n:
        return "Nothing to tidy: there are only masks, and what was painted or kept."
    return f"Tidied: {n} layer{'s' * (n != 1)} removed; masks stay."


def bring_back(session: Session, image: Image) -> None:
    """Show what the mask that is looked at was before its last run.

    With it comes what was known then of what drives its model, so that the mask is the
    patient's. Again, and both are swapped.
    """
    viewer, result = session.viewer, session.result_of(image)
    if viewer is None or result is None or result.before is None:
        return
    then = result.before.request
    # First the mask: a patient that it is not for would have it made again.
    session.set_result(image, show_previous(viewer, plain(image), result))
    patient, known = session.patient_of(image), then.patient.stated()
    for name in then.routers:
        patient = patient.with_value(name, known.get(attribute_called(name)))
    if patient != session.patient_of(image):
        session.set_patient(image, patient, EARLIER)
