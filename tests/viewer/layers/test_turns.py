"""No layer is taken out and another put in within one turn of the event loop.

vispy may end the program where the canvas is not drawn in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from desk import Desk
from mapping import FakeRuns, choose
from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from sweeping import PICTURE, choose_map, section_of, stack_of, sweep
from what_if_fakes import FakeAblate, FakeUncertainty

from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.outline_line import is_line

pytestmark = pytest.mark.gui


class Recorder:
    """Notes in which turn of the event loop layers come and go."""

    def __init__(self, viewer: ViewerModel) -> None:
        self.turn, self.events = 0, []
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(0)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)

    def _tick(self) -> None:
        self.turn += 1

    def _on_inserted(self, event: Any) -> None:
        self.events.append((self.turn, "in"))

    def _on_removed(self, event: Any) -> None:
        self.events.append((self.turn, "out"))

    @property
    def hasty(self) -> list[int]:
        """Turns in which a layer came after one had gone."""
        gone: set[int] = set()
        found = []
        for turn, kind in self.events:
            if kind == "out":
                gone.add(turn)
            elif turn in gone:
                found.append(turn)
        return found

    def stop(self) -> None:
        self._timer.stop()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    runs = FakeRuns()
    desk = make_desk(
        ViewerModel(),
        ablate=FakeAblate(),
        uncertainty=FakeUncertainty(),
        read_routing=runs.read_routing,
    )
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.choose("severity", "suspect")
    desk.run()
    return desk


@pytest.fixture
def recorder(desk: Desk) -> Iterator[Recorder]:
    recorder = Recorder(desk.viewer)
    yield recorder
    recorder.stop()
    assert recorder.hasty == []


def mute(desk: Desk, expert: int) -> None:
    experts = desk.what_if.tab.experts
    experts.mute_boxes[expert].click()
    desk.click(experts.run_button)
    desk.wait_until_idle()


def noise(desk: Desk) -> None:
    desk.click(desk.what_if.tab.noise.run_button)
    desk.wait_until_idle()


def compare(desk: Desk) -> None:
    compare = desk.segmenting.tab.compare
    compare.combo.setCurrentIndex(compare.combo.findText("age"))
    desk.click(compare.button)
    desk.wait_until_idle()


def ours(desk: Desk) -> list[str]:
    return [each.name for each in desk.viewer.layers if not is_line(each)][1:]


def test_what_ifs_of_every_sort_take_turns(desk: Desk, recorder: Recorder) -> None:
    mask = "retina / mask"
    sweep(desk)
    assert ours(desk) == [mask, "retina / sweep of severity"]
    mute(desk, 3)
    changed = [mask, "retina / what-if expert 3 muted"]
    assert ours(desk) == [*changed, "retina / difference, expert 3 muted"]
    sweep(desk)
    choose_map(section_of(desk), 1)
    assert ours(desk)[2:] == [
        "retina / sweep of severity",
        "retina / changes with severity",
    ]
    noise(desk)
    vote = "retina / what-if vote of noise samples"
    assert ours(desk) == [mask, vote, "retina / noise entropy"]
    assert section_of(desk).again_button.isVisibleTo(section_of(desk))
    assert desk.what_if.tab.experts.change.badge.isHidden()  # its mask is replaced
    compare(desk)
    assert len(ours(desk)) == 4  # the other model's mask is there to be kept
    assert ours(desk)[0] == "retina / difference"  # below the outlines of both masks
    desk.click(section_of(desk).again_button)
    desk.settle()
    assert ours(desk)[-1] == "retina / sweep of severity"


def test_maps_of_the_routing_share_one_layer_an_image(
    desk: Desk, recorder: Recorder
) -> None:
    for name, is_shown in (
        *(("dominant", "routing block 3"), ("gate", "gate of expert 3, block 3")),
        *(("pair", "expert pairs, block 3"), ("agreement", "agreement of blocks")),
        ("dominant", "routing block 3"),
    ):
        choose(desk, name)
        desk.routing.tab.shown_box.setChecked(False)
        desk.click(desk.routing.tab.shown_box)
        desk.settle()
        assert ours(desk)[0].startswith(f"retina / {is_shown}")
        assert len(ours(desk)) == 2
    desk.choose("severity", "glaucoma")
    desk.run()
    assert len(ours(desk)) == 2


def test_a_sweep_and_a_map_of_the_routing_make_room_for_each_other(
    desk: Desk, recorder: Recorder
) -> None:
    tab, (mask,) = desk.routing.tab, desk.masks
    desk.click(tab.shown_box)
    desk.settle()
    routing = desk.session.groups.layer(desk.session.image, Group.ROUTING)
    assert desk.is_outlined(mask)
    sweep(desk)
    stack = stack_of(desk)
    assert (routing.visible, stack.visible, mask.visible) == (False, True, False)
    assert not tab.shown_box.isChecked()
    assert "as “retina / sweep of severity” is shown" in tab.hidden.text()
    assert not tab.hidden.isHidden()
    desk.click(tab.shown_box)
    desk.settle()
    assert (routing.visible, stack.visible, mask.visible) == (True, False, True)
    assert tab.hidden.isHidden()
    assert "hidden" in section_of(desk).found.hidden.text()
    section_of(desk).found.slider.setValue(0)
    desk.settle()
    assert (routing.visible, stack.visible, mask.visible) == (False, True, False)


def test_tidy_leaves_the_image_its_masks_and_what_was_painted_or_kept(
    desk: Desk, recorder: Recorder
) -> None:
    result = desk.segmenting.tab.result
    desk.click(desk.routing.tab.shown_box)
    mute(desk, 3)
    compare(desk)
    mine = desk.viewer.add_labels(desk.masks[0].data.copy(), name="mine")
    assert len(ours(desk)) == 6
    desk.click(result.tidy_button)
    desk.settle()
    assert ours(desk)[0] == "retina / mask"
    assert ours(desk)[1].startswith("retina / mask by ")
    assert ours(desk)[2:] == [mine.name]
    assert desk.status == "Tidied: 3 layers removed; masks stay."
    assert desk.masks[0].visible
    assert desk.is_filled(desk.masks[0])
    assert not desk.routing.tab.shown_box.isChecked()
    mute(desk, 2)
    desk.viewer.layers["retina / what-if experts 2, 3 muted"].paint((0, 0), 1)
    desk.click(result.tidy_button)
    desk.settle()
    assert "retina / what-if experts 2, 3 muted" in ours(desk)
    desk.click(result.tidy_button)
    assert desk.status.startswith("Nothing to tidy")


def test_tidy_is_of_one_image_and_with_shift_of_all(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.click(desk.routing.tab.shown_box)
    desk.viewer.add_image(PICTURE[:20], name="other", rgb=True)
    desk.run()
    tidy = desk.segmenting.tab.result.tidy_requested
    assert "retina / routing block 3" in ours(desk)
    tidy.emit(False)
    desk.settle()
    assert "retina / routing block 3" in ours(desk)
    tidy.emit(True)
    desk.settle()
    assert ours(desk) == ["retina / mask", "other", "other / mask"]


def test_probabilities_and_the_earlier_result_come_and_go(
    desk: Desk, recorder: Recorder
) -> None:
    desk.change_settings(probabilities=True)
    desk.run()
    assert len(ours(desk)) == 3
    desk.click(desk.segmenting.tab.result.previous_button)
    desk.settle()
    assert ours(desk) == ["retina / mask"]
    desk.click(desk.segmenting.tab.result.previous_button)
    desk.settle()
    assert len(ours(desk)) == 3
