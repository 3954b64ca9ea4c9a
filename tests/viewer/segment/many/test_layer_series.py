"""Many images: layers that are selected, one after another, with one estimate."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.layers import Image
from napari.utils.notifications import Notification
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from tables import go_to

from napari_dmoe.estimate import Estimate, SoFar
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.progress import Progress
from napari_dmoe.viewer.segment.many import layers
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui.work import Order

pytestmark = pytest.mark.gui


@pytest.fixture
def layered(desk: Desk) -> Desk:
    """Return a desk with two images of two patients, and one that does not fit."""
    layers = desk.viewer.layers
    desk.choose("severity", "healthy")
    desk.viewer.add_layer(Image(np.zeros((9, 9, 3)), rgb=False, name="odd"))
    desk.viewer.add_image(IMAGE, name="second")
    desk.choose("severity", "glaucoma")
    desk.click(desk.segmenting.tab.series.fold.button)
    layers.selection.clear()
    return desk


def select(desk: Desk, *names: str) -> None:
    desk.viewer.layers.selection = {desk.viewer.layers[name] for name in names}


def segment_layers(desk: Desk) -> None:
    desk.click(desk.segmenting.tab.series.layers_button)
    desk.qtbot.waitUntil(lambda: desk.segmenting.layer_series._total == 0)
    desk.wait_until_idle()


def test_layers_are_asked_for_by_selecting_them(layered: Desk) -> None:
    button = layered.segmenting.tab.series.layers_button
    select(layered, "retina")
    assert not button.isEnabled()
    assert "Select two or more" in button.toolTip()
    select(layered, "retina", "second")
    assert button.isEnabled()
    assert button.text() == "2 layers"
    layered.click(layered.segmenting.tab.model.unload_button)
    assert not button.isEnabled()
    assert button.toolTip() == "Open a model first."


def test_each_layer_is_segmented_for_its_own_patient_and_a_bad_one_is_told(
    layered: Desk,
) -> None:
    section = layered.segmenting.tab.series
    select(layered, "retina", "odd", "second")
    segment_layers(layered)
    assert [each.severity for each in layered.segment.calls] == ["healthy", "glaucoma"]
    assert [mask.name for mask in layered.masks] == ["retina / mask", "second / mask"]
    rows = {row["image"]: row for row in section.rows}
    assert list(rows) == ["retina", "odd", "second"]
    assert rows["retina"]["cup (px)"] == "1"
    assert rows["second"]["cup (px)"] == "9"
    assert rows["second"]["labels"] == "second / mask"
    assert rows["second"]["severity"] == "glaucoma"
    assert "channels or planes" in rows["odd"]["outcome"]
    statuses = [row["status"] for row in section.rows]
    assert statuses == ["segmented", "failed", "segmented"]
    assert section.found.badge.text() == "2 segmented · 1 failed"
    assert section.found.summary.text() == "3 layers."
    layered.click(section.found.copy_button)
    assert QApplication.clipboard().text() == section.table.text()
    head = section.table.text().splitlines()[0].split("\t")
    assert head[:6] == ["id", "image", "file", "status", "headline", "outcome"]
    sizes = ["rim (px)", "cup (px)", "cup/disc (area)", "cup/disc (vertical)"]
    assert [name for name in head if name in sizes] == sizes


def test_the_truth_of_a_layer_gives_dice(layered: Desk) -> None:
    truths, images = layered.session.truths, layered.viewer.layers
    section = layered.segmenting.tab.series
    select(layered, "retina", "second")
    segment_layers(layered)
    drawn = np.array(images["second / mask"].data)
    n = int((drawn == 2).sum())
    drawn[tuple(np.argwhere(drawn == 2)[0])] = 0
    names = {"second": drawn, "retina": np.full_like(drawn, 9)}
    for name, values in names.items():
        layer = layered.viewer.add_labels(values, name=f"{name} drawn")
        truths.set(images[name], layer)
    layered.settle()
    select(layered, "retina", "second")
    segment_layers(layered)
    rows = {row["image"]: row for row in section.rows}
    dice = 2 * (n - 1) / (2 * n - 1)
    assert float(rows["second"]["cup Dice"]) == pytest.approx(dice, abs=1e-4)
    assert rows["second"]["truth"] == "second drawn"
    assert rows["second"]["status"] == "segmented"
    assert rows["retina"].get("cup Dice", "") == ""
    assert (
        "the truth is not used: Labels reach from 9 to 9" in rows["retina"]["outcome"]
    )


def test_of_a_stack_the_table_says_what_all_planes_show(layered: Desk) -> None:
    real = layered.segment

    def in_one_plane(*arguments: object, **options: object) -> Segmentation:
        made = real(*arguments, **options)
        labels = made.labels.copy()
        if labels.ndim == 3:
            labels[1:] = 0
        return replace(made, labels=labels)

    layered.segmenting._engines.__dict__["segment"] = in_one_plane
    layered.viewer.add_image(np.stack([IMAGE] * 5), name="stack")
    layered.viewer.dims.set_current_step(0, 2)
    select(layered, "retina", "stack")
    segment_layers(layered)
    single, stack = layered.segmenting.tab.series.rows
    assert single["cup (px)"] == "1"
    assert stack["headline"] == "rim in 1, cup in 1 of 5 planes"
    assert not stack.get("cup (px)")  # as in segment.csv: of which plane?


def test_a_layer_whose_run_fails_does_not_stop_the_others(
    layered: Desk, notifications: list[Notification]
) -> None:
    real = layered.segment

    def fail_at_first(*arguments: object, **options: object) -> object:
        real.error = None if real.calls else ValueError("too dark")
        return real(*arguments, **options)

    layered.segmenting._engines.__dict__["segment"] = fail_at_first
    select(layered, "retina", "second")
    segment_layers(layered)
    outcomes = [row["outcome"] for row in layered.segmenting.tab.series.rows]
    assert outcomes[0] == "Failed: too dark"
    assert outcomes[1].startswith("Done in")
    assert [mask.name for mask in layered.masks] == ["second / mask"]
    assert len(notifications) == 1


def test_stop_ends_the_whole_series(layered: Desk) -> None:
    layered.segment.gate.clear()
    layered.segment.started.clear()
    select(layered, "retina", "second")
    layered.click(layered.segmenting.tab.series.layers_button)
    layered.qtbot.waitUntil(layered.segment.started.is_set)
    layered.click_segment()  # it says Stop
    layered.segment.gate.set()
    layered.wait_until_idle()
    assert len(layered.segment.calls) == 1
    assert layered.masks == []
    assert (
        layered.segmenting.tab.series.found.summary.text()
        == "Stopped after 0 of 2 layers."
    )


def test_opening_a_line_shows_its_layer(layered: Desk) -> None:
    select(layered, "retina", "second")
    segment_layers(layered)
    table = layered.segmenting.tab.series.table
    go_to(table, 0)
    layered.qtbot.keyClick(table, Qt.Key.Key_Return)
    assert layered.viewer.layers.selection.active is layered.viewer.layers["retina"]
    assert session_of(layered.viewer).image is layered.viewer.layers["retina"]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let no mask be measured until this is set."""
    gate, measure = threading.Event(), layers._measured

    def wait(*arguments: object) -> object:
        assert gate.wait(10)
        return measure(*arguments)

    monkeypatch.setattr(layers, "_measured", wait)
    return gate


