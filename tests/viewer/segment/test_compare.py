"""Two masks of one image: another model's, another checkpoint's, another result's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.layers import Image, Vectors
from napari.utils.notifications import Notification
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog
from viewer_fakes import make_segmentation

from napari_dmoe.inference.masks.comparison import AGREE, ONLY_FIRST, OTHER_CLASS
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.layers.placement import data_to_world
from napari_dmoe.viewer.segment.compare.view import OTHER_FILE
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui

PLACE = {
    "scale": (0.5, 0.25),
    "translate": (3, -4),
    "shear": (0.2,),
    "units": ("mm", "mm"),
}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Return a desk with a placed image, segmented for suspect, and Compare open.

    Each model draws its own cup: as large as if the severity were healthy for the
    model called age.
    """
    real = desk.segment

    def by_model(loaded: LoadedModel, *arguments: object, **options: object) -> object:
        made: Segmentation = real(loaded, *arguments, **options)
        if loaded.card.name != "fairseg-age":
            return made
        return make_segmentation(arguments[0], value="healthy")

    desk.segmenting._engines.__dict__["segment"] = by_model
    desk.viewer.layers.clear()
    desk.viewer.add_layer(Image(np.zeros((12, 9), np.uint8), name="eye", **PLACE))
    desk.choose("severity", "glaucoma")
    desk.run()
    desk.click(desk.segmenting.tab.compare.fold.button)
    return desk


def offered(desk: Desk) -> list[str]:
    combo = desk.segmenting.tab.compare.combo
    return [combo.itemText(place) for place in range(combo.count())]


def compare_with(desk: Desk, name: str) -> None:
    section = desk.segmenting.tab.compare
    steps = section.combo.findText(name) - section.combo.currentIndex()
    for _ in range(abs(steps)):
        key = Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up
        desk.qtbot.keyClick(section.combo, key)
    assert section.combo.currentText() == name
    desk.click(section.button)
    desk.wait_until_idle()


def names(desk: Desk) -> list[str]:
    """Return the layers' names, without the lines around masks."""
    layers = desk.viewer.layers
    return [layer.name for layer in layers if not isinstance(layer, Vectors)]


def test_another_bundled_model_gives_its_mask_and_the_difference(desk: Desk) -> None:
    first = desk.viewer.layers["eye / mask"].data.copy()
    assert offered(desk) == ["age", OTHER_FILE]
    compare_with(desk, "age")
    assert names(desk) == [
        *("eye", "eye / difference"),
        *("eye / mask", "eye / mask by age"),
    ]
    second = desk.viewer.layers["eye / mask by age"].data
    difference = desk.viewer.layers["eye / difference"]
    np.testing.assert_array_equal(desk.viewer.layers["eye / mask"].data, first)
    np.testing.assert_array_equal(difference.data != AGREE, first != second)
    assert set(np.unique(difference.data)) == {AGREE, OTHER_CLASS}
    assert not difference.editable
    place = data_to_world(desk.viewer.layers["eye"])
    for name in names(desk):
        layer = desk.viewer.layers[name]
        np.testing.assert_allclose(data_to_world(layer), place, atol=1e-9)
        assert layer.units == desk.viewer.layers["eye"].units
    assert desk.status == "Compared: 8 pixels differ."


def test_the_table_tells_each_class_and_is_copied(desk: Desk) -> None:
    compare_with(desk, "age")
    section = desk.segmenting.tab.compare
    summary = section.found.summary.text()
    assert "eye / mask" in summary
    assert "eye / mask by age" in summary
    assert "8 pixels" in summary
    lines = [line.strip() for line in section.table.text().split("\n")]
    assert "rim\tDice 0.789" in lines  # 2 * 15 / (15 + 23)
    assert "cup\tDice 0.200" in lines  # 2 * 1 / (9 + 1)
    assert any(line.startswith("HD95\t") and line.endswith(" mm") for line in lines)
    assert "in the first\t9 px" in lines
    assert "in the second\t1 px" in lines
    assert "disc\tDice 1.000" in lines
    assert section.found.badge.text() == "Dice rim 0.789, cup 0.200, disc 1.000"
    assert section.found.badge.font().bold()
    assert "another class\t8 px" in lines
    desk.click(section.found.copy_button)
    assert QApplication.clipboard().text() == section.found.text()


def test_both_results_are_kept_and_neither_is_written_over(desk: Desk) -> None:
    compare_with(desk, "age")
    session, image = session_of(desk.viewer), desk.viewer.layers["eye"]
    first, second = session.results_of(image)
    assert session.result_of(image) is first
    assert second.is_kept
    other = desk.viewer.layers["eye / mask by age"]
    before = other.data.copy()
    desk.segmenting.tab.patient.rerun_box.click()
    desk.choose("severity", "suspect")
    desk.run()
    np.testing.assert_array_equal(other.data, before)
    assert len(session.results_of(image)) == 2
    assert session_of(desk.viewer).model.card.name != "fairseg-age"


def test_a_comparison_that_no_longer_holds_is_not_shown(desk: Desk) -> None:
    compare_with(desk, "age")
    section, layers = desk.segmenting.tab.compare, desk.viewer.layers
    assert layers["eye / difference"].visible
    desk.segmenting.tab.patient.rerun_box.click()
    desk.choose("severity", "suspect")
    desk.run()
    assert section.found.summary.isHidden()
    assert section.table.text() == ""
    assert section.found.exports.isHidden()
    assert not layers["eye / difference"].visible
    compare_with(desk, "result “eye / mask by age”")
    assert layers["eye / difference"].visible
    layers.remove("eye / mask by age")
    desk.settle()
    assert section.found.summary.isHidden()
    assert not layers["eye / difference"].visible


