"""Masks that are too large to be measured where a person waits: the same, aside."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from desk import Desk

from napari_dmoe.viewer.layers import measuring
from napari_dmoe.viewer.layers.measuring import MaskFrame, edits_of
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui import measuring as aside
from napari_dmoe.viewer.ui.measuring import MEASURING

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (measuring, aside, results):
        monkeypatch.setattr(module, "AT_ONCE", 0)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the thread of each measuring from now on."""
    seen: list[int] = []
    measure = MaskFrame.measure

    def noted(frame: MaskFrame, *shown: object) -> object:
        seen.append(threading.get_ident())
        return measure(frame, *shown)

    monkeypatch.setattr(MaskFrame, "measure", noted)
    return seen


@pytest.fixture
def rest(desk: Desk) -> Callable[[], None]:
    """Return what waits until everything was measured and shown."""
    results_control = desk.segmenting.results

    def is_shown() -> bool:
        is_up_to_date = MEASURING not in desk.segmenting.tab.result.notices.text()
        return is_up_to_date and not results_control._measuring.is_busy

    def rest() -> None:
        results_control.show()
        desk.qtbot.waitUntil(is_shown)

    return rest


def result_of(desk: Desk) -> Result:
    session = session_of(desk.viewer)
    found = session.result_of(session.image)
    assert found is not None
    return found


def shown(desk: Desk) -> list[str]:
    return desk.segmenting.tab.result.table.text().splitlines()


def test_a_large_mask_is_measured_once_and_never_where_a_person_waits(
    desk: Desk, threads: list[int], rest: Callable[[], None]
) -> None:
    desk.choose("severity", "suspect")
    desk.run()
    rest()
    assert "20 px" in shown(desk)[0]
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    rest()
    assert len(threads) == 1


def test_until_a_large_mask_is_measured_the_table_before_is_greyed(
    desk: Desk, rest: Callable[[], None]
) -> None:
    desk.choose("severity", "suspect")
    desk.run()
    rest()
    section, before = desk.segmenting.tab.result, shown(desk)
    mask = desk.masks[0]
    mask.data_setitem((np.array([9]), np.array([8])), 1)
    desk.segmenting.results.show()
    assert section.headline.text() == MEASURING
    assert not section.table.isEnabled()
    assert shown(desk) == before
    rest()
    assert section.table.isEnabled()
    assert "21 px" in shown(desk)[0]


def test_a_large_mask_that_was_changed_counts_as_painted_until_it_is_compared(
    desk: Desk, rest: Callable[[], None]
) -> None:
    desk.choose("severity", "suspect")
    desk.run()
    rest()
    result, mask = result_of(desk), desk.masks[0]
    assert not result.looks_edited
    mask.paint((9, 8), 1)
    assert result.looks_edited
    assert not result.is_compared
    rest()
    assert result.is_compared
    assert result.looks_edited
    assert mask.metadata["napari-dmoe"]["edited"] is True
    mask.undo()
    assert result.looks_edited
    rest()
    assert not result.looks_edited
    assert not result.is_edited
    assert mask.metadata["napari-dmoe"]["edited"] is False


def test_a_span_over_values_comes_back_with_an_undone_stroke(
    desk: Desk, rest: Callable[[], None]
) -> None:
    desk.run()
    rest()
    before = shown(desk)
    assert before[0].endswith("least–most over the patients")
    assert "1–9" in before[2]
    mask = desk.masks[0]
    mask.paint((9, 8), 1)
    rest()
    assert "–" not in shown(desk)[1]
    mask.undo()
    rest()
    assert shown(desk) == before


def test_an_undone_stroke_is_a_change_of_its_own(desk: Desk) -> None:
    desk.run()
    mask = desk.masks[0]
    seen = [edits_of(mask)]
    for act in (
        lambda: mask.paint((9, 8), 1),
        mask.undo,
        lambda: mask.paint((9, 7), 1),
    ):
        act()
        assert edits_of(mask) not in seen
        seen.append(edits_of(mask))


def test_what_was_measured_while_somebody_painted_is_forgotten(
    desk: Desk, rest: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.choose("severity", "suspect")
    desk.run()
    rest()
    mask, measure = desk.masks[0], MaskFrame.measure
    began, may_end = threading.Event(), threading.Event()

    def slow(frame: MaskFrame, *shown: object) -> object:
        found = measure(frame, *shown)
        began.set()
        may_end.wait(10)
        return found

    monkeypatch.setattr(MaskFrame, "measure", slow)
    mask.data_setitem((np.array([9]), np.array([8])), 1)
    desk.segmenting.results.show()
    desk.qtbot.waitUntil(began.is_set)
    mask.data_setitem((np.array([9]), np.array([7])), 1)
    may_end.set()
    rest()
    assert "22 px" in shown(desk)[0]
