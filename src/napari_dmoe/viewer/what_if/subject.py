"""How a what-if begins, what it is compared with, and the layer of the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_dmoe.inference.masks.comparison import DIFFERENCES
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.look import difference_layer, features_of
from napari_dmoe.viewer.layers.placement import LayerData, on_layer, placement
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.inquiry import Inquiry
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.work import BUSY, Order, Work

_OPACITY = 0.9
"""What changes may be a rim of single pixels between the outlines of two masks."""

if TYPE_CHECKING:
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel


def begin(
    session: Session,
    work: Work,
    order: Callable[[Inquiry, LoadedModel], Order],
    *,
    show_problem: Callable[[str], None],
) -> None:
    """Begin a what-if on the image that is worked on, or show why not.

    Parameters
    ----------
    session : Session
        Gives the image, its patient and the model.
    work : Work
        Does it in the background.
    order : callable
        Returns what is to be done with an inquiry and a model.
    show_problem : callable
        Shows why nothing was begun.
    """
    loaded, image = session.model, session.image
    if loaded is None or image is None:
        return
    try:
        inquiry = session.inquire(image)
        if not work.start(order(inquiry, loaded)):
            show_problem(BUSY)
    except ValueError as error:
        show_problem(str(error))


def plain_result(session: Session, image: Image, request: Request) -> Result | None:
    """Return the result that a plain run of a request would give, if it was run."""
    shown = [each for each in session.results_of(image) if each.request == request]
    return results.latest(shown, chosen=session.result_of(image))


def placed_difference(
    source: Image,
    result: Segmentation,
    difference: Any,
    *,
    name: str,
    words: Sequence[str] = DIFFERENCES,
) -> LayerData:
    """Return where a result's labels differ from others, placed as the result is.

    Parameters
    ----------
    source : napari.layers.Image
        The image.
    result : Segmentation
        Says along which axes the labels lie, and where.
    difference : array
        Labels as :func:`napari_dmoe.inference.masks.comparison.compare_masks` gives
        them.
    name : str
        What the layer is called before the image's name.
    words : sequence of str
        What each of its labels means.
    """
    data, grid = on_layer(source, difference, axes=result.axes, grid=result.grid)
    _, look, kind = difference_layer(source, data)
    look |= {"opacity": _OPACITY, "features": features_of("difference", words)}
    record = result.provenance.model_dump(mode="json")
    look["metadata"] = {METADATA_KEY: record | {"shows": f"{name}, to the plain mask"}}
    return (
        data,
        look | placement(source, grid) | {"name": f"{name} · {source.name}"},
        kind,
    )
