"""Segment, Stop, and everything that may go wrong between them."""

from __future__ import annotations

import re
import threading
import time

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.layers import Image
from napari.utils.notifications import Notification
from qtpy.QtCore import QThreadPool

from napari_dmoe.imaging.spatial import ImageError
from napari_dmoe.inference.running import waiting
from napari_dmoe.patient import Patient

pytestmark = pytest.mark.gui


def test_one_click_makes_a_mask_in_another_thread(desk: Desk) -> None:
    assert desk.dock.footer.button.isEnabled()
    desk.run()
    assert [mask.name for mask in desk.masks] == ["retina / mask"]
    assert desk.status.startswith("Done in")
    assert threading.main_thread().ident not in desk.segment.threads
    assert "rim\t" in desk.segmenting.tab.result.text()


def test_a_run_that_others_slowed_down_says_why(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "6.0 s went by waiting for a busy processor"
    monkeypatch.setattr(waiting.Waiting, "words", why)
    desk.run()
    assert re.fullmatch(rf"Done in [\d.]+ s: {why}\.", desk.status)


def test_stop_ends_a_run_within_two_seconds_and_leaves_no_layer(desk: Desk) -> None:
    desk.segment.gate.clear()
    desk.click_segment()
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    assert desk.dock.footer.button.text() == "Stop"
    began = time.monotonic()
    desk.click_segment()
    desk.wait_until_idle()
    assert time.monotonic() - began < 2
    assert len(desk.viewer.layers) == 1
    assert desk.status == "Stopped. No layer was changed."
    assert desk.dock.footer.button.text() == "Segment"
    assert desk.dock.footer.button.isEnabled()


def test_a_result_that_came_just_before_stop_is_not_shown(desk: Desk) -> None:
    desk.click_segment()
    desk.segmenting.run.stop()
    desk.wait_until_idle()
    assert desk.masks == []


@pytest.mark.parametrize(
    "error", [ImageError("the image is empty"), RuntimeError("CUDA out of memory")]
)
def test_an_error_gives_one_notification_and_the_button_back(
    desk: Desk, notifications: list[Notification], error: Exception
) -> None:
    desk.segment.error = error
    desk.run()
    assert [str(error) in note.message for note in notifications] == [True]
    assert desk.dock.footer.button.isEnabled()
    assert desk.status == f"Failed: {error}"
    assert desk.masks == []
    desk.segment.error = None
    desk.run()
    assert len(desk.masks) == 1


def test_a_failed_run_never_shows_the_old_result_as_new(desk: Desk) -> None:
    desk.choose("severity", "healthy")
    desk.run()
    before = desk.masks[0].data.copy()
    desk.segmenting.tab.patient.rerun_box.click()
    desk.choose("severity", "glaucoma")
    desk.segment.error = RuntimeError("out of memory")
    desk.run()
    np.testing.assert_array_equal(desk.masks[0].data, before)
    assert "Outdated" in desk.segmenting.tab.result.outdated.text()
    assert "healthy" in desk.segmenting.tab.result.summary.text()


def test_a_double_click_runs_once(desk: Desk) -> None:
    desk.segment.gate.clear()
    desk.dock.segment()
    desk.dock.segment()
    desk.segment.gate.set()
    desk.wait_until_idle()
    assert len(desk.segment.calls) == 1
    assert len(desk.masks) == 1


def test_an_image_deleted_during_the_run_stops_it(desk: Desk) -> None:
    desk.viewer.add_image(IMAGE, name="other")
    desk.viewer.layers.selection.active = desk.viewer.layers["retina"]
    desk.segment.gate.clear()
    desk.click_segment()
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    desk.viewer.layers.remove("retina")
    desk.wait_until_idle()  # though the engine would never have ended by itself
    assert [layer.name for layer in desk.viewer.layers] == ["other"]
    assert desk.status.startswith("Stopped, as “retina” was removed.")


def test_other_pixels_during_the_run_stop_it(desk: Desk) -> None:
    desk.segment.gate.clear()
    desk.click_segment()
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    desk.viewer.layers["retina"].data = IMAGE + 1
    desk.wait_until_idle()
    assert desk.masks == []
    assert desk.status.startswith("Stopped, as “retina” was given other pixels.")
    desk.segment.gate.set()
    desk.run()
    assert desk.segmenting.tab.result.outdated.text() == ""


def test_the_same_pixels_and_another_image_stop_no_run(desk: Desk) -> None:
    other = desk.viewer.add_image(IMAGE, name="other")
    desk.viewer.layers.selection.active = desk.viewer.layers["retina"]
    desk.segment.gate.clear()
    desk.click_segment()
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    desk.viewer.layers["retina"].data = desk.viewer.layers["retina"].data
    other.data = IMAGE + 1
    desk.viewer.layers.remove(other)
    desk.segment.gate.set()
    desk.wait_until_idle()
    assert [mask.name for mask in desk.masks] == ["retina / mask"]


def test_an_image_renamed_during_the_run_gives_its_new_name(desk: Desk) -> None:
    desk.segment.gate.clear()
    desk.click_segment()
    desk.viewer.layers["retina"].name = "left eye"
    desk.segment.gate.set()
    desk.wait_until_idle()
    assert desk.masks[0].name == "left eye / mask"
    assert desk.segmenting.tab.patient.title.text() == "PATIENT of “left eye”"


def test_another_image_chosen_during_the_run_does_not_get_its_mask(desk: Desk) -> None:
    desk.segment.gate.clear()
    desk.click_segment()
    desk.viewer.add_image(IMAGE, name="other")
    desk.segment.gate.set()
    desk.wait_until_idle()
    assert [mask.name for mask in desk.masks] == ["retina / mask"]
    assert desk.segmenting.tab.result.headline.text() == "No result yet"


def test_the_driver_re_runs_a_short_run_by_itself(desk: Desk) -> None:
    desk.choose("severity", "healthy")
    desk.run()
    before = desk.masks[0].data.copy()
    desk.choose("severity", "suspect")
    desk.qtbot.waitUntil(lambda: len(desk.segment.calls) == 2)
    desk.wait_until_idle()
    assert len(desk.masks) == 1
    assert (desk.masks[0].data != before).any()
    assert "suspect" in desk.segmenting.tab.result.summary.text()
    assert desk.segmenting.tab.result.outdated.text() == ""


def test_what_does_not_drive_the_model_re_runs_nothing(desk: Desk) -> None:
    desk.run()
    desk.choose("sex", "male")
    desk.type("age", "63 y")
    desk.wait_until_idle()
    assert len(desk.segment.calls) == 1
    assert desk.segmenting.tab.result.outdated.text() == ""


def test_a_driver_changed_during_the_run_is_run_afterwards(desk: Desk) -> None:
    desk.segment.gate.clear()
    desk.click_segment()
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    desk.choose("severity", "healthy")
    desk.segment.gate.set()
    desk.qtbot.waitUntil(lambda: len(desk.segment.calls) == 2)
    desk.wait_until_idle()
    assert desk.segment.calls[-1].severity == "healthy"
    assert "healthy" in desk.segmenting.tab.result.summary.text()


def test_without_the_tick_the_result_is_marked_outdated(desk: Desk) -> None:
    desk.run()
    desk.segmenting.tab.patient.rerun_box.click()
    desk.choose("severity", "healthy")
    assert len(desk.segment.calls) == 1
    assert "Outdated" in desk.segmenting.tab.result.outdated.text()
    desk.choose("severity", "unknown")
    assert desk.segmenting.tab.result.outdated.text() == ""


def test_a_painted_mask_is_kept_and_pauses_the_re_run(desk: Desk) -> None:
    desk.run()
    mask = desk.masks[0]
    mask.paint((6, 6), 1)
    painted = mask.data.copy()
    desk.choose("severity", "healthy")
    assert len(desk.segment.calls) == 1
    desk.run()
    np.testing.assert_array_equal(mask.data, painted)
    assert [layer.name for layer in desk.masks] == [
        "retina / mask",
        "retina / mask [2]",
    ]


def test_painting_measures_the_mask_again(desk: Desk) -> None:
    desk.run()
    before = desk.segmenting.tab.result.text()
    desk.masks[0].data_setitem((np.array([9, 10]), np.array([8, 8])), 1)
    desk.qtbot.waitUntil(lambda: "painted" in desk.segmenting.tab.result.summary.text())
    assert desk.segmenting.tab.result.text() != before


def test_a_repeated_warning_is_shown_once_and_freezes_nothing(
    desk: Desk, notifications: list[Notification]
) -> None:
    segment = desk.segment

    def warn(*arguments: object, **options: object) -> object:
        for _ in range(500):
            np.divide(np.ones(1), np.zeros(1))
        return segment(*arguments, **options)

    desk.segmenting._engines.__dict__["segment"] = warn
    desk.run()
    assert len([note for note in notifications if "divide" in note.message]) <= 1
    assert len(desk.masks) == 1


def test_the_window_closed_during_the_run_ends_its_thread(
    window_desk: Desk, notifications: list[Notification]
) -> None:
    window_desk.segment.gate.clear()
    window_desk.click_segment()
    window_desk.qtbot.waitUntil(window_desk.segment.started.is_set)
    window_desk.viewer.close()
    window_desk.qtbot.waitUntil(
        lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=2000
    )
    assert notifications == []


def test_the_dock_taken_out_during_the_run_stops_it(window_desk: Desk) -> None:
    window_desk.segment.gate.clear()
    window_desk.click_segment()
    window_desk.qtbot.waitUntil(window_desk.segment.started.is_set)
    window_desk.viewer.window.remove_dock_widget(window_desk.dock)
    window_desk.wait_until_idle()
    assert window_desk.masks == []
    with window_desk.qtbot.waitSignal(window_desk.dock.destroyed):
        window_desk.dock.deleteLater()


def test_the_dock_destroyed_during_the_run_gets_no_result(window_desk: Desk) -> None:
    window_desk.segment.gate.clear()
    window_desk.click_segment()
    window_desk.qtbot.waitUntil(window_desk.segment.started.is_set)
    window_desk.viewer.window.remove_dock_widget(window_desk.dock)
    with window_desk.qtbot.waitSignal(window_desk.dock.destroyed):
        window_desk.dock.deleteLater()
    window_desk.segment.gate.set()
    window_desk.qtbot.waitUntil(
        lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=2000
    )
    window_desk.viewer.layers["retina"].name = "still alive"
    assert window_desk.masks == []


def test_what_does_not_drive_the_model_is_in_no_record(desk: Desk) -> None:
    desk.type("age", "63")
    desk.run()
    assert desk.segment.calls == [Patient(age=63)]
    record = str([layer.metadata for layer in desk.masks])
    assert "63" not in record


def test_an_ambiguous_image_asks_what_its_axes_are(
    desk: Desk, notifications: list[Notification]
) -> None:
    odd = Image(np.zeros((40, 50, 3)), rgb=False, name="odd")
    desk.viewer.add_layer(odd)
    section = desk.segmenting.tab.image
    assert "channels or planes" in desk.fit
    assert desk.segmenting.tab.action.link.text() == "Name its axes"
    assert not desk.dock.footer.button.isEnabled()
    assert notifications == []
    offered = [
        section.axes_combo.itemText(i) for i in range(section.axes_combo.count())
    ]
    assert offered[1:] == ["z, y, x", "time, y, x", "y, x, channel"]
    section.axes_combo.setCurrentIndex(3)
    section.axes_combo.activated.emit(3)
    assert odd.axis_labels == ("y", "x", "c")
    assert "channels or planes" not in desk.fit
    desk.run()
    assert len(desk.segment.calls) == 1
