"""Whether everything fits: every tab in its states, narrow and wide, low and high."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from napari.components import ViewerModel
from sweeping import PICTURE
from tuning_desk import DRAWN, WORSE, TuningDesk
from what_if_fakes import FakeAblate, FakeUncertainty
from widths import LARGE, NORMAL, dress, lay_out, misfits, places

from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.session.pictures import Picture

pytestmark = pytest.mark.gui

WIDTHS = {NORMAL: (250, 300, 400, 600), LARGE: (400, 600)}
HEIGHTS = 700, 900, 1080
LONG = "T1 of a patient whose layer has a very long name indeed"
SCREEN = 300, 700


@pytest.fixture
def tuning(make_tuning: Callable[..., TuningDesk]) -> TuningDesk:
    tuning = make_tuning(
        ViewerModel(), ablate=FakeAblate(), uncertainty=FakeUncertainty()
    )
    tuning.viewer.layers.clear()
    tuning.viewer.add_image(PICTURE, name="retina", rgb=True, metadata=DRAWN)
    tuning.know()
    tuning.desk.dock.show()
    return tuning


def segment_states(tuning: TuningDesk) -> Iterator[str]:
    desk = tuning.desk
    desk.dock.tabs.setCurrentWidget(desk.segmenting.tab)
    yield "ready"
    desk.segment.gate.clear()
    desk.click_segment()
    desk.qtbot.waitUntil(lambda: desk.dock.footer.bar.value() > 0)
    yield "running"
    desk.segment.gate.set()
    desk.wait_until_idle()
    yield "done"
    desk.segment.error = ValueError("the network did not like this picture at all")
    desk.click_segment()
    desk.wait_until_idle()
    yield "failed"
    desk.segment.error = None
    desk.viewer.layers["retina"].name = LONG
    desk.settle()
    yield "a long name"
    pictures = desk.session.pictures
    for n in (2, 200, 8729):
        many = [Picture(str(i), Path(f"/in/{i}.png")) for i in range(n)]
        pictures.fill(many, Path(f"/out/{n}"))
        pictures.note_shown(many[-1].key)
        desk.settle()
        yield f"the last of {n}"
    pictures.fill((), None)
    desk.viewer.layers.clear()
    desk.settle()
    yield "empty"


def routing_states(tuning: TuningDesk) -> Iterator[str]:
    desk, tab = tuning.desk, tuning.desk.routing.tab
    desk.dock.tabs.setCurrentWidget(tab)
    yield "empty"
    desk.click_segment()
    desk.wait_until_idle()
    for place in range(tab.maps.map_combo.count()):
        tab.maps.map_combo.setCurrentIndex(place)
        tab.maps.map_combo.activated.emit(place)
        desk.settle()
        yield tab.maps.map_combo.currentText()


def what_if_states(tuning: TuningDesk) -> Iterator[str]:
    desk, tab = tuning.desk, tuning.desk.what_if.tab
    desk.dock.tabs.setCurrentWidget(tab)
    yield "ready"
    for name, button in (
        ("swept", tab.sweep.button),
        ("experts", tab.experts.effects_button),
        ("noise", tab.noise.run_button),
    ):
        desk.click(button)
        desk.qtbot.waitUntil(lambda: not desk.dock.work.is_busy, timeout=60_000)
        desk.settle()
        yield name
    for fold in (tab.experts.fold, tab.noise.fold, tab.replay.fold, tab.priors.fold):
        fold.unfold()
    tab.experts.mute_boxes[3].click()
    desk.click(tab.experts.run_button)
    desk.qtbot.waitUntil(lambda: not desk.dock.work.is_busy)
    desk.viewer.layers.selection = {desk.masks[0]}
    desk.settle()
    yield "unfolded"


def fine_tune_states(tuning: TuningDesk) -> Iterator[str]:
    desk = tuning.desk
    desk.dock.tabs.setCurrentWidget(tuning.tab)
    yield "empty"
    tuning.paint()
    desk.settle()
    yield "ready"
    process = tuning.start()
    process.train()
    desk.settle()
    yield "training"
    process.finish(*WORSE)
    tuning.wait_for(State.DONE)
    yield "done"
    tuning.tab.outcome.accept_box.click()
    desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    yield "kept"


STATES = {
    "segment": segment_states,
    "routing": routing_states,
    "what-if": what_if_states,
    "fine-tune": fine_tune_states,
}


@pytest.mark.parametrize("points", [NORMAL, LARGE])
@pytest.mark.parametrize("tab", STATES)
def test_nothing_is_cut_at_any_width(tuning: TuningDesk, tab: str, points: int) -> None:
    dock, found = tuning.desk.dock, {}
    dress(dock, points=points)
    for state in STATES[tab](tuning):
        for width in WIDTHS[points]:
            for height in HEIGHTS:
                lay_out(dock, width, height)
                for each in misfits(dock):
                    found.setdefault(each, f"{state}, {width}×{height}")
    assert found == {}


@pytest.mark.parametrize("width", WIDTHS[NORMAL])
def test_nothing_moves_from_ready_to_done_and_failed(
    tuning: TuningDesk, width: int
) -> None:
    dock = tuning.desk.dock
    dress(dock)
    stays = dock.tabs, dock.footer.button, dock.footer, dock.footer.status
    found = {}
    for state in segment_states(tuning):
        lay_out(dock, width, SCREEN[1])
        found[state] = places(dock, *stays)
    assert set(map(str, found.values())) == {str(found["ready"])}


def test_the_foot_of_fine_tuning_stays_where_it_is(tuning: TuningDesk) -> None:
    dock, foot = tuning.desk.dock, tuning.tab.foot
    dress(dock)
    found = {}
    for state in fine_tune_states(tuning):
        lay_out(dock, *SCREEN)
        found[state] = places(dock, foot)
    assert set(map(str, found.values())) == {str(found["ready"])}


def test_what_if_is_one_screen_before_anything_was_run(tuning: TuningDesk) -> None:
    dock, tab = tuning.desk.dock, tuning.desk.what_if.tab
    dress(dock)
    dock.tabs.setCurrentWidget(tab)
    lay_out(dock, *SCREEN)
    assert tab.verticalScrollBar().maximum() == 0
    assert tab.priors.isVisible()
    assert misfits(dock) == []


def test_a_large_screen_needs_no_bar_for_what_it_has_room_for(
    tuning: TuningDesk,
) -> None:
    dock = tuning.desk.dock
    dress(dock)
    for tab in (tuning.desk.routing.tab, tuning.desk.what_if.tab):
        dock.tabs.setCurrentWidget(tab)
        lay_out(dock, 600, 1080)
        assert not tab.verticalScrollBar().isVisible()
        assert not tab.horizontalScrollBar().isVisible()
