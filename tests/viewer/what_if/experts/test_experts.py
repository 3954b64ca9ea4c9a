"""Experts muted and pinned in the What if tab: a mask of its own, always marked."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog
from tables import cell, column_of, heads_of, text_of
from what_if_fakes import FakeAblate

from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.outline_line import is_line
from napari_dmoe.viewer.layers.records import record_rows
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.what_if.experts.view import ExpertsSection
from napari_dmoe.viewer.what_if.experts.words import Intervention

pytestmark = pytest.mark.gui

BADGE = "Model changed: expert 3 muted in all blocks."
WITHOUT = "retina / what-if expert 3 muted"


@pytest.fixture
def engine() -> FakeAblate:
    return FakeAblate()


@pytest.fixture
def desk(make_desk: Callable[..., Desk], engine: FakeAblate) -> Desk:
    desk = make_desk(ViewerModel(), ablate=engine)
    desk.viewer.add_image(IMAGE, name="retina")
    desk.choose("severity", "suspect")
    return desk


def section_of(desk: Desk) -> ExpertsSection:
    return desk.what_if.tab.experts


def intervene(desk: Desk, *experts: int) -> None:
    section = section_of(desk)
    for expert in experts:
        section.mute_boxes[expert].click()
    desk.click(section.run_button)
    desk.wait_until_idle()


def names(desk: Desk) -> list[str]:
    return [each.name for each in desk.viewer.layers if not is_line(each)]


def test_without_a_model_with_experts_it_says_why(
    desk: Desk, models: dict[str, LoadedModel], tiny_network: Callable[..., object]
) -> None:
    plain = models["fundus"]
    models["single"] = replace(
        plain, network=tiny_network(n_routers=0), architecture="dmoe-vit"
    )
    desk.load("single")
    section = section_of(desk)
    assert section.problem.text() == "This model has no experts."
    assert not section.run_button.isEnabled()
    assert section._inputs.isHidden()
    session_of(desk.viewer).set_model(None)
    assert section.problem.text() == "Open a model first."


def test_a_box_for_each_expert_shows_its_load_once_there_is_a_result(
    desk: Desk,
) -> None:
    section = section_of(desk)
    assert [box.text() for box in section.mute_boxes] == ["0", "1", "2", "3"]
    blocks = [section.block_combo.itemText(i) for i in range(3)]
    assert blocks == ["all blocks", "block 0", "block 1"]
    desk.run()  # in block b of the fake, expert b has every token but the first
    assert section.mute_boxes[0].text() == "0 · 24%"
    section.block_combo.setCurrentIndex(1)
    section.block_combo.activated.emit(1)
    assert section.mute_boxes[0].text() == "0 · 97%"
    assert "97%" in section.mute_boxes[0].toolTip()
    assert section.mute_boxes[3].accessibleName() == "Mute expert 3"
    inputs = (*section.mute_boxes, section.block_combo, section.pin_combo)
    assert all(each.toolTip() and each.accessibleName() for each in inputs)


def test_a_muted_expert_gives_a_marked_mask_beside_the_plain_one(
    desk: Desk, engine: FakeAblate
) -> None:
    desk.run()
    plain = desk.viewer.layers["retina / mask"].data.copy()
    intervene(desk, 3)
    call = engine.calls[0]
    assert (call["mute"], call["pin"], call["effects"]) == ([(None, 3)], None, False)
    assert call["plain"] is not None  # what was segmented is not run again
    assert names(desk)[1:] == [
        "retina / mask",
        WITHOUT,
        "retina / difference, expert 3 muted",
    ]
    np.testing.assert_array_equal(desk.viewer.layers["retina / mask"].data, plain)
    assert not (desk.viewer.layers[WITHOUT].data == 2).any()
    difference = desk.viewer.layers["retina / difference, expert 3 muted"].data
    np.testing.assert_array_equal(difference > 0, plain == 2)
    section = section_of(desk)
    assert section.change.badge.text() == BADGE
    assert "4 pixels change" in section.change.summary.text()
    assert (
        "“retina / difference, expert 3 muted” shows where"
        in section.change.summary.text()
    )
    assert "“retina / what-if expert 3 muted” is shown; 4 pixels change" in desk.status


def test_an_altered_mask_cannot_be_mistaken_for_the_plain_one(desk: Desk) -> None:
    desk.run()
    intervene(desk, 3)
    layers = desk.viewer.layers
    plain, altered = layers["retina / mask"], layers[WITHOUT]
    difference = layers["retina / difference, expert 3 muted"]
    assert all(each.visible for each in (plain, altered, difference))
    assert desk.is_outlined(plain)
    assert desk.is_outlined(altered)
    colours = [set(map(tuple, map(e.colormap.map, (1, 2)))) for e in (plain, altered)]
    assert not colours[0] & colours[1]
    said = altered.get_status((0, 0), world=True)["coordinates"]
    assert "model changed: expert 3 muted in all blocks" in said
    assert "model changed" not in plain.get_status((0, 0))["coordinates"]
    words = list(difference.features["difference"])
    assert words[1:3] == ["unchanged model only", "expert 3 muted only"]
    legend = section_of(desk).legend.text()
    assert legend.splitlines()[:2] == words[1:3]
    layers.selection.active = altered  # looked at alone, it is an outline still
    assert desk.is_outlined(altered)
    assert not plain.visible
    assert not desk.session.outlines.line_of(plain).visible


def test_sizes_have_the_images_unit(desk: Desk) -> None:
    desk.viewer.layers["retina"].scale = (0.5, 0.5)
    desk.viewer.layers["retina"].units = ("mm", "mm")
    desk.run()
    intervene(desk, 3)
    section = section_of(desk)
    assert section.table.text().splitlines()[1].endswith("1 → 0 mm²")  # 4 pixels
    desk.click(section.effects_button)
    desk.wait_until_idle()
    assert heads_of(section.effects_table)[2] == "changes\nmm²"
    assert text_of(section.effects_table, 0, 2) == "0.75"  # 3 pixels


def test_the_badge_stands_in_the_result_its_record_and_its_table(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run()
    result = desk.segmenting.tab.result
    assert result.badge.isHidden()
    intervene(desk, 3)
    desk.viewer.layers.selection.active = desk.viewer.layers[WITHOUT]
    desk.qtbot.waitUntil(lambda: result.badge.text() == BADGE)
    assert BADGE in result.text()
    record = desk.viewer.layers[WITHOUT].metadata["napari-dmoe"]
    assert dict(record_rows(record))["What if"] == BADGE
    path = tmp_path / "sizes.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    desk.click(result.table_button)
    desk.click(section_of(desk).change.save_button)
    desk.wait_until_idle()
    with path.open(encoding="utf-8-sig", newline="") as lines:
        assert {row["note"] for row in csv.DictReader(lines)} == {BADGE}
    plain = desk.viewer.layers["retina / mask"].metadata["napari-dmoe"]
    assert "What if" not in dict(record_rows(plain))


def test_neither_replaces_the_other_and_an_intervention_the_one_before_it(
    desk: Desk,
) -> None:
    desk.run()
    intervene(desk, 3)
    n_layers = len(desk.viewer.layers)
    intervene(desk)  # once more
    assert len(desk.viewer.layers) == n_layers
    desk.viewer.layers.selection.active = desk.viewer.layers[WITHOUT]
    without = desk.viewer.layers[WITHOUT].data.copy()
    desk.choose("severity", "glaucoma")
    desk.wait_until_idle()
    assert len(desk.segment.calls) == 1  # a what-if is not re-run by itself
    result = desk.segmenting.tab.result
    desk.qtbot.waitUntil(lambda: "Make it again" in result.outdated.text())
    desk.run()
    assert len(desk.masks) == 2
    np.testing.assert_array_equal(desk.viewer.layers[WITHOUT].data, without)
    assert (desk.viewer.layers["retina / mask"].data == 2).sum() == 9
    intervene(desk, 0)
    assert names(desk)[1:] == [
        "retina / mask",
        "retina / what-if experts 0, 3 muted",
        "retina / difference, experts 0, 3 muted",
    ]


def test_what_was_found_for_a_plain_result_that_is_gone_is_not_shown(
    desk: Desk,
) -> None:
    desk.run()
    intervene(desk, 3)
    desk.choose("severity", "glaucoma")  # the plain mask is re-run by itself
    desk.wait_until_idle()
    section = section_of(desk)
    assert section.change.badge.isHidden()
    assert section.change.exports.isHidden()
    assert not desk.viewer.layers["retina / difference, expert 3 muted"].visible


def test_without_a_plain_result_both_masks_are_made(
    desk: Desk, engine: FakeAblate
) -> None:
    intervene(desk, 3)
    assert engine.calls[0]["plain"] is None
    assert names(desk)[1:3] == ["retina / mask", WITHOUT]
    session = session_of(desk.viewer)
    result = session.result_of(session.image)
    assert result is not None
    assert result.title == "retina / mask"
    assert session.outdated(session.image, result.request) == ""


def test_reset_makes_everything_plain_in_one_click(desk: Desk) -> None:
    desk.run()
    section = section_of(desk)
    section.pin_combo.setCurrentIndex(2)
    section.block_combo.setCurrentIndex(1)
    intervene(desk, 3)
    (marked,) = [n for n in names(desk) if "what-if" in n]
    done = "expert 3 muted in block 0, expert 1 alone in block 0"
    assert marked == f"retina / what-if {done}"
    desk.viewer.layers.selection.active = desk.viewer.layers[marked]
    desk.click(section.effects_button)
    desk.wait_until_idle()
    assert section.effects_table.model().rowCount()
    desk.click(section.reset_button)
    assert section.effects_table.model().rowCount() == 0
    assert section.effects.summary.isHidden()
    assert section.change.summary.text() == (
        f"Hidden, and still in napari's list: “{marked}”, "
        f"“retina / difference, {done}”."
    )
    assert section.intervention() == Intervention()
    assert section.block() is None
    assert section.change.badge.isHidden()
    shown = {layer.name for layer in desk.viewer.layers if layer.visible}
    assert shown == {"retina", "retina / mask"}
    session = session_of(desk.viewer)
    assert session.result_of(session.image).title == "retina / mask"


def test_all_muted_is_refused_before_anything_runs(
    desk: Desk, engine: FakeAblate
) -> None:
    section = section_of(desk)
    desk.click(section.run_button)
    assert "Nothing is muted or pinned" in section.problem.text()
    intervene(desk, 0, 1, 2, 3)
    assert "All 4 experts are muted" in section.problem.text()
    assert "untick at least one" in section.problem.text()
    section.mute_boxes[0].click()
    assert section.problem.isHidden()
    section.pin_combo.setCurrentIndex(3)  # expert 2
    desk.click(section.run_button)
    assert "both muted and pinned" in section.problem.text()
    assert engine.calls == []
    assert names(desk) == ["retina"]


def test_the_effect_of_every_expert_comes_largest_first_and_is_sorted_at_a_click(
    desk: Desk, engine: FakeAblate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run()
    section = section_of(desk)
    section.block_combo.setCurrentIndex(2)
    desk.click(section.effects_button)
    desk.wait_until_idle()
    assert (engine.calls[0]["block"], engine.calls[0].get("mute")) == (1, None)
    table = section.effects_table
    assert heads_of(table) == [
        *("expert", "share\n%", "changes\npx"),
        *("rim\n± px", "rim\nDice", "cup\n± px", "cup\nDice"),
    ]
    helps = heads_of(table, Qt.ItemDataRole.ToolTipRole)
    assert all(helps)
    assert "grows (+) or shrinks (-)" in helps[3]
    assert column_of(table, 0) == ["3", "2", "1", "0"]
    assert not cell(table, 0, 0).data(Qt.ItemDataRole.DecorationRole).isNull()
    assert text_of(table, 0, 1) == "30"
    table.sortByColumn(5, Qt.SortOrder.AscendingOrder)
    assert column_of(table, 5) == ["-3", "-2", "-1", "0"]
    assert "block 1, expert 3 changes the most: 3 pixels" in (
        section.effects.summary.text()
    )
    assert "without expert 0" in section.effects.summary.text()
    desk.click(section.effects.copy_button)
    first = QApplication.clipboard().text().splitlines()[1]
    wanted = ["3", "1", "0.3", "3", "0", "-3", "1", "", "30", "3"]
    assert first.split("\t") == wanted
    path = tmp_path / "effects"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    desk.click(section.effects.save_button)
    desk.wait_until_idle()
    assert "in block" in path.with_suffix(".csv").read_text(encoding="utf-8-sig")
    assert names(desk) == ["retina", "retina / mask"]


def test_a_stopped_or_failed_intervention_leaves_no_layer(
    desk: Desk, engine: FakeAblate, notifications: list[Notification]
) -> None:
    desk.run()
    engine.gate.clear()
    section = section_of(desk)
    section.mute_boxes[3].click()
    desk.click(section.run_button)
    desk.qtbot.waitUntil(lambda: bool(engine.calls))
    desk.click(desk.dock.footer.button)  # Stop
    desk.wait_until_idle()
    assert "Stopped" in desk.status
    engine.gate.set()
    engine.error = ValueError("no such expert")
    intervene(desk)
    assert section.problem.text() == "Not run: no such expert"
    assert names(desk) == ["retina", "retina / mask"]


def test_the_real_engine_answers_in_the_tab(
    make_desk: Callable[..., Desk], fundus_model: LoadedModel
) -> None:
    desk = make_desk(ViewerModel(), ablate=ablate, segment=segment)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    desk.viewer.add_image(pixels, name="retina")
    desk.choose("severity", "suspect")
    desk.run()
    section = section_of(desk)
    intervene(desk, 1)
    made = desk.viewer.layers["retina / what-if expert 1 muted"]
    assert made.metadata["napari-dmoe"]["experts"]["mute"] == [[None, 1]]
    desk.click(section.effects_button)
    desk.wait_until_idle()
    assert section.effects_table.model().rowCount() == fundus_model.config.n_experts
