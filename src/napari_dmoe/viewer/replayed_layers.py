"""What a replay or a case leaves in the viewer: one mask is seen at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.reopening import reopened_result
from napari_dmoe.viewer.what_if.replay.rebuilt import (
    counterpart,
    missing_from,
    n_changed,
    rebuilt_layers,
    verdict,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_dmoe.inference.replaying.replay import Replay
    from napari_dmoe.viewer.layers.placement import LayerData
    from napari_dmoe.viewer.session.session import Session
    from napari_dmoe.viewer.what_if.replay.replaying import ReplaySubject


def show_replayed(
    session: Session,
    viewer: ViewerModel,
    source: Layer | None,
    subject: ReplaySubject,
    found: Replay,
) -> str:
    """Put what a replay made and is not there into the viewer, and say how it went.

    What was replayed is seen instead of the layer, where it is another one. What only
    accompanies it, such as the other maps of noise samples, is added hidden.

    Parameters
    ----------
    session : Session
        Knows the results of the image.
    viewer : napari.components.ViewerModel
        Where to.
    source : napari.layers.Layer or None
        The layer that was replayed; None where it is gone.
    subject : ReplaySubject
        The snapshot of it.
    found : Replay
        What was made.
    """
    made = rebuilt_layers(subject.image, found)
    wanted = counterpart(subject, made)
    added, hidden, others = "", "", []
    is_same = n_changed(subject, found) == 0
    for each in missing_from(viewer.layers, made):
        if each is not wanted:
            other = _put_unselected(viewer, each)
            other.visible = False
            others.append(other.name)
        elif not is_same:
            layer = _put_unselected(viewer, each)
            added = layer.name
            hidden = _instead_of(session, layer, subject.image, source)
    also = f"Added hidden: {_listed(others)}." if others else ""
    return " ".join(filter(None, (verdict(subject, found, added), hidden, also)))


def show_alone(
    session: Session, made: Labels, image: Image, source: Layer | None = None
) -> str:
    """Let a new mask be seen instead of the image's others, and say which.

    It becomes a result of the image where it lies on its pixels; no run replaces it.
    """
    shown = [result.mask() for result in session.results_of(image)]
    others = [each for each in dict.fromkeys([*shown, source]) if each is not None]
    said = _hide([each for each in others if each is not made])
    result = reopened_result(made, image)
    if result is not None:
        session.set_result(image, result)
    made.visible = True
    return said


def _instead_of(
    session: Session, made: Layer, image: Image, source: Layer | None
) -> str:
    if isinstance(made, Labels):
        return show_alone(session, made, image, source)
    return _hide([] if source is None else [source])


def _hide(layers: list[Any]) -> str:
    """Hide layers, and say which of them were seen."""
    hidden = [each for each in layers if each.visible]
    for each in hidden:
        each.visible = False
    listed = _listed([each.name for each in hidden])
    return f"Hidden meanwhile: {listed}." if listed else ""


def _listed(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def _put_unselected(viewer: ViewerModel, layer_data: LayerData) -> Layer:
    """Add a layer, and leave the selection to who paints."""
    selected = set(viewer.layers.selection)
    layer: Layer = results.put(viewer, layer_data, None)
    viewer.layers.selection = selected
    return layer
