"""What a run over a volume needs, told before it; and a file for a large mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_dmoe.imaging.disk.output_names import LONGEST, output_stem
from napari_dmoe.imaging.files import image_stem, image_suffix, proposed_stem
from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.inference.running.settings import AlsoWritten
from napari_dmoe.viewer.engines import Engines, with_priors
from napari_dmoe.viewer.layers.look import lazily
from napari_dmoe.viewer.layers.opening import TIFF_LABELS
from napari_dmoe.viewer.layers.saving import mask_path
from napari_dmoe.viewer.segment.result.files import TIFF_MASKS
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.asking import ask_where, may_write, not_saved

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.inference.running.volume_needs import RunNeeds

ZARR = ".ome.zarr"
_ZARR_MASKS = f"OME-Zarr (*{ZARR})"

_HELD = 1, 1
"""How often the window holds a mask besides, at most: as it comes, and to paint on it
then. One in a file is painted on there, page by page."""


@dataclass(frozen=True)
class IntoFile:
    """The file of a mask, and what is written with it."""

    path: Path
    also: AlsoWritten = field(default_factory=AlsoWritten)

    @property
    def said(self) -> str:
        """What is told of it when it is there."""
        if not any(self.also.model_dump().values()):
            return f"The mask is in {self.path.name}."
        where = "in" if is_zarr_name(self.path) else "beside"
        return f"The mask is in {self.path.name}, its maps {where} it."


def is_zarr_name(path: Path) -> bool:
    """Say whether a file is named as an OME-Zarr image."""
    return image_suffix(path) in ZARR_SUFFIXES


def run_needs(
    session: Session, engines: Engines, also: AlsoWritten | None = None
) -> RunNeeds | None:
    """Return what a run on the image that is worked on needs; of planes nothing.

    None where no run can begin, too: another line says why. What is `also` written of
    a mask that goes into a file counts for that.
    """
    loaded, image = session.model, session.image
    if image is None or loaded is None or loaded.card.dims != len(SPATIAL_AXES):
        return None
    try:
        inquiry = session.inquire(image)
        shares = dict(inquiry.request(loaded).shares)
        needs = with_priors(engines.needs_of_run, shares)
        asked = inquiry.pixels, inquiry.patient, inquiry.settings
        maps = (also or AlsoWritten()).model_dump()
        found: RunNeeds = needs(loaded, *asked, n_shown=_HELD, **maps)
    except (ValueError, MemoryError):
        return None
    return found


def ask_for_mask_file(parent: QWidget, image: Image) -> Path | None:
    """Let a person choose the file that a volume is segmented into, or none."""
    proposed = f"{proposed_stem(image.name)}{TIFF_LABELS}"
    kinds = f"{TIFF_MASKS};;{_ZARR_MASKS}"
    path, kind = ask_where(parent, "Segment into a file", proposed, kinds)
    if path is None:
        return None
    target = _target(path, is_zarr=kind == _ZARR_MASKS)
    return target if may_write(parent, path, target) else None


def _target(chosen: Path, *, is_zarr: bool) -> Path:
    """Return which file is written: its name is safe, and has the ending of masks.

    An OME-Zarr image is one by its name, or by the kind that was chosen.
    """
    named = is_zarr_name(chosen)
    stem = image_stem(chosen if named else mask_path(chosen)).removesuffix(".labels")
    ending = (image_suffix(chosen) if named else ZARR) if named or is_zarr else None
    return chosen.with_name(f"{output_stem(stem, LONGEST)}{ending or TIFF_LABELS}")


def into_file(engines: Engines, into: IntoFile) -> Callable[..., Any]:
    """Return an engine that segments a volume into a file."""
    return partial(_written, engines.segment_into, into)


def stopped_into(path: Path) -> str:
    """Say what a run into a file leaves that was stopped; nothing where it is none."""
    from napari_dmoe.inference.running.into_file import is_to_be_gone_on_with

    if not is_to_be_gone_on_with(path):
        return ""
    return f"Stopped. The same run into {path.name} will go on where this one ended."


def _written(
    segment_into: Callable[..., Any], into: IntoFile, *inputs: Any, **how: Any
) -> Any:
    """Segment into a file; called in the work's thread."""
    how |= {name: True for name, is_on in into.also.model_dump().items() if is_on}
    try:
        made = segment_into(into.path, *inputs, **how)
    except OSError as error:
        raise not_saved(into.path, error) from error
    return replace(made, labels=lazily(made.labels))
