"""Which bundled model is for a picture: the one that was trained on such pictures.

Only cards are asked, by what they say of the images of their training; no network is
loaded or run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from napari_dmoe.imaging.appearance import appearance, is_colour
from napari_dmoe.imaging.files import (
    PICTURE_SUFFIXES,
    TIFF_SUFFIXES,
    image_suffix,
    read_image,
)
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.preprocessing import Preprocessing, prepare
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.running.plane_inputs import PLANE_AXES
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import bundled_cards
from napari_dmoe.progress import Progress, ProgressHook, Pulse, silent

LOOKED_AT = 3
"""Pictures of many that are looked at, evenly through them."""

_SUFFIXES = (*PICTURE_SUFFIXES, *TIFF_SUFFIXES)


def suited_model(
    image: SpatialImage, *, instead_of: str = "", progress: ProgressHook = silent
) -> str:
    """Return the bundled model that was trained on pictures like this one.

    Parameters
    ----------
    image : SpatialImage
        One picture in colour; of others, and of volumes, nothing is told.
    instead_of : str
        Name of the bundled model that is loaded, which stays where others are no
        better: models of photographs are better than models of phantoms, and no model
        of phantoms is better than another that finds the same.
    progress : callable
        Called before each model is asked; may raise ``Cancelled``.

    Returns
    -------
    str
        Its name; nothing where the picture is like those of no training.
    """
    pulse = partial(progress, Progress(0, 1, "looking which model is for the picture"))
    try:
        frames = Frames(image, PLANE_AXES)
        if len(frames) != 1:
            return ""
        cards = _in_order(bundled_cards(), instead_of)
        likes = (n for n, card in cards.items() if _is_like(frames[0], card, pulse))
        return next(likes, "")
    except ImageError:
        return ""


def suited_to_files(
    paths: Sequence[Path], *, instead_of: str = "", progress: ProgressHook = silent
) -> str:
    """Return the bundled model that is for pictures on disk, likewise.

    A few of them are read; it is the one that more than half of these are for.

    Parameters
    ----------
    paths : sequence of Path
        Files of pictures; others are left out.
    instead_of, progress
        As of :func:`suited_model`.
    """
    pictures = [path for path in paths if image_suffix(path) in _SUFFIXES]
    n = min(len(pictures), LOOKED_AT)
    found: Counter[str] = Counter()
    for number in range(n):
        path = pictures[(2 * number + 1) * len(pictures) // (2 * n)]
        try:
            image = read_image(path)
        except (ImageError, OSError):
            continue  # whoever runs a model on it is told what is wrong
        found[suited_model(image, instead_of=instead_of, progress=progress)] += 1
    return next((name for name, k in found.items() if 2 * k > n), "")


def _in_order(cards: Mapping[str, ModelCard], loaded: str) -> Mapping[str, ModelCard]:
    """Return the cards of what may take the place of a model, the best first."""
    now = cards.get(loaded)
    ours = {
        name: card
        for name, card in cards.items()
        if card.dims == 2 and card.training_images is not None
    }
    kept = {
        name: card
        for name, card in ours.items()
        if name == loaded
        or now is None
        or card.training.phantoms is None
        or card.classes != now.classes
    }

    def rank(name: str) -> tuple[bool, bool, str]:
        return kept[name].training.phantoms is not None, name != loaded, name

    return {name: kept[name] for name in sorted(kept, key=rank)}


def _is_like(picture: SpatialImage, card: ModelCard, pulse: Pulse) -> bool:
    """Say whether a picture in colour is like those that a model was trained on."""
    how, trained_on = card.preprocessing, card.training_images
    pulse()
    if not isinstance(how, Preprocessing) or trained_on is None:
        return False
    seen = prepare(picture, how, pulse=pulse).raw
    return is_colour(seen) and not trained_on.unlike(appearance(seen))
