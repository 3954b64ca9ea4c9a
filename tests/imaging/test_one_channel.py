"""One channel of several: which it was stays known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.imaging.frames import one_channel
from napari_dmoe.imaging.spatial import ImageError, SpatialImage


@pytest.mark.parametrize("axes", [("c", "y", "x"), ("y", "x", "c"), ("y", "c", "x")])
def test_it_is_taken_from_wherever_channels_are(axes: tuple[str, ...]) -> None:
    shape = tuple({"c": 5, "y": 3, "x": 4}[axis] for axis in axes)
    data = np.arange(60).reshape(shape)
    image = SpatialImage(data, axes, np.diag([2.0, 3.0, 1.0]), "mm", ("said before",))
    found = one_channel(image, 1)
    assert (found.axes, found.channel, found.unit) == (("y", "x"), 1, "mm")
    np.testing.assert_array_equal(found.data, data.take(1, axes.index("c")))
    np.testing.assert_array_equal(found.affine, image.affine)
    assert found.notices == ("said before", "only channel 2 of 5 was used")


def test_nothing_is_read_of_what_is_lazy() -> None:
    class Lazy:
        shape, ndim, dtype = (4, 8, 9), 3, np.dtype(np.uint8)

        def __getitem__(self, index: object) -> np.ndarray:
            raise AssertionError("it was read")

    assert one_channel(SpatialImage(Lazy(), ("c", "y", "x")), 3).data.shape == (8, 9)


@pytest.mark.parametrize("number", [-1, 3])
def test_one_that_is_not_there_is_refused(number: int) -> None:
    image = SpatialImage(np.zeros((3, 4, 5)), ("c", "y", "x"))
    with pytest.raises(ImageError, match="has no channel"):
        one_channel(image, number)
    with pytest.raises(ImageError, match="it has 0"):
        one_channel(SpatialImage(np.zeros((4, 5)), ("y", "x")), 0)
