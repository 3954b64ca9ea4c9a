"""What a run over a volume needs, told before it; and a file for a large mask."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_dmoe.imaging.disk.output_names import LONGEST, output_stem
from napari_dmoe.imaging.files import image_stem, proposed_stem
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.viewer.engines import Engines, with_priors
from napari_dmoe.viewer.layers.opening import TIFF_LABELS
from napari_dmoe.viewer.layers.saving import mask_path
from napari_dmoe.viewer.segment.result.files import TIFF_MASKS
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.asking import ask_for_file, not_saved

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.inference.running.volume_needs import RunNeeds

_HELD = 1, 1
"""How often the window holds a mask besides, at most: as it comes, and to paint on it
then. One in a file is painted on there, page by page."""


def run_needs(session: Session, engines: Engines) -> RunNeeds | None:
    """Return what a run on the image that is worked on needs; of planes nothing.

    None where no run can begin, too: another line says why.
    """
    loaded, image = session.model, session.image
    if image is None or loaded is None or loaded.card.dims != len(SPATIAL_AXES):
        return None
    try:
        inquiry = session.inquire(image)
        shares = dict(inquiry.request(loaded).shares)
        needs = with_priors(engines.needs_of_run, shares)
        asked = inquiry.pixels, inquiry.patient, inquiry.settings
        found: RunNeeds = needs(loaded, *asked, n_shown=_HELD)
    except (ValueError, MemoryError):
        return None
    return found


def ask_for_mask_file(parent: QWidget, image: Image) -> Path | None:
    """Let a person choose the file that a volume is segmented into, or none."""
    proposed = f"{proposed_stem(image.name)}{TIFF_LABELS}"
    return ask_for_file(parent, "Segment into a file", proposed, TIFF_MASKS, _target)


def _target(chosen: Path) -> Path:
    """Return which file is written: its name is safe, and has the ending of masks."""
    stem = image_stem(mask_path(chosen)).removesuffix(".labels")
    return chosen.with_name(f"{output_stem(stem, LONGEST)}{TIFF_LABELS}")


def into_file(engines: Engines, path: Path) -> Callable[..., Any]:
    """Return an engine that segments a volume into a file."""
    return partial(_written, engines.segment_into, path)


def stopped_into(path: Path) -> str:
    """Say what a run into a file leaves that was stopped; nothing where it is none."""
    from napari_dmoe.inference.running.into_file import is_to_be_gone_on_with

    if not is_to_be_gone_on_with(path):
        return ""
    return f"Stopped. The same run into {path.name} will go on where this one ended."


def _written(
    segment_into: Callable[..., Any], path: Path, *inputs: Any, **how: Any
) -> Any:
    """Segment into a file; called in the work's thread."""
    try:
        return segment_into(path, *inputs, **how)
    except OSError as error:
        raise not_saved(path, error) from error