def test_a_series_goes_on_while_its_masks_are_measured(
    layered: Desk, measured: threading.Event
) -> None:
    series = layered.segmenting.tab.series
    select(layered, "retina", "second")
    layered.click(series.layers_button)
    layered.qtbot.waitUntil(lambda: len(layered.segment.calls) == 2)
    layered.qtbot.waitUntil(lambda: not layered.dock.work.is_busy)
    assert series.rows == []
    measured.set()
    layered.wait_until_idle()
    assert [row["image"] for row in series.rows] == ["retina", "second"]
    assert series.found.badge.text() == "2 segmented"


def test_somebody_elses_run_is_no_part_of_a_series(
    layered: Desk, measured: threading.Event
) -> None:
    series = layered.segmenting.tab.series
    select(layered, "retina", "second")
    layered.click(series.layers_button)
    layered.qtbot.waitUntil(lambda: len(layered.segment.calls) == 2)
    layered.qtbot.waitUntil(lambda: not layered.dock.work.is_busy)
    layered.click_segment()
    layered.qtbot.waitUntil(lambda: len(layered.segment.calls) == 3)
    layered.qtbot.waitUntil(lambda: not layered.dock.work.is_busy)
    measured.set()
    layered.wait_until_idle()
    assert [row["image"] for row in series.rows] == ["retina", "second"]
    assert series.found.badge.text() == "2 segmented"


def test_a_series_goes_on_after_work_that_came_between(
    layered: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that hears of the end first may have begun something else."""
    work, series = layered.dock.work, layered.segmenting.layer_series
    between, told = threading.Event(), series._on_run_ended

    def come_between(run: object) -> None:
        if not between.is_set():
            between.set()
            work.start(Order("other", "other", lambda hook: None, lambda _: "Done."))
        told(run)

    layered.segmenting.run.ended.disconnect(series._on_run_ended)
    layered.segmenting.run.ended.connect(come_between)
    select(layered, "retina", "second")
    layered.click(layered.segmenting.tab.series.layers_button)
    layered.qtbot.waitUntil(lambda: series._total == 0)
    layered.wait_until_idle()
    rows = layered.segmenting.tab.series.rows
    assert [row["image"] for row in rows] == ["retina", "second"]
    assert len(layered.segment.calls) == 2


def test_several_layers_have_one_estimate(
    layered: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar goes on from layer to layer, and says what is left of all of them."""
    real = layered.segment
    layered.viewer.add_image(IMAGE, name="third")
    told: list[tuple[int, Progress]] = []
    note = Estimate.note

    def noted(estimate: Estimate, step: Progress) -> SoFar:
        told.append((id(estimate), step))
        return note(estimate, step)

    def segment(*arguments: object, **options: Any) -> Segmentation:
        options["progress"](Progress(1, 2, "half"))
        return real(*arguments, **options)

    layered.segmenting._engines.__dict__["segment"] = segment
    select(layered, "retina", "second", "third")
    monkeypatch.setattr(Estimate, "note", noted)
    segment_layers(layered)
    halves = [step for _, step in told if "half" in step.message]
    assert [step.fraction for step in halves] == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    assert [step.message for step in halves] == [
        f"layer {number} of 3, half" for number in (1, 2, 3)
    ]
    assert len({number for number, step in told if "half" in step.message}) == 1
    assert layered.segmenting.tab.series.found.badge.text() == "3 segmented"
