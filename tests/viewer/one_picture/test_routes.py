"""No route that shows an image shows two patients at once."""

from __future__ import annotations

from collections.abc import Callable

import browsing
import numpy as np
import pytest
from patients import NAMES, SHAPE, Ward, patient_of, pixels_of, seen, visible_patients
from qtpy.QtCore import Qt
from sweeping import choose_map, sweep
from tables import go_to

from napari_dmoe.viewer.session.tidying import tidy

pytestmark = pytest.mark.gui

Route = Callable[[Ward], str]
"""Shows an image, or lets something come for one; returns who is to be seen then."""


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


def by_deleting_a_layer(ward: Ward) -> str:
    """Napari selects the neighbour of what is deleted: here it is ben's image."""
    ward.choose("ann")
    ward.viewer.layers.selection.active = ward.viewer.layers["ann / mask"]
    assert ward.viewer.layers.index("ann / mask") == 1
    ward.viewer.layers.move(1, 3)
    ward.desk.settle()
    assert patient_of(ward.viewer.layers[1]) == "ben"
    ward.viewer.layers.remove_selected()
    ward.desk.qtbot.waitUntil(
        lambda: ward.viewer.layers.selection.active is ward.image("ann")
    )
    ward.desk.wait_until_idle()
    return "ann"


def by_deleting_an_image(ward: Ward) -> str:
    ward.choose("ben")
    ward.viewer.layers.selection.active = ward.image("ben")
    ward.viewer.layers.remove_selected()
    ward.desk.wait_until_idle()
    return "ann"  # whose mask is the neighbour


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
    by_deleting_a_layer,
    by_deleting_an_image,
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
