"""Slabs of a volume's mask are seen while its run goes on, and never as a result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from desk import Desk
from napari.layers import Labels
from viewer_fakes import make_segmentation

from napari_dmoe.inference.running.slice_preview import SlicePreview
from napari_dmoe.inference.running.volume_masks import FinishedSlab
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress
from napari_dmoe.viewer.segment import unfinished
from napari_dmoe.viewer.session.truths import offered_truths

pytestmark = pytest.mark.gui

SHAPE = (8, 6, 5)
MADE = np.arange(240).reshape(SHAPE).astype(np.uint8) % 2


@dataclass
class BySlabs:
    """Finishes a slab of two slices each time that it is let, then the mask."""

    may_go_on: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(0)
    )
    error: Exception | None = None

    def __call__(
        self,
        loaded: LoadedModel,
        image: Any,
        patient: Any,
        *,
        settings: Any,
        progress: Callable[[Progress], None],
        finished: Callable[[FinishedSlab], None],
    ) -> Any:
        for first in range(0, 8, 2):
            self._wait(progress, first)
            place = (slice(first, first + 2), slice(0, 6), slice(0, 5))
            finished(FinishedSlab(place, MADE[place]))
        self._wait(progress, 8)
        if self.error is not None:
            raise self.error
        made = make_segmentation(
            image, classes=loaded.card.classes, value="healthy", dims=3
        )
        made.labels[:] = MADE
        return made

    def _wait(self, progress: Callable[[Progress], None], done: int) -> None:
        while not self.may_go_on.acquire(timeout=0.01):
            progress(Progress(done, 9, "segmenting"))


@pytest.fixture(autouse=True)
def shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "SHOWN_AFTER_S", 0.0)


@pytest.fixture
def engine() -> BySlabs:
    return BySlabs()


@pytest.fixture
def open_desk(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
    engine: BySlabs,
) -> Callable[..., Desk]:
    def open_desk(**others: Any) -> Desk:
        models["pelvis"] = volume_model
        desk = make_desk(segment=engine, **others)
        desk.load("pelvis")
        desk.viewer.add_image(np.zeros(SHAPE, np.int16), name="ct", scale=(4, 3, 3))
        desk.viewer.dims.set_current_step(0, 3)
        desk.wait_until_idle()
        return desk

    return open_desk


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()


def growing(desk: Desk) -> Labels:
    desk.qtbot.waitUntil(lambda: "ct / unfinished mask" in desk.viewer.layers)
    return desk.viewer.layers["ct / unfinished mask"]


def go_on(desk: Desk, engine: BySlabs, n: int) -> None:
    for _ in range(n):
        engine.may_go_on.release()


def test_slabs_come_one_by_one_and_the_result_takes_their_place(
    desk: Desk, engine: BySlabs
) -> None:
    desk.click_segment()
    go_on(desk, engine, 1)
    layer = growing(desk)
    np.testing.assert_array_equal(layer.data[:2], MADE[:2])
    assert not layer.data[2:].any()
    np.testing.assert_array_equal(layer.scale, (4, 3, 3))
    drawn: list[object] = []
    layer.events.set_data.connect(drawn.append)
    go_on(desk, engine, 1)  # the slice that is shown, which is drawn anew
    desk.qtbot.waitUntil(lambda: bool(drawn))
    view = layer._slice.image.raw  # what napari draws
    np.testing.assert_array_equal(view, MADE[3])
    go_on(desk, engine, 3)
    desk.wait_until_idle()
    (mask,) = desk.masks
    assert [each.name for each in desk.viewer.layers] == ["ct", "ct / mask"]
    np.testing.assert_array_equal(mask.data, MADE)
    mask.data_setitem((np.array([0]), np.array([0]), np.array([0])), 1)
    (result,) = desk.session.results_of(desk.session.image)
    assert result.is_edited  # what was painted on is nobody else's
    assert result.segmentation.labels[0, 0, 0] == MADE[0, 0, 0] == 0


def test_a_slab_elsewhere_draws_nothing(desk: Desk, engine: BySlabs) -> None:
    desk.click_segment()
    go_on(desk, engine, 2)
    layer, drawn = growing(desk), []
    desk.qtbot.waitUntil(lambda: layer.data[3].any())
    desk.segmenting.run._unfinished._look(None)
    layer.events.set_data.connect(drawn.append)
    go_on(desk, engine, 1)
    desk.qtbot.waitUntil(lambda: layer.data[5].any())
    desk.segmenting.run._unfinished._look(None)
    assert drawn == []
    desk.viewer.dims.ndisplay = 3
    drawn.clear()
    go_on(desk, engine, 1)  # in 3D all of it is seen
    desk.qtbot.waitUntil(lambda: bool(drawn))
    go_on(desk, engine, 1)
    desk.wait_until_idle()


def test_unfinished_slabs_are_no_result(desk: Desk, engine: BySlabs) -> None:
    desk.click_segment()
    go_on(desk, engine, 1)
    layer = growing(desk)
    assert desk.masks == []
    assert not layer.editable
    image = desk.session.image
    assert desk.session.results_of(image) == []
    assert offered_truths(desk.session, image) == []
    assert list(desk.viewer.layers.selection) == [image]
    desk.viewer.layers.remove("ct")
    desk.wait_until_idle()
    assert list(desk.viewer.layers) == []


@pytest.mark.parametrize("error", [None, RuntimeError("out of memory")])
def test_what_a_run_leaves_that_does_not_end_is_nothing(
    desk: Desk, engine: BySlabs, error: Exception | None
) -> None:
    go_on(desk, engine, 5)
    desk.run()
    (mask,) = desk.masks
    engine.error = error
    desk.click_segment()
    go_on(desk, engine, 2)
    growing(desk)
    assert not mask.visible  # it would be seen where no slab is finished yet
    if error is None:
        desk.click_segment()
    else:
        go_on(desk, engine, 3)
    desk.wait_until_idle()
    assert [each.name for each in desk.viewer.layers] == ["ct", "ct / mask"]
    assert mask.visible
    said = "Stopped. No layer was changed." if error is None else f"Failed: {error}"
    assert desk.status == said


def test_the_slice_that_is_shown_is_previewed_until_it_is_finished(
    open_desk: Callable[..., Desk], engine: BySlabs
) -> None:
    asked: list[Any] = []

    def with_preview(segment: Any, *inputs: Any, at: Any, told: Any, **how: Any) -> Any:
        asked.append(at)
        told(SlicePreview(np.ones((1, 6, 5), np.uint8), ("z", "y", "x"), *at))
        return segment(*inputs, **how)

    desk = open_desk(with_preview=with_preview)
    desk.click_segment()
    name = "ct / preview of z 3, unfinished"
    desk.qtbot.waitUntil(lambda: name in desk.viewer.layers)
    layer = desk.viewer.layers[name]
    assert asked == [("z", 3)]
    assert layer.data.shape == (1, 6, 5)
    np.testing.assert_array_equal(layer.data_to_world((0, 0, 0)), (12, 0, 0))
    assert not layer.editable
    assert offered_truths(desk.session, desk.session.image) == []
    desk.qtbot.waitUntil(lambda: "z 3 is a preview" in desk.status)
    go_on(desk, engine, 1)
    growing(desk)
    assert layer.visible
    go_on(desk, engine, 1)
    desk.qtbot.waitUntil(lambda: not layer.visible)
    desk.qtbot.waitUntil(lambda: "preview" not in desk.status)
    go_on(desk, engine, 3)
    desk.wait_until_idle()
    assert [each.name for each in desk.viewer.layers] == ["ct", "ct / mask"]
