"""What is asked of a layer that may be a mask, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari.layers import Image, Labels, Layer

from napari_dmoe.imaging.mask_likeness import Certainty, Judgement
from napari_dmoe.viewer.layers import undecided
from napari_dmoe.viewer.segment.masks.found_view import MaskQuestion


@dataclass(frozen=True)
class Asked:
    """A layer of which something is asked, and what is known of it."""

    layer: Layer
    judgement: Judgement
    images: tuple[Image, ...]

    @property
    def owners(self) -> list[Image]:
        """The open images that it may belong to, the likeliest first."""
        return [self.images[place] for place in self.judgement.owners]

    @property
    def is_of_another(self) -> bool:
        """Whether its name says that it belongs to an image that is not open."""
        return bool(self.judgement.named)

    @property
    def is_worth_asking(self) -> bool:
        """Whether to ask: of Labels only where an image has their size."""
        if isinstance(self.layer, Labels):
            return bool(self.judgement.owners)
        return self.judgement.certainty is not Certainty.NO

    def owner_like(self, chosen: Image | None) -> Image | None:
        """Return whose it is where the same was said of another; None if unknown."""
        return chosen if chosen in self.owners else None


def question(asked: Sequence[Asked]) -> MaskQuestion:
    """Return what to ask of the first of some layers."""
    first = asked[0]
    return MaskQuestion(
        _text(first),
        tuple(str(each.name) for each in first.owners),
        may_be_image=isinstance(first.layer, Image),
        may_be_of_none=first.is_of_another,
        n_alike=len(asked),
    )


def _text(asked: Asked) -> str:
    """Say what a layer looks like, and what is to be known of it."""
    name, judgement = f"“{asked.layer.name}”", asked.judgement
    if judgement.other_size is not None:
        image = asked.images[judgement.other_size]
        own, other = size_of(asked.layer), size_of(image)
        return (
            f"{name} is called like the mask of “{image.name}”, but has {own} pixels "
            f"where that has {other}: it cannot be its mask. Save it in that size."
        )
    owners = asked.owners
    if judgement.named:
        one = f"“{owners[0].name}”" if len(owners) == 1 else "an open one"
        other = f" By its size it could be that of {one}." if owners else ""
        return (
            f"{name} looks like the mask of “{judgement.named}”, which is not open: "
            f"open it, and the mask goes to it.{other}"
        )
    is_labels = isinstance(asked.layer, Labels)
    looks = "may be labels" if is_labels else "looks like a mask"
    if len(owners) == 1:
        return f"{name} {looks} of “{owners[0].name}”."
    if owners:
        return f"{name} {looks}. Of which image?"
    size = size_of(asked.layer)
    return f"{name} looks like a mask, but no open image has its {size} pixels."


def size_of(layer: Layer) -> str:
    """Return the size of a layer, width first."""
    return " × ".join(map(str, reversed(undecided.picture_of(layer).shape)))
