"""What a replay made, as layers, and whether it is what was there. Knows no Qt.

What it is made from is the business of
:mod:`napari_dmoe.viewer.what_if.replay.replaying`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.layers import slot
from napari_dmoe.viewer.layers.look import mask_layer, probability_layers
from napari_dmoe.viewer.layers.names import layer_name, mask_words
from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.session.inquiry import GONE
from napari_dmoe.viewer.session.reopening import hide, show_alone
from napari_dmoe.viewer.what_if.noise.maps import noise_layers, vote_result
from napari_dmoe.viewer.what_if.replay.replaying import ReplaySubject, snapshot_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_dmoe.inference.replaying.replay import Replay
    from napari_dmoe.viewer.session.session import Session

_Run = tuple[Any, ...] | None


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """What a replay made as layers, and what of it is there; holds no layer.

    Its arrays are compared by :meth:`compare`, in a worker: they may be large.
    """

    subject: ReplaySubject
    found: Replay
    made: list[LayerData]
    """The mask, and then the maps, named as replayed."""
    there: list[tuple[_Run, NDArray[Any]]]
    """The samples of layers of the same runs that are in the viewer."""

    @classmethod
    def of(
        cls,
        image: Image,
        subject: ReplaySubject,
        found: Replay,
        layers: Iterable[Layer],
    ) -> Rebuilt:
        """Return what was made, and the samples of layers that may be the same."""
        made = _rebuilt_layers(image, found)
        runs = [_run_of(arguments["metadata"]) for _, arguments, _ in made]
        known = [(_run_of(each.metadata), each) for each in layers]
        there = [(run, snapshot_of(each)) for run, each in known if run in runs]
        return cls(subject, found, made, there)

    def compare(self, hook: ProgressHook) -> Rebuilt:
        """Compare everything, for those who must not wait for it; return itself."""
        hook(Progress(0, 1, "comparing"))
        _ = self.n_changed, self.missing
        return self

    @property
    def counterpart(self) -> LayerData | None:
        """What was made of the layer that was replayed; None without it.

        A replay draws no difference and no map of a sweep or of the routing.
        """
        if not self.subject.is_map:
            return self.made[0]
        for each in self.made[1:]:
            if each[1]["metadata"][METADATA_KEY]["shows"] == self.subject.shows:
                return each
        return None

    @cached_property
    def missing(self) -> LayerData | None:
        """What was made of the layer, unless it is there already, sample by sample."""
        wanted = self.counterpart
        if wanted is None or self.n_changed == 0:
            return None
        data, run = wanted[0], _run_of(wanted[1]["metadata"])
        alike = (known for made_by, known in self.there if made_by == run)
        return None if any(np.array_equal(each, data) for each in alike) else wanted

    @cached_property
    def n_changed(self) -> int | None:
        """How many pixels of the layer are not as the replay made them.

        None where it is of another size, or a map that a replay does not draw.
        """
        first, second = self.subject.labels, self.found.result.labels
        if self.subject.is_map and self.counterpart is not None:
            first, second = self.subject.samples, self.counterpart[0]
        if first is None or first.shape != second.shape:
            return None
        return int((first != second).sum())

    def verdict(self, added: str = "") -> str:
        """Say whether the layer was rebuilt, and the name of a layer that shows it."""
        subject, found, n = self.subject, self.found, self.n_changed
        what = "map" if subject.is_map else "mask"
        see = f" The {what} of the run is “{added}”." if added else ""
        if subject.is_map and n is None:
            see = f" A replay does not draw “{subject.title}” itself."
        share = "" if found.agreement is None else f" ({found.agreement:.4%} of labels)"
        if found.verdict != "equal":
            said = {
                "near": f"The same but for near ties{share}.",
                "different": f"Not the same{share}.",
                "unknown": "Made again, but the record is too old to say whether it is "
                "the same.",
            }[found.verdict]
            return f"{said}{see}"
        if n == 0:
            return (
                f"The same, bit for bit: “{subject.title}” was rebuilt from its record."
            )
        changed = f", but the layer was changed after it: {n} pixels" if n else ""
        return f"The run was rebuilt bit for bit{changed}.{see}"


def show_replayed(
    session: Session, image: Image, source: Layer | None, new: Rebuilt
) -> str:
    """Put what a replay made and is not there into the viewer, and say how it went.

    What was replayed is seen instead of the layer, its `source`, where it is another
    one. What only accompanies it, such as the maps of noise samples, is not added.
    """
    viewer, missing = session.viewer, new.missing
    if viewer is None:
        return GONE
    added, hidden = "", ""
    if missing is not None:
        with session.showing.adding(image):
            layer = _put_unselected(viewer, missing)
        if new.subject.is_map:
            session.groups.note(image, layer)
        added, hidden = layer.name, _instead_of(session, layer, image, source)
    return " ".join(filter(None, (new.verdict(added), hidden)))


def _rebuilt_layers(image: Image, found: Replay) -> list[LayerData]:
    """Return what a replay made; a vote becomes its mask."""
    result = found.result
    made = result if isinstance(result, Segmentation) else vote_result(result)
    data, arguments, kind = mask_layer(image, made)
    name = layer_name(image.name, mask_words(made.provenance, "replayed"))
    maps = [
        (data, arguments | {"name": f"{arguments['name']} replayed"}, kind)
        for data, arguments, kind in _maps(image, found)
    ]
    return [(data, arguments | {"name": name}, kind), *maps]


def _maps(image: Image, found: Replay) -> list[LayerData]:
    """Return the maps of noise samples, or the probabilities where they were kept."""
    result = found.result
    if isinstance(result, Segmentation):
        return probability_layers(image, result)
    return noise_layers(image, result)


def _run_of(metadata: Mapping[str, Any]) -> _Run:
    """Return what tells apart the runs, and the maps of a run."""
    record = metadata.get(METADATA_KEY)
    if not isinstance(record, Mapping):
        return None
    image = record.get("image") or {}
    names = ("made_by", "labels_sha256", "shows")
    return (image.get("input_sha256"), *(record.get(name) for name in names))


def _instead_of(
    session: Session, made: Layer, image: Image, source: Layer | None
) -> str:
    if isinstance(made, Labels):
        return show_alone(session, made, image, source)
    return hide(session, [] if source is None else [source])


def _put_unselected(viewer: ViewerModel, layer_data: LayerData) -> Layer:
    """Add a layer, and leave the selection to who paints."""
    with slot.selection_kept(viewer):
        layer: Layer = slot.put(viewer, layer_data, None)
    return layer
