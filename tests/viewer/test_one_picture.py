"""One picture at a time: no route shows two patients at once, but a person's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import browsing
import imageio.v3 as iio
import napari
import numpy as np
import pytest
from dead_ones import dead_process
from desk import Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from patients import NAMES, SHAPE, Ward, patient_of, pixels_of, seen, visible_patients
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from sweeping import choose_map, sweep
from tables import go_to
from tuning_desk import BETTER, DRAWN, TuningDesk
from what_if_fakes import FakeAblate, FakeUncertainty

from napari_dmoe.imaging.disk.owners import machine
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.contributed import PLUGIN
from napari_dmoe.viewer.layers.names import SEEN
from napari_dmoe.viewer.rescue.aside import Aside, PaintedMask, digest
from napari_dmoe.viewer.rescue.control import _NOT_HERE, RESTORED
from napari_dmoe.viewer.session.tidying import tidy

pytestmark = pytest.mark.gui

Route = Callable[[Ward], str]
"""Shows an image, or lets something come for one; returns who is to be seen then."""


@pytest.fixture
def ward(make_desk: Callable[..., Desk]) -> Ward:
    """Return a desk with three patients; the last one is seen."""
    ward = Ward(
        make_desk(ViewerModel(), ablate=FakeAblate(), uncertainty=FakeUncertainty())
    )
    ward.admit(*NAMES)
    ward.see_only("cle")
    return ward


def late(ward: Ward, begin: Callable[[], object], *, to: str = "ben") -> str:
    """Begin something on ann, choose another image, and wait until it is there."""
    ward.choose("ann")
    ward.desk.wait_until_idle()
    before = len(ward.viewer.layers)
    begin()
    ward.choose(to)
    ward.desk.wait_until_idle()
    ward.see_only(to)
    assert len(ward.viewer.layers) > before  # it has come
    assert patient_of(ward.viewer.layers[-1]) == "ann"
    return to


def by_the_list(ward: Ward) -> str:
    ward.choose("ann")
    return "ann"


def by_napari(ward: Ward) -> str:
    ward.viewer.layers.selection.active = ward.image("ben")
    return "ben"


def by_a_mask(ward: Ward) -> str:
    ward.viewer.layers.selection.active = ward.viewer.layers["ann / mask"]
    assert "ann / mask" in seen(ward.viewer)
    return "ann"


def by_another_result(ward: Ward) -> str:
    """Select a mask that is not the one that was looked at."""
    ward.choose("ann")
    ward.desk.segmenting.tab.result.keep_button.click()
    ward.desk.run()
    ward.choose("ben")
    ward.viewer.layers.selection.active = ward.viewer.layers["ann / mask"]
    assert "ann / mask" in seen(ward.viewer)
    assert "ann / mask [1]" not in seen(ward.viewer)
    return "ann"


def by_adding(ward: Ward) -> str:
    ward.viewer.add_image(pixels_of("dan", (30, 40)), name="dan")
    return "dan"


def by_adding_volumes(ward: Ward) -> str:
    for name in ("dan", "eve"):
        ward.viewer.add_image(pixels_of(name, (7, *SHAPE)), name=name)
    return "eve"


def by_its_own_labels(ward: Ward) -> str:
    ward.viewer.add_labels(np.ones(SHAPE, np.uint8), name="ann_segmentation")
    assert "ann_segmentation" in seen(ward.viewer)
    return "ann"


def by_new_labels(ward: Ward) -> str:
    ward.choose("ben")
    ward.viewer.layers.selection.active = ward.image("ben")
    ward.viewer._new_labels()
    assert ward.viewer.layers[-1].visible
    return "ben"


def by_removing(ward: Ward) -> str:
    ward.viewer.layers.remove("cle")
    ward.desk.wait_until_idle()
    return "ben"


def by_removing_many(ward: Ward) -> str:
    ward.viewer.layers.selection = {ward.image("cle"), ward.image("ben")}
    ward.viewer.layers.remove_selected()
    ward.desk.wait_until_idle()
    return "ann"


def by_segmenting(ward: Ward) -> str:
    ward.choose("ann")
    ward.desk.choose("severity", "glaucoma")
    ward.desk.run()
    return "ann"


def by_a_late_run(ward: Ward) -> str:
    ward.choose("ann")
    ward.desk.segmenting.tab.result.keep_button.click()  # so that a mask comes
    return late(ward, ward.desk.click_segment)


def by_a_late_sweep(ward: Ward) -> str:
    section = ward.desk.what_if.tab.sweep
    return late(ward, lambda: ward.desk.click(section.button))


def by_late_noise(ward: Ward) -> str:
    section = ward.desk.what_if.tab.noise
    return late(ward, lambda: ward.desk.click(section.run_button))


def by_late_experts(ward: Ward) -> str:
    section = ward.desk.what_if.tab.experts
    ward.choose("ann")
    section.mute_boxes[1].click()
    return late(ward, lambda: ward.desk.click(section.run_button))


def by_a_late_comparison(ward: Ward) -> str:
    section = ward.desk.segmenting.tab.compare
    ward.desk.click(section.fold.button)
    said = late(ward, lambda: section.compare_requested.emit(0))
    assert "ann" not in section.found.summary.text()
    return said


def by_a_sweep(ward: Ward) -> str:
    ward.choose("ann")
    sweep(ward.desk)
    choose_map(ward.desk.what_if.tab.sweep, 1)
    shown = seen(ward.viewer)
    assert "ann / sweep of severity" in shown
    ward.choose("ben")
    ward.desk.wait_until_idle()
    ward.see_only("ben")
    ward.choose("ann")
    assert seen(ward.viewer) == shown
    return "ann"


def by_a_map_of_the_routing(ward: Ward) -> str:
    ward.choose("ann")
    ward.desk.routing.tab.shown_box.click()
    ward.desk.wait_until_idle()
    assert any("routing" in name for name in seen(ward.viewer))
    ward.choose("ben")
    ward.desk.wait_until_idle()
    return "ben"


def by_layers_of_many(ward: Ward) -> str:
    """Segment all layers anew, while another image is seen."""
    series = ward.desk.segmenting.tab.series
    ward.desk.click(series.fold.button)
    ward.choose("ben")
    for name in NAMES:
        result = ward.desk.session.result_of(ward.image(name))
        assert result is not None
        result.is_kept = True
    n = len(ward.viewer.layers)
    ward.viewer.layers.selection = {ward.image(name) for name in NAMES}
    ward.desk.click(series.layers_button)
    wait_for_layers(ward)
    assert len(ward.viewer.layers) == n + 3
    return "ben"


def wait_for_layers(ward: Ward) -> None:
    desk = ward.desk
    series = desk.segmenting.layer_series
    desk.qtbot.waitUntil(lambda: series._total == 0, timeout=15_000)
    desk.wait_until_idle()


def by_a_line_of_many(ward: Ward) -> str:
    by_layers_of_many(ward)
    table = ward.desk.segmenting.tab.series.table
    go_to(table, 0)
    ward.desk.qtbot.keyClick(table, Qt.Key.Key_Return)
    return "ann"


def by_next(ward: Ward) -> str:
    ward.choose("ben")
    browsing.step(ward.desk)
    (other,) = visible_patients(ward.viewer)
    assert other != "ben"
    ward.see_only(other)
    browsing.step(ward.desk, -2)
    ward.see_only(next(name for name in NAMES if name not in ("ben", other)))
    browsing.step(ward.desk)
    return "ben"


def by_a_mask_that_came_as_an_image(ward: Ward) -> str:
    """It waits unseen from the first, and is seen with its image once it is known."""
    ward.choose("ben")
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 2:5] = 255
    ward.viewer.add_image(mask, name="ann_segmentation")
    ward.see_nothing_but("ben")
    ward.desk.wait_until_idle()
    assert "ann_segmentation" in [layer.name for layer in ward.viewer.layers]
    return "ben"


def by_tidying(ward: Ward) -> str:
    by_a_sweep(ward)
    ward.choose("ben")
    tidy(ward.desk.session, ward.desk.session.images())
    ward.desk.wait_until_idle()
    return "ben"


def by_regions(ward: Ward) -> str:
    for name in ("ann", "ben"):
        ward.choose(name)
        ward.desk.wait_until_idle()
        ward.desk.routing.tab.plots.region_wanted.emit()
        region = ward.viewer.layers.selection.active
        assert ward.desk.session.showing.image_of(region) is ward.image(name)
        region.name = f"{name} region"
    ward.desk.wait_until_idle()
    assert "ben region" in seen(ward.viewer)
    return "ben"


ROUTES: tuple[Route, ...] = (
    by_the_list,
    by_napari,
    by_a_mask,
    by_another_result,
    by_adding,
    by_adding_volumes,
    by_its_own_labels,
    by_new_labels,
    by_removing,
    by_removing_many,
    by_segmenting,
    by_a_late_run,
    by_a_late_sweep,
    by_late_noise,
    by_late_experts,
    by_a_late_comparison,
    by_a_sweep,
    by_a_map_of_the_routing,
    by_layers_of_many,
    by_a_line_of_many,
    by_next,
    by_a_mask_that_came_as_an_image,
    by_tidying,
    by_regions,
)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
def test_nobody_sees_two_patients_at_once(ward: Ward, route: Route) -> None:
    shown = route(ward)
    ward.desk.wait_until_idle()
    ward.see_only(shown)
    for name in [each.name for each in ward.desk.session.images()]:
        ward.choose(name)
        ward.desk.wait_until_idle()
        ward.see_only(name)
    assert ward.seen_at_once == []


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_volumes_are_seen_alone_however_they_are_displayed(
    make_desk: Callable[..., Desk], volume_model: LoadedModel, ndisplay: int
) -> None:
    ward = Ward(make_desk(ViewerModel()))
    ward.desk.session.set_model(volume_model)
    ward.viewer.dims.ndisplay = ndisplay
    for name in NAMES:
        ward.viewer.add_image(pixels_of(name, (6, *SHAPE)), name=name)
        ward.viewer.add_labels(np.ones((6, *SHAPE), np.uint8), name=f"{name} labels")
        ward.desk.settle()
    for name in (*NAMES, *reversed(NAMES)):
        ward.choose(name)
        ward.desk.settle()
        ward.see_only(name)
        assert seen(ward.viewer) == [name, f"{name} labels"]
        ward.viewer.dims.ndisplay = 5 - ward.viewer.dims.ndisplay
        ward.desk.settle()
        ward.see_only(name)
    assert ward.seen_at_once == []


@pytest.fixture
def masks_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let dialogs save and open the mask of this path."""
    path = tmp_path / "ann.labels.tif"
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *_: (str(path), ""))
    return path


