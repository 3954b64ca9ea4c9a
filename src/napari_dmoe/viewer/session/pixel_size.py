"""The size of an image's pixels that no file states, but a person: written into layers.

It is never guessed. What lies on the image moves along, and the records say who stated
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from napari.layers import Image, Layer

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers import placement
from napari_dmoe.viewer.layers.camera import view_kept
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.session.results import Result

if TYPE_CHECKING:
    from napari_dmoe.viewer.session.session import Session


def state_pixel_size(session: Session, image: Image, mm: Mapping[str, float]) -> None:
    """Write a size that a person states into an image and all that lies on it.

    Masks of 2D models hold as they are, for such a model sees no sizes; those of 3D
    models are outdated.

    Parameters
    ----------
    session : Session
        Knows what lies on the image.
    image : napari.layers.Image
        An image of unknown pixel size, or one whose size was stated before.
    mm : mapping of str to float
        Distance of neighbours in mm along its axes z, y and x, as far as it has them.
    """
    results = session.results_of(image)
    current = [
        not session.outdated(image, each.request) and _is_of_plane(each)
        for each in results
    ]
    others = _on(session, image, results)
    if session.viewer is None:
        placement.state_size(image, mm, others=others)
    else:
        with view_kept(session.viewer, image):
            placement.state_size(image, mm, others=others)
    for result, still_holds in zip(results, current, strict=True):
        if _is_of_plane(result):
            _tell(session, image, result, still_holds=still_holds)
    session.result_changed.emit()


def _on(session: Session, image: Image, results: list[Result]) -> list[Layer]:
    """Return the layers that lie on an image."""
    layers = session.groups.layers(image)
    for result in results:
        references = (result.mask, *result.maps)
        layers += [layer for each in references if (layer := each()) is not None]
    return layers


def _is_of_plane(result: Result) -> bool:
    return len(result.segmentation.grid.shape) == 2


def _tell(session: Session, image: Image, result: Result, *, still_holds: bool) -> None:
    """Let a result's record say where its image lies now, and who said so."""
    made, pixels = result.segmentation, placement.to_image(plain(image))
    record = made.provenance
    affine = tuple(map(tuple, pixels.affine.tolist()))
    known = record.image.model_copy(update={"affine": affine, "unit": pixels.unit})
    told = (n for n in record.notices if not n.startswith(placement.SIZE_STATED))
    notices = (*told, *pixels.notices)
    update = {"image": known, "notices": tuple(dict.fromkeys(notices))}
    record = record.model_copy(update=update)
    request = result.request
    if still_holds:
        version = session.version_of(image)
        request = replace(request, image_version=version)
    segmentation = replace(made, provenance=record)
    result.outcome = replace(result.outcome, segmentation=segmentation, request=request)
    mask = result.mask()
    if mask is not None and METADATA_KEY in mask.metadata:
        mask.metadata[METADATA_KEY] |= record.model_dump(
            mode="json", exclude={"edited"}
        )