def test_another_checkpoint_is_chosen_by_its_file(
    desk: Desk, models: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/there/other.pth"
    models[path] = models["age"]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (path, ""))
    compare_with(desk, OTHER_FILE)
    assert "eye / mask by other.pth" in names(desk)
    assert session_of(desk.viewer).model is models["fundus"]


def test_a_file_dialog_that_is_closed_compares_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    before = names(desk)
    compare_with(desk, OTHER_FILE)
    assert names(desk) == before
    assert len(desk.segment.calls) == 1


def test_another_result_is_compared_without_a_run_as_it_was_painted(
    desk: Desk,
) -> None:
    desk.click(desk.segmenting.tab.result.keep_button)
    desk.segmenting.tab.patient.rerun_box.click()
    desk.run()
    mask = desk.viewer.layers["eye / mask [2]"]
    mask.data_setitem((np.array([9, 10]), np.array([8, 8])), 1)
    n_runs = len(desk.segment.calls)
    compare_with(desk, "result “eye / mask”")
    assert len(desk.segment.calls) == n_runs
    difference = desk.viewer.layers["eye / difference"].data
    assert [difference[9, 8], difference[10, 8]] == [ONLY_FIRST] * 2
    assert np.count_nonzero(difference) == 2
    assert desk.status == "Compared: 2 pixels differ."
    compare_with(desk, "age")  # the same layer shows the new difference
    assert sum("difference" in name for name in names(desk)) == 1


def test_the_other_model_mixes_by_the_stated_shares_where_they_hold(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    fundus = models["fundus"]
    models["twin"] = replace(
        fundus, card=fundus.card.model_copy(update={"name": "twin"})
    )
    desk = make_desk(ViewerModel(), segment=engines.segment)
    picture = np.zeros((40, 30, 3), np.uint8)
    desk.viewer.add_image(picture, name="eye", rgb=True)
    desk.what_if.tab.priors.boxes["severity"][0].setValue(100)
    desk.run()
    desk.click(desk.segmenting.tab.compare.fold.button)
    for name in ("twin", "age"):
        compare_with(desk, name)
    of = {
        result.segmentation.provenance.model.card: result
        for result in desk.session.results_of(desk.session.image)
    }
    twin, age = of["twin"], of["fairseg-age"]
    (driver,) = twin.segmentation.provenance.drivers
    assert (driver.prior, driver.weights) == ("given", (1, 0, 0))
    assert dict(twin.request.shares) == {"severity": (1, 0, 0)}
    assert age.segmentation.provenance.drivers[0].prior != "given"
    assert age.request.shares == ()


def test_layers_of_confusable_names_are_not_mixed_up(desk: Desk) -> None:
    session, layers = desk.session, desk.viewer.layers
    layers["eye / mask"].name = "eye / mask by age"
    compare_with(desk, "age")
    first, second = session.results_of(session.image)
    layers[first.title].name = "renamed"
    compare_with(desk, f"result “{second.title}”")
    assert f"First: “renamed”. Second: “{second.title}”" in said(desk)
    layers.remove(second.mask())
    desk.qtbot.waitUntil(lambda: not said(desk))


def said(desk: Desk) -> str:
    return desk.segmenting.tab.compare.found.summary.text()


def test_a_model_that_cannot_be_loaded_or_run_is_told_beside_the_button(
    desk: Desk, models: dict[str, LoadedModel], notifications: list[Notification]
) -> None:
    before = names(desk)
    section = desk.segmenting.tab.compare
    removed = models.pop("age")
    compare_with(desk, "age")
    assert section.found.summary.text() == "Not compared: age is no checkpoint"
    models["age"] = removed
    desk.segment.error = ValueError("the image does not fit")
    compare_with(desk, "age")
    assert section.found.summary.text() == "Not compared: the image does not fit"
    assert desk.status == "Failed: the image does not fit"
    assert names(desk) == before
    assert len(notifications) == 2
    assert desk.dock.footer.button.isEnabled()


def test_a_comparison_can_be_stopped_and_leaves_no_layer(desk: Desk) -> None:
    before = names(desk)
    desk.segment.gate.clear()
    desk.segment.started.clear()
    desk.click(desk.segmenting.tab.compare.button)
    desk.qtbot.waitUntil(desk.segment.started.is_set)
    desk.click_segment()  # it says Stop
    desk.wait_until_idle()
    assert names(desk) == before
    assert desk.status == "Stopped. No layer was changed."


def test_an_image_that_was_removed_meanwhile_gets_no_mask(desk: Desk) -> None:
    desk.segment.gate.clear()
    desk.click(desk.segmenting.tab.compare.button)
    desk.viewer.layers.clear()
    desk.segment.gate.set()
    desk.wait_until_idle()
    assert names(desk) == []
    assert "removed" in desk.status


def test_without_two_masks_nothing_can_be_compared(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk()
    desk.viewer.add_image(IMAGE, name="retina")
    section = desk.segmenting.tab.compare
    assert not section.button.isEnabled()
    assert "Segment first" in section.button.toolTip()


def test_the_comparison_fits_into_300_pixels(
    desk: Desk,
) -> None:
    desk.viewer.layers["eye / mask"].name = "a long name of a mask " * 3
    compare_with(desk, "age")
    desk.settle()
    page = desk.segmenting.tab.body
    room = 300 - page.verticalScrollBar().sizeHint().width() - 4
    assert page.widget().minimumSizeHint().width() <= room