@pytest.mark.parametrize("is_late", [False, True])
def test_a_mask_that_is_reopened_is_seen_with_its_image_alone(
    ward: Ward, masks_on_disk: Path, is_late: bool
) -> None:
    ward.choose("ann")
    section = ward.desk.segmenting.tab.result
    section.save_requested.emit()
    ward.desk.wait_until_idle()
    section.open_requested.emit()
    if is_late:
        ward.choose("ben")
    ward.desk.wait_until_idle()
    ward.see_only("ben" if is_late else "ann")
    ward.choose("ann")
    mask = ward.viewer.layers[-1]
    assert seen(ward.viewer) == ["ann", mask.name]  # instead of the one of the run
    assert mask.name != "ann / mask"
    assert len(ward.desk.session.results_of(ward.image("ann"))) == 2
    assert ward.seen_at_once == []


def test_a_mask_whose_image_is_gone_lies_on_no_other(
    ward: Ward, masks_on_disk: Path
) -> None:
    ward.choose("ann")
    section = ward.desk.segmenting.tab.result
    section.save_requested.emit()
    ward.desk.wait_until_idle()
    n = len(ward.viewer.layers)
    section.open_requested.emit()
    ward.viewer.layers.remove("ann")
    ward.desk.wait_until_idle()
    assert len(ward.viewer.layers) == n
    mask = ward.viewer.layers[-1]
    assert not mask.visible
    assert ward.desk.session.showing.image_of(mask) is None
    assert len(visible_patients(ward.viewer)) == 1


