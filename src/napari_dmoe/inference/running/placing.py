"""How a 2D model meets an image, by its card or as somebody chose; no pixel is read."""

from __future__ import annotations

from napari_dmoe.imaging.fitting import Placement
from napari_dmoe.imaging.focusing import Focus
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.running.plane_inputs import PLANE_AXES
from napari_dmoe.inference.running.recording import grid_record, seen_record
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel


def preprocessing_of(loaded: LoadedModel, settings: InferenceSettings) -> Preprocessing:
    """Return how a 2D model meets an image: as its card says, or as a person chose.

    Raises
    ------
    ImageError
        For a model of volumes.
    """
    how = loaded.preprocessing
    if not isinstance(how, Preprocessing):
        raise ImageError("the model's card states no preprocessing of planes")
    how = how if settings.fit == "card" else how.fitted(settings.fit)
    chosen: dict[str, object] = {}
    if settings.focus != "card":
        on = how.focus or Focus()
        chosen["focus"] = on if settings.focus == "on" else None
    if settings.keep != "card":
        chosen["keep"] = settings.keep
    if settings.fill != "card":
        chosen["fill"] = settings.fill == "on"
    return how.model_copy(update=chosen) if chosen else how


def placement_on(
    loaded: LoadedModel, image: SpatialImage, settings: InferenceSettings
) -> Placement | None:
    """Return where each plane of an image lies in a 2D model; None for a 3D one.

    It can be told before a run what of them will be seen. Where a second pass sees a
    square around what a first one finds, this is what the first one sees.

    Raises
    ------
    ImageError
        For an image without planes.
    """
    if loaded.card.dims == 3:
        return None
    height, width = Frames(image, PLANE_AXES).frame_shape
    return preprocessing_of(loaded, settings).place((height, width))


def as_stored(
    placement: Placement, image: SpatialImage
) -> tuple[Grid, tuple[slice, ...]]:
    """Return where the samples of a plane lie, and what is seen, in the image's pixels.

    Planes of a volume are turned upright before a model sees them.
    """
    planes = Frames(image, PLANE_AXES, upright=True)
    return planes.place(placement.grid, placement.seen)


def is_placed_as(
    record: Provenance,
    loaded: LoadedModel,
    image: SpatialImage,
    settings: InferenceSettings,
) -> bool:
    """Whether a run would show its network the image as the run of a record did.

    And would make a mask of it likewise. Cards may say by now that another part of it
    is seen, in other proportions or in two passes, or that parts are left out.
    """
    placement = placement_on(loaded, image, settings)
    if placement is None:
        return True
    how, (grid, seen) = preprocessing_of(loaded, settings), as_stored(placement, image)
    made = (record.keep or "all", bool(record.fill))
    if made != (how.keep, how.fill) or focus_of(record) != how.focus:
        return False
    if record.focus is None:
        return grid_record(grid) == record.grid and seen_record(seen) == record.seen
    return (record.fit, record.focus.searched) == (how.fit, seen_record(seen))


def focus_of(record: Provenance) -> Focus | None:
    """Return what a record says of two passes; older ones had one."""
    focus = record.focus
    if focus is None:
        return None
    return Focus(margin=focus.margin, least=focus.least, sure=focus.sure)
