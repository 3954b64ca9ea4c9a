"""The plot of the groups is drawn beside the window, and clicked where it is seen."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from audited import audit_of, write_planes
from results_reader import Reader

from napari_dmoe.viewer.fairness.results.drawing import GroupPlot
from napari_dmoe.viewer.fairness.shelf import Audit

pytestmark = pytest.mark.gui


@pytest.fixture
def planes(tmp_path: Path) -> Audit:
    return audit_of(write_planes(tmp_path / "cohort"))


def test_a_click_on_a_picture_of_other_groups_chooses_none(
    reader: Reader, planes: Audit
) -> None:
    reader.put(planes)
    reader.choose(by="sex")
    picture = reader.section.plot.plot
    key = picture.drawn_key
    reader.choose(by="centre")
    assert picture.drawn_key != key
    picture.drawn_key = key
    reader.section.plot._on_clicked(0.5, 0.0)
    assert not reader.control.listed
    picture.drawn_key = (reader.section.plot._shown, None)
    reader.section.plot._on_clicked(0.5, 0.0)
    assert reader.control.listed


def test_many_groups_are_drawn_beside_the_window(
    reader: Reader, planes: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    drew_in: list[bool] = []
    paint = GroupPlot.paint

    def noted(self: GroupPlot, *given: object) -> None:
        drew_in.append(threading.current_thread() is threading.main_thread())
        paint(self, *given)

    monkeypatch.setattr(GroupPlot, "paint", noted)
    reader.put(planes)
    assert drew_in
    assert not any(drew_in)
