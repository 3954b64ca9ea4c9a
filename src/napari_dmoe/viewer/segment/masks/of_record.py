"""Which open image a mask was made of: its record has a hash of the image's pixels."""

from __future__ import annotations

from collections.abc import Sequence

from napari.layers import Image

from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.sidecars import same_image
from napari_dmoe.viewer.layers.placement import to_image


def pixels_of(image: Image, dims: int) -> SpatialImage | None:
    """Return an image's pixels, to be told by their hash; None where they cannot be."""
    try:
        return to_image(image, dims)
    except ImageError:
        return None


def places_of(
    record: Provenance | None, pixels: Sequence[SpatialImage | None]
) -> tuple[int, ...]:
    """Return the places of the images that a record is of; called in a thread.

    Of a record without a hash only the size is known, which pictures of a camera share:
    it tells nothing where several have it.
    """
    from napari_dmoe.inference.running.recording import image_record

    if record is None:
        return ()
    found = tuple(
        place
        for place, image in enumerate(pixels)
        if image is not None and same_image(record.image, image_record(image))
    )
    has_hash = record.image.pixels_sha256 or record.image.input_sha256
    return found if has_hash or len(found) == 1 else ()
