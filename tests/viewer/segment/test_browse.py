"""Previous, Next and the filters: one image of a series after another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browsing import SHAPE, N, bar, fill, segmented, step, wait
from desk import Desk
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.layers._source import layer_source
from napari.utils.notifications import Notification
from PIL import Image as File
from qtpy.QtCore import Qt

from napari_dmoe.imaging.files import read_image
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.segment.browse import control as browse
from napari_dmoe.viewer.session import visits
from napari_dmoe.viewer.session.pictures import Filter, Picture
from napari_dmoe.viewer.session.visits import GO_TOGETHER, MOST_OPEN, read_files
from napari_dmoe.viewer.ui.work import Order

pytestmark = pytest.mark.gui


@pytest.fixture
def series(desk: Desk, tmp_path: Path) -> Desk:
    """Return a desk with a series of images that were segmented into a folder."""
    desk.viewer.layers.clear()
    fill(desk, tmp_path)
    return desk


def seen(desk: Desk) -> list[str]:
    return [layer.name for layer in desk.viewer.layers if layer.visible]


def test_next_opens_the_image_with_its_patient_and_its_mask(series: Desk) -> None:
    assert bar(series).place_button.text() == "– of 12"
    assert not bar(series).previous_button.isEnabled()
    step(series)
    session = series.session
    assert bar(series).place_button.text() == "1 of 12"
    assert session.image.name == "im00"
    np.testing.assert_array_equal(session.image.data, np.full(SHAPE, 10))
    assert session.patient_of(session.image).severity == "healthy"
    assert session.source_of(session.image, "severity") == "table"
    result = session.result_of(session.image)
    assert result is not None
    assert result.request.is_of_file
    assert seen(series) == ["im00", result.title]
    step(series)
    assert session.patient_of(session.image).severity == "glaucoma"
    assert seen(series) == ["im01", session.result_of(session.image).title]
    assert series.status == "Opened im01."
    assert series.segment.calls == []  # nothing was run


def test_no_two_patients_are_seen_at_once_at_any_moment(series: Desk) -> None:
    shown: list[set[str]] = []

    def note(event: object = None) -> None:
        images = [each for each in series.session.images() if each.visible]
        shown.append({each.name for each in images})

    def follow(event: object) -> None:
        event.value.events.visible.connect(note)
        note()

    series.viewer.layers.events.inserted.connect(follow)
    step(series, 5)
    step(series, -3)
    assert {"im04"} in shown
    assert max(map(len, shown)) == 1


def test_a_second_visit_finds_the_layers_of_the_first_with_what_was_painted(
    series: Desk,
) -> None:
    step(series)
    first = series.session.image
    mask = series.session.result_of(first).mask()
    mask.paint((0, 0), 2)
    painted = np.array(mask.data)
    step(series, 2)
    names = {layer.name for layer in series.viewer.layers}
    step(series, -2)
    assert series.session.image is first
    assert series.session.result_of(first).mask() is mask
    np.testing.assert_array_equal(mask.data, painted)
    assert {layer.name for layer in series.viewer.layers} == names
    assert not any("[1]" in name for name in names), names
    assert series.session.pictures.corrected(0)
    assert mask.visible


def test_images_left_behind_go_but_those_that_somebody_made_something_on(
    series: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "GO_TOGETHER", 1)
    session, viewer = series.session, series.viewer
    step(series)  # painted
    session.result_of(session.image).mask().paint((0, 0), 2)
    step(series)  # with labels of somebody's own
    viewer.add_labels(np.zeros(SHAPE, np.uint8), name="im01 labels")
    step(series)  # with a run of the model
    series.run()
    step(series, N - 3)
    series.qtbot.waitUntil(
        lambda: not any("closing" in layer.name for layer in viewer.layers)
    )
    kept = [f"im{i:02}" for i in (0, 1, 2, *range(N - MOST_OPEN - 1, N))]
    assert sorted(each.name for each in session.images()) == kept
    labels = [each for each in viewer.layers if isinstance(each, Labels)]
    assert all(session.showing.image_of(each) is not None for each in labels)
    assert session.pictures.corrected(0)
    # What went is opened anew, under its own name.
    session.pictures.open(3)
    wait(series)
    assert session.image.name == "im03"
    assert session.result_of(session.image) is not None


def test_who_goes_on_quickly_skips_and_the_last_image_alone_is_opened(
    series: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def slowly(wanted: object) -> object:
        opened.append(wanted.image.stem)
        return read_files(wanted)

    monkeypatch.setattr(browse, "read_files", slowly)
    for _ in range(5):
        bar(series).next_button.click()
    assert bar(series).place_button.text() == "5 of 12"
    wait(series)
    assert series.session.image.name == "im04"
    assert opened[-1] == "im04"
    assert len(opened) <= 2  # what was under way, and the last one
    assert [each.name for each in series.session.images()] == ["im04"]
    pictures = series.session.pictures
    assert [pictures.seen(i) for i in range(5)] == [False] * 4 + [True]


def test_an_image_that_somebody_opened_is_used_and_keeps_their_patient(
    series: Desk,
) -> None:
    pictures, viewer = series.session.pictures, series.viewer
    with layer_source(path=str(pictures[1].path)):  # as napari's own readers do
        layer = viewer.add_image(np.full(SHAPE, 11, np.uint8), name="im01")
    series.session.set_patient(layer, Patient(severity="healthy"))
    series.settle()
    assert bar(series).place_button.text() == "2 of 12"
    step(series)
    step(series, -1)
    assert series.session.image is layer
    assert [each.name for each in series.session.images()].count("im01") == 1
    assert series.session.patient_of(layer).severity == "healthy"
    assert series.session.result_of(layer) is not None
    step(series, 10)
    assert layer in viewer.layers  # it is theirs


def test_the_worst_come_first(series: Desk) -> None:
    bar(series).menu_requested.emit()
    titles = [each.text() for each in bar(series).actions_]
    assert titles == [
        "All (12)",
        "Not yet seen (12)",
        "Corrected (0)",
        "Worst first (12)",
        "Failed (0)",
        "Leave “out”: go through the open images",
    ]
    bar(series).actions_[3].trigger()
    wait(series)
    assert series.session.image.name == "im11"
    assert bar(series).place_button.text() == "1 of 12"
    assert "worst first" in bar(series).place_button.toolTip()
    assert "Dice 0.010" in bar(series).place_button.toolTip()
    step(series)
    assert series.session.image.name == "im10"
    assert series.session.pictures.filter is Filter.WORST


def test_leaving_a_series_goes_through_the_open_images(series: Desk) -> None:
    step(series, 2)
    bar(series).menu_requested.emit()
    bar(series).actions_[-1].trigger()
    series.settle()
    assert bar(series).place_button.text() == "1 of 2"  # as the list shows them
    step(series)
    assert series.session.image.name == "im00"
    assert not bar(series).next_button.isEnabled()


def test_with_one_image_nothing_of_it_is_seen(desk: Desk) -> None:
    desk.settle()
    assert bar(desk).isHidden()
    desk.viewer.add_image(np.ones(SHAPE, np.uint8), name="second")
    desk.settle()
    assert not bar(desk).isHidden()
    assert bar(desk).place_button.text() == "1 of 2"
    step(desk)
    assert desk.session.image.name == "retina"


def test_an_image_that_cannot_be_read_is_told_and_next_goes_on_behind_it(
    series: Desk, notifications: list[Notification]
) -> None:
    step(series)
    series.session.pictures[1].path.write_bytes(b"no picture")
    step(series)
    assert series.status.startswith("im01 cannot be shown: ")
    assert len(notifications) == 1
    assert series.session.image.name == "im00"  # with its own patient
    assert series.session.patient_of(series.session.image).severity == "healthy"
    assert bar(series).place_button.text() == "2 of 12"
    step(series)
    assert series.session.image.name == "im02"


def test_a_mask_that_cannot_be_read_is_told_and_the_image_shown(series: Desk) -> None:
    mask = series.session.pictures[0].mask
    mask.write_bytes(b"no mask")
    step(series)
    assert series.session.image.name == "im00"
    assert "Its mask cannot be read" in series.status
    assert series.session.results_of(series.session.image) == []


def test_an_image_that_failed_without_a_file_says_why(series: Desk) -> None:
    row = {"status": "failed", "outcome": "no such file"}
    series.session.pictures.add([Picture("gone", row=row)])
    series.session.pictures.filter = Filter.FAILED
    series.settle()
    step(series)
    assert series.status == "gone has no file. no such file"
    assert bar(series).place_button.text() == "1 of 1"


def test_a_mask_that_was_made_anew_meanwhile_is_read_again(series: Desk) -> None:
    step(series)
    image, pictures = series.session.image, series.session.pictures
    before = series.session.result_of(image).mask()
    source = read_image(pictures[0].path)
    again = segmented(source, "glaucoma")
    save_segmentation(pictures.folder, "im00", again, source, overwrite=True)
    step(series)
    step(series, -1)
    (result,) = series.session.results_of(image)
    assert result.mask() is not before
    assert (result.mask().data == 2).sum() == 9


def test_the_truth_of_a_row_becomes_the_truth_of_its_image(
    series: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "truth.png"
    File.fromarray(np.eye(*SHAPE).astype(np.uint8) * 2).save(path)
    series.session.pictures.update(0, truth=path)
    step(series, 2)
    step(series, -1)
    truth = series.session.truths.of(series.session.image)
    assert truth is not None
    assert truth.path == path
    assert (truth.labels.data == 2).sum() == 9
    assert series.session.showing.image_of(truth.labels) is series.session.image
    step(series, 10)
    assert truth.labels not in series.viewer.layers  # it left with its image


@pytest.mark.parametrize("key", [Qt.Key.Key_J, Qt.Key.Key_K])
def test_the_keys_go_on_and_back_from_canvas_and_dock_but_not_from_a_field(
    window_desk: Desk, tmp_path: Path, key: Qt.Key
) -> None:
    desk, control = window_desk, Qt.KeyboardModifier.ControlModifier
    desk.viewer.layers.clear()
    fill(desk, tmp_path, 4)
    desk.session.pictures.open(1)
    wait(desk)
    wanted = "im02" if key == Qt.Key.Key_J else "im00"
    canvas = desk.viewer.window._qt_viewer.canvas.native
    combo = desk.segmenting.tab.image.combo
    for widget in (canvas, desk.dock, combo, bar(desk).next_button):
        desk.session.pictures.open(1)
        wait(desk)
        desk.qtbot.keyClick(widget, key, control)
        wait(desk)
        assert desk.session.image.name == wanted, widget
    assert "(Ctrl+J)" in bar(desk).next_button.toolTip()
    assert "(Ctrl+K)" in bar(desk).previous_button.toolTip()


def test_the_keys_do_nothing_while_somebody_types(
    series: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "_is_typing", lambda: True)
    series.segmenting.browse.show_next()
    wait(series)
    assert series.session.images() == []
    monkeypatch.setattr(browse, "_is_typing", lambda: False)
    series.segmenting.browse.show_next()
    wait(series)
    assert series.session.image.name == "im00"


def test_what_is_worked_on_in_another_image_is_left_alone(series: Desk) -> None:
    points = series.viewer.add_points(np.zeros((1, 2)), name="mine")
    step(series, 9)
    assert points in series.viewer.layers
    assert points.visible


def test_many_visits_leave_no_more_layers_than_a_few(
    make_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    desk = make_desk(ViewerModel())
    fill(desk, tmp_path, 20)
    most = 0
    for _ in range(3):
        for place in range(20):
            desk.session.pictures.open(place)
            wait(desk)
            most = max(most, len(desk.viewer.layers))
    few = MOST_OPEN + GO_TOGETHER
    assert MOST_OPEN < len(desk.session.images()) <= few
    assert most <= 2 * (few + 1)
    alive = [each for each in gc_images() if each.name.startswith("im")]
    assert len(alive) <= few + 1


def gc_images() -> list[Image]:
    import gc

    gc.collect()
    return [each for each in gc.get_objects() if type(each) is Image]


def test_thousands_of_images_leave_the_place_its_room(series: Desk) -> None:
    pictures = series.session.pictures
    many = [Picture(f"{i}", Path(f"/in/{i}.png")) for i in range(8729)]
    pictures.fill(many, Path("/other"))
    series.settle()
    assert bar(series).place_button.text() == "–/8729"
    assert "Images of other" in bar(series).place_button.toolTip()


def test_while_a_series_goes_on_no_notification_tells_what_was_opened(
    series: Desk, notifications: list[Notification]
) -> None:
    series.viewer.add_image(np.zeros(SHAPE, np.uint8), name="mine")
    series.segment.gate.clear()
    series.click_segment()
    series.session.pictures.open(2)
    series.qtbot.waitUntil(lambda: series.session.image.name == "im02")
    series.qtbot.waitUntil(lambda: not series.dock.work.is_at_files)
    series.segment.gate.set()
    wait(series)
    assert notifications == []


def test_some_images_go_together_as_the_window_stands_still_meanwhile(
    series: Desk,
) -> None:
    most = MOST_OPEN + GO_TOGETHER
    for place in range(most):
        series.session.pictures.open(place)
        wait(series)
    assert len(series.session.images()) == most
    series.session.pictures.open(most)
    wait(series)
    series.qtbot.waitUntil(lambda: len(series.session.images()) == MOST_OPEN + 1)


def test_images_go_while_a_series_goes_on_and_writes_files(
    series: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "GO_TOGETHER", 1)
    gate = threading.Event()
    order = Order(
        title="a series",
        status="Segmenting …",
        work=lambda hook: gate.wait(60),
        then=lambda _: "Done.",
        puts_layers=False,
    )
    assert series.dock.work.start(order)
    for place in range(N):
        series.session.pictures.open(place)
        series.qtbot.waitUntil(lambda: series.session.pictures.wish is None)
    series.qtbot.waitUntil(lambda: len(series.session.images()) == MOST_OPEN + 1)
    assert series.dock.work.is_busy
    gate.set()
    series.qtbot.waitUntil(lambda: not series.dock.work.is_busy)