def die(aside: Aside) -> Aside:
    """Let the process that put something aside be dead, and return another's view."""
    for folder in aside._root.iterdir():
        tag = f"{machine()}-{dead_process()}-{folder.name[-8:]}"
        folder.rename(aside._root / tag)
    aside._own = None
    return Aside(aside._root)


@pytest.mark.parametrize("is_here", [True, False])
def test_what_is_restored_is_seen_on_its_own_image_alone(
    ward: Ward, put_aside: Aside, is_here: bool, notifications: list[Notification]
) -> None:
    of = "ann" if is_here else "somebody else"
    put_aside.put_mask(
        3, PaintedMask(np.ones(SHAPE, np.int32), np.eye(3), digest(pixels_of(of)))
    )
    rescue = ward.desk.dock.rescue
    rescue._show_left(die(put_aside).left())
    rescue._on_restore()
    ward.desk.qtbot.waitUntil(lambda: RESTORED in ward.viewer.layers[-1].name)
    ward.see_only("ann" if is_here else "cle")
    restored = ward.viewer.layers[-1]
    assert restored.visible is is_here
    assert [each.message for each in notifications] == [_NOT_HERE] * (not is_here)
    ward.choose("ben")
    ward.see_only("ben")


def test_a_painted_mask_is_put_aside_for_its_own_image(
    ward: Ward, put_aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All images are of one size: the topmost would be taken for it."""
    monkeypatch.setattr("napari_dmoe.viewer.rescue.control.PAUSE_MS", 1)
    ward.choose("ann")
    mask = ward.viewer.layers["ann / mask"]
    mask.data_setitem((np.array([3, 4]), np.array([5, 5])), 1)
    root = put_aside._root
    ward.desk.qtbot.waitUntil(lambda: root.is_dir() and any(root.glob("*/[!.]*.npz")))
    (path,) = root.glob("*/[!.]*.npz")
    with np.load(path) as stored:
        assert str(stored["image"]) == digest(pixels_of("ann"))


def test_what_the_tuned_model_draws_is_looked_at_on_its_own_image(
    make_tuning: Callable[..., TuningDesk],
) -> None:
    tuning = make_tuning()
    viewer, ward = tuning.viewer, Ward(tuning.desk)
    viewer.layers.clear()
    for name in ("ann", "ben"):
        viewer.add_image(pixels_of(name), name=name, metadata=DRAWN)
        tuning.know(name)
        tuning.paint(name)
    tuning.open()
    tuning.done(*BETTER)
    outcome = tuning.tab.outcome
    place = outcome.case_combo.findText("ann")
    ward.see_only("ben")
    outcome.look_requested.emit(place, True)
    ward.see_only("ann")
    ward.desk.wait_until_idle()
    ward.see_only("ann")
    assert any("changed by tuning" in name for name in seen(viewer))
    outcome.look_requested.emit(place, True)
    ward.choose("ben")
    ward.desk.wait_until_idle()
    ward.see_only("ben")
    assert ward.seen_at_once == []


def test_frames_of_what_a_model_sees_are_seen_with_their_image(ward: Ward) -> None:
    loaded = ward.desk.session.model
    how = loaded.preprocessing.fitted("crop")
    card = loaded.card.model_copy(update={"preprocessing": how})
    ward.desk.session.set_model(replace(loaded, card=card))
    for name in (*NAMES, *NAMES):
        ward.choose(name)
        ward.desk.wait_until_idle()
        ward.see_only(name)
        assert f"{name} / {SEEN}" in seen(ward.viewer)


def test_who_goes_through_files_sees_one_patient_at_a_time(
    desk: Desk, tmp_path: Path
) -> None:
    """More than stay open: some leave while others come, and some come again."""
    ward = Ward(desk)
    browsing.fill(desk, tmp_path)
    places = [*range(browsing.N), 3, 0, 5, 11]
    for place in places:
        desk.session.pictures.open(place)
        browsing.wait(desk)
        name = f"im{place:02}"
        ward.see_only(name)
        assert len(seen(desk.viewer)) == 2  # with its mask
    assert ward.seen_at_once == []


def test_a_replay_of_a_mask_comes_up_with_its_image(ward: Ward) -> None:
    ward.viewer.layers.selection.active = ward.viewer.layers["ann / mask"]
    ward.desk.click(ward.desk.what_if.tab.replay.replay_button)
    ward.choose("ben")
    ward.desk.wait_until_idle()
    ward.see_only("ben")


@pytest.fixture
def window_ward(
    make_desk: Callable[..., Desk], make_napari_viewer: Callable[..., napari.Viewer]
) -> Ward:
    """Return a ward in a window that is seen, without any image."""
    return Ward(make_desk(make_napari_viewer(show=True)))


def test_a_sample_beside_others_is_seen_alone_with_its_reference(
    window_ward: Ward,
) -> None:
    ward, viewer = window_ward, window_ward.viewer
    ward.admit("ann")
    viewer.open_sample(PLUGIN, "ct-pelvis")
    ward.desk.wait_until_idle()
    assert seen(viewer) == ["CT", "CT / reference"]
    step = viewer.dims.current_step[0]
    ward.choose("ann")
    ward.desk.wait_until_idle()
    ward.see_only("ann")
    viewer.dims.set_current_step(0, 0)
    ward.choose("CT")
    ward.desk.wait_until_idle()
    assert seen(viewer) == ["CT", "CT / reference"]
    assert viewer.dims.current_step[0] == step
    assert ward.seen_at_once == []


def test_no_two_patients_are_ever_painted(window_ward: Ward, tmp_path: Path) -> None:
    """In a window, whatever is drawn: pictures opened, chosen, removed, segmented."""
    ward, viewer = window_ward, window_ward.viewer
    painted: list[list[str]] = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda _: painted.append(visible_patients(viewer)))
    for name in NAMES:
        path = tmp_path / f"{name}.png"
        iio.imwrite(path, np.stack([pixels_of(name, (60, 40))] * 3, -1))
        viewer.open(path, plugin="napari")
        ward.desk.wait_until_idle()
        ward.desk.choose("severity", "suspect")
        ward.desk.run()
        viewer.screenshot(flash=False)
    for name in (*NAMES, *reversed(NAMES)):
        ward.choose(name)
        viewer.screenshot(flash=False)
        ward.see_only(name)
    viewer.layers.remove("cle")
    viewer.screenshot(flash=False)
    viewer.layers.selection.active = viewer.layers["ann / mask"]
    viewer.screenshot(flash=False)
    ward.see_only("ann")
    assert len(painted) > 2 * len(NAMES)
    assert max(map(len, painted)) == 1
    assert {patients[0] for patients in painted if patients} == set(NAMES)
    assert ward.seen_at_once == []


def test_what_is_seen_of_a_patient_is_that_patients_pixels(window_ward: Ward) -> None:
    """Each is another grey: the canvas shows it, and no other, wherever it lies."""
    ward, viewer = window_ward, window_ward.viewer
    greys = {"ann": 60, "ben": 140, "cle": 220}
    for place, (name, grey) in enumerate(greys.items()):
        viewer.add_image(
            np.full((50, 50 + 20 * place), grey, np.uint8),
            name=name,
            contrast_limits=(0, 255),
            colormap="gray",
            translate=(300 * place, 0),
        )
    for name, grey in (*greys.items(), *reversed(greys.items())):
        ward.choose(name)
        shot = viewer.screenshot(flash=False)[..., 0]
        shares = {
            each: (np.abs(shot.astype(int) - value) < 10).mean()
            for each, value in greys.items()
        }
        assert shares.pop(name) > 0.15  # it is framed
        assert max(shares.values()) < 0.01, grey
