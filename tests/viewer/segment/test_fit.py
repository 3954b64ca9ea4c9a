"""How image and model go together: told before a run, in one line, never stale."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from desk import IMAGE, Desk

from napari_dmoe.imaging.spatial import ImageError
from napari_dmoe.inference.running.outlook import Outlook
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.layers.axes import name_axes
from napari_dmoe.viewer.layers.records import layer_record
from napari_dmoe.viewer.segment.subject.fit import UNLIKE_MEANS

pytestmark = pytest.mark.gui


class Looker:
    """Looks at once, or waits at its gate until it is told to stop."""

    def __init__(self) -> None:
        self.found, self.seen, self.error = Outlook(), [], None
        self.started, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(
        self, loaded: LoadedModel, image: Any, *, settings: Any, progress: Any
    ) -> Outlook:
        self.seen.append((loaded, tuple(image.data.shape), threading.get_ident()))
        self.started.set()
        while not self.gate.wait(0.01):
            progress(Progress(0, 1))
        if self.error is not None:
            raise self.error
        return self.found


@pytest.fixture
def looker() -> Looker:
    return Looker()


@pytest.fixture
def desk(make_desk: Callable[..., Desk], looker: Looker) -> Desk:
    desk = make_desk(outlook=looker)
    desk.viewer.add_image(IMAGE, name="retina")
    desk.wait_until_idle()
    return desk


def test_what_is_good_and_what_asks_for_care_differ_by_sign_and_colour(
    desk: Desk, looker: Looker
) -> None:
    label = desk.segmenting.tab.image.fit
    assert desk.fit == "✓ 9 × 12 · grey · pixel size unknown"
    assert label.property("tone") == "good"
    looker.found = Outlook(cautions=("Unlike the training images: layout.", "And so"))
    desk.viewer.add_image(IMAGE, name="other")
    desk.wait_until_idle()
    known = "9 × 12 · grey · pixel size unknown"
    assert desk.fit == f"⚠ Unlike the training images: layout · And so · {known}"
    assert label.property("tone") == "caution"
    assert "And so" in label.toolTip()
    assert "The model is for" in label.toolTip()
    assert desk.dock.footer.button.isEnabled()


def test_it_is_found_out_once_and_off_the_gui_thread(
    desk: Desk, looker: Looker
) -> None:
    desk.viewer.add_image(IMAGE, name="other")
    desk.wait_until_idle()
    desk.session.choose_image(desk.viewer.layers["retina"])
    desk.wait_until_idle()
    desk.run()
    assert len(looker.seen) == 2
    assert threading.get_ident() not in {thread for *_, thread in looker.seen}
    desk.viewer.layers["retina"].data = IMAGE.copy()
    desk.wait_until_idle()
    desk.load("age")
    assert len(looker.seen) == 4


def test_another_image_ends_it_and_nothing_stale_is_said(
    desk: Desk, looker: Looker
) -> None:
    looker.gate.clear()
    looker.started.clear()
    looker.found = Outlook(cautions=("It was looked at.",))
    desk.viewer.add_image(np.zeros((7, 5), np.uint8), name="slow")
    desk.qtbot.waitUntil(looker.started.is_set)
    assert desk.fit == "5 × 7 · grey · pixel size unknown"  # neither good nor bad yet
    desk.session.choose_image(desk.viewer.layers["retina"])
    desk.wait_until_idle()
    assert desk.fit == "✓ 9 × 12 · grey · pixel size unknown"
    looker.gate.set()
    desk.session.choose_image(desk.viewer.layers["slow"])
    desk.wait_until_idle()
    assert desk.fit.startswith("⚠ It was looked at · 5 × 7")


def test_a_run_is_not_kept_waiting(desk: Desk, looker: Looker) -> None:
    looker.gate.clear()
    looker.started.clear()
    desk.viewer.add_image(IMAGE, name="slow")
    desk.qtbot.waitUntil(looker.started.is_set)
    desk.click_segment()
    desk.qtbot.waitUntil(lambda: len(desk.masks) == 1)
    looker.gate.set()
    desk.wait_until_idle()
    assert desk.fit.startswith("✓")


def test_the_line_says_what_an_unlike_image_means(desk: Desk, looker: Looker) -> None:
    looker.found = Outlook(cautions=("Unlike them.",), is_unlike=True)
    desk.viewer.add_image(IMAGE, name="other")
    desk.wait_until_idle()
    assert UNLIKE_MEANS in desk.segmenting.tab.image.fit.toolTip()
    assert UNLIKE_MEANS not in desk.fit


def test_ready_is_said_only_once_it_is_true(desk: Desk, looker: Looker) -> None:
    assert desk.status == "Ready."
    looker.gate.clear()
    looker.started.clear()
    looker.found = Outlook(problem="The result needs 9 GiB of memory.")
    desk.viewer.add_image(IMAGE, name="huge")
    assert desk.status == ""
    desk.qtbot.waitUntil(looker.started.is_set)
    desk.segmenting.subject.show_model()
    assert desk.status == ""
    assert desk.dock.footer.button.isEnabled()  # nobody waits for it
    looker.gate.set()
    desk.wait_until_idle()
    assert desk.status == ""
    desk.session.choose_image(desk.viewer.layers["retina"])  # which is known
    assert desk.status == "Ready."


def test_what_cannot_even_be_asked_about_is_refused(
    desk: Desk, looker: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImageError("the image is odd")

    monkeypatch.setattr(desk.session, "inquire", refuse)
    desk.viewer.add_image(IMAGE, name="odd")
    desk.wait_until_idle()
    assert desk.fit == "⚠ The image is odd."
    assert not desk.dock.footer.button.isEnabled()
    assert desk.status == ""


def test_what_would_be_refused_is_not_ready(desk: Desk, looker: Looker) -> None:
    looker.found = Outlook(problem="The result needs 9 GiB of memory.")
    desk.viewer.add_image(IMAGE, name="huge")
    desk.wait_until_idle()
    assert desk.fit == "⚠ The result needs 9 GiB of memory."
    assert not desk.dock.footer.button.isEnabled()
    assert desk.status == ""


def test_a_look_that_fails_is_not_tried_again(desk: Desk, looker: Looker) -> None:
    looker.error = RuntimeError("broken")
    desk.viewer.add_image(IMAGE, name="odd")
    desk.wait_until_idle()
    assert len(looker.seen) == 2
    assert desk.fit == "9 × 12 · grey · pixel size unknown"
    assert desk.dock.footer.button.isEnabled()


def test_a_channel_is_chosen_run_and_recorded(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    desk = make_desk(segment=engines.segment, outlook=engines.outlook)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 50), dtype=np.uint8)
    layer = desk.viewer.add_image(pixels, axis_labels=("c", "y", "x"), name="five")
    combo = desk.segmenting.tab.image.channel_combo
    desk.wait_until_idle()
    assert combo.isVisibleTo(desk.dock)
    assert not desk.dock.footer.button.isEnabled()
    combo.setCurrentIndex(4)
    combo.activated.emit(4)
    desk.wait_until_idle()
    assert "channel 4 of 5" in desk.fit + desk.segmenting.tab.image.fit.toolTip()
    desk.run()
    (mask,) = desk.masks
    record = layer_record(mask)
    assert record.image.channel == 3
    assert "only channel 4 of 5 was used" in record.notices
    assert mask.data.shape == (1, 40, 50)
    alone = engines.segment(desk.session.model, pixels[3]).labels
    np.testing.assert_array_equal(mask.data[0], alone)
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    desk.wait_until_idle()
    assert "the image changed" in desk.segmenting.tab.result.outdated.text()
    assert desk.session.image is layer


def test_of_a_picture_in_colour_one_channel_may_be_chosen(desk: Desk) -> None:
    desk.viewer.add_image(np.zeros((9, 8, 3), np.uint8), rgb=True, name="colour")
    desk.wait_until_idle()
    combo = desk.segmenting.tab.image.channel_combo
    offered = [combo.itemText(i) for i in range(combo.count())]
    assert offered == ["colour", "red", "green", "blue"]
    assert "colour" in desk.fit
    combo.activated.emit(2)
    desk.wait_until_idle()
    assert "green" in desk.fit
    assert combo.currentText() == "green"
    combo.activated.emit(0)
    desk.wait_until_idle()
    assert "colour" in desk.fit


def test_the_axis_that_is_asked_about_is_that_of_channels(desk: Desk) -> None:
    desk.viewer.add_image(np.zeros((9, 3, 30, 40), np.uint8), name="stack")
    assert "Does the second axis hold channels or planes?" in desk.fit
    assert desk.segmenting.tab.action.link.text() == "Name its axes"


def test_nothing_moves_for_what_an_image_leaves_to_be_chosen(desk: Desk) -> None:
    desk.dock.resize(300, 620)
    desk.dock.show()
    desk.qtbot.waitExposed(desk.dock)
    section, button = desk.segmenting.tab.image, desk.dock.footer.button
    heights, names = set(), set()
    for axes, shape in (("t y x", (2, 9, 9)), ("c y x", (5, 9, 9)), ("", (4, 9, 9))):
        labels = tuple(axes.split()) or None
        desk.viewer.add_image(np.zeros(shape, np.uint8), axis_labels=labels)
        desk.wait_until_idle()
        heights.add(button.mapTo(desk.dock, button.rect().topLeft()).y())
        names.add(section.combo.width())
    assert section.axes_combo.isVisibleTo(desk.dock)
    assert section.pixel_size.isVisibleTo(desk.dock)
    name_axes(desk.viewer.layers[-1], ("c", "y", "x"))
    desk.wait_until_idle()
    shown = section.channel_combo, section.pixel_size, section.axes_combo
    places = [each.mapTo(section, each.rect().topLeft()).x() for each in shown]
    ends = [x + each.width() for x, each in zip(places, shown, strict=True)]
    assert all(end < x for end, x in zip(ends, places[1:], strict=False))
    assert ends[-1] <= section.width()
    assert len(heights) == len(names) == 1
    assert min(names) > 100  # of 300, beside Previous and Next: a name can be read
