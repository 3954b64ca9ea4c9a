"""“About this layer”: how a layer came about, for every kind of layer made here."""

from __future__ import annotations

import json

import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QFormLayout, QLabel

import napari_dmoe
from napari_dmoe.viewer.about_layer import NOTHING, LayerRecord
from napari_dmoe.viewer.routing.on_images import routing_of
from napari_dmoe.viewer.routing.overlay import Overlay

pytestmark = pytest.mark.gui


@pytest.fixture
def record(desk: Desk, qtbot: QtBot) -> LayerRecord:
    """Return the widget beside a desk whose retina was segmented for glaucoma."""
    desk.type("age", "63")
    desk.choose("severity", "glaucoma")
    desk.run()
    widget = LayerRecord(desk.viewer)
    qtbot.addWidget(widget)
    return widget


def rows(widget: LayerRecord) -> dict[str, str]:
    form = widget._form.layout()
    assert isinstance(form, QFormLayout)
    found = {}
    for row in range(form.rowCount()):
        name = form.itemAt(row, QFormLayout.ItemRole.LabelRole).widget()
        text = form.itemAt(row, QFormLayout.ItemRole.FieldRole).widget()
        assert isinstance(name, QLabel)
        assert isinstance(text, QLabel)
        found[name.text()] = text.text()
    return found


def test_a_mask_says_how_it_came_about_and_nothing_that_did_not_drive_it(
    desk: Desk, record: LayerRecord
) -> None:
    layers = desk.viewer.layers
    layers.selection.active = layers["retina / mask"]
    assert record.title.text() == "retina / mask"
    shown = rows(record)
    assert shown["Shows"] == "mask"
    assert shown["Driven by"] == "severity: glaucoma (router 0)"
    assert shown["Classes"] == "background, rim, cup"
    assert shown["Image"].startswith("y 12 × x 9, uint8")
    assert shown["Painted"] == "no"
    assert "esearch use only" in shown["Use"]
    assert "63" not in str(shown)
    desk.click(record.copy_button)
    copied = json.loads(QApplication.clipboard().text())
    assert copied == layers["retina / mask"].metadata["napari-dmoe"]


def test_an_overlay_says_what_it_shows(desk: Desk, record: LayerRecord) -> None:
    routing, layers = routing_of(desk.session), desk.viewer.layers
    routing.want(Overlay("gate", 2, 3), is_shown=True)
    layers.selection.active = layers["retina / gate of expert 3, block 2"]
    assert rows(record)["Shows"] == "gate of expert 3, block 2"
    routing.want(Overlay("entropy", 1), is_shown=True)
    record.show_layer(layers["retina / entropy of the gates, block 1"])
    assert rows(record)["Shows"] == "entropy of the gates, block 1"
    routing.want(Overlay("dominant", 0), is_shown=True)
    layers.selection.active = layers["retina / routing block 0"]
    assert rows(record)["Shows"] == "dominant expert, block 0"
    assert rows(record)["Driven by"] == "severity: glaucoma (router 0)"


def test_other_layers_leave_a_hint_and_no_old_record(
    desk: Desk, record: LayerRecord
) -> None:
    layers = desk.viewer.layers
    for select in (layers["retina"], None):
        layers.selection.active = layers["retina / mask"]
        assert record.hint.isHidden()
        layers.selection.active = select
        assert rows(record) == {}
        assert not record.hint.isHidden()
        assert record.hint.text() == NOTHING
        assert not record.copy_button.isEnabled()


@pytest.mark.parametrize("stated", [{}, {"patient": {}}, 7, "text", {"drivers": 1}])
def test_metadata_that_is_no_record_is_none(qtbot: QtBot, stated: object) -> None:
    viewer = ViewerModel()
    viewer.add_labels(IMAGE, metadata={"napari-dmoe": stated})
    widget = LayerRecord(viewer)
    qtbot.addWidget(widget)
    assert rows(widget) == {}
    assert not widget.copy_button.isEnabled()


def test_a_painted_mask_says_so(desk: Desk, record: LayerRecord) -> None:
    layers = desk.viewer.layers
    layers["retina / mask"].paint((9, 8), 1)
    desk.qtbot.waitUntil(lambda: "painted" in desk.segmenting.tab.result.summary.text())
    record.show_layer(layers["retina / mask"])
    assert rows(record)["Painted"] == "yes, after the run"


def test_about_opens_the_record_of_the_result_that_is_shown(
    window_desk: Desk,
) -> None:
    window_desk.run()
    window_desk.viewer.layers.selection.active = window_desk.viewer.layers["retina"]
    window_desk.click(window_desk.segmenting.tab.result.record_button)
    docks = window_desk.viewer.window.dock_widgets
    (widget,) = [each for each in docks.values() if isinstance(each, LayerRecord)]
    assert widget.title.text() == "retina / mask"
    assert rows(widget)["Shows"] == "mask"
    # By the name that napari's menu looks for: it opens no second one.
    assert "About this layer, its model and dMoE (dMoE)" in docks
    widget.parent().hide()
    window_desk.click(window_desk.segmenting.tab.result.record_button)
    assert widget.isVisibleTo(window_desk.viewer.window._qt_window)


def test_beside_the_record_stand_the_models_card_and_the_plugin(
    desk: Desk, record: LayerRecord
) -> None:
    assert record.model.isVisibleTo(record)
    assert record.model.rows["Title"].text() == desk.session.model.card.title
    assert record.model.rows["Title"].toolTip() == desk.session.model.card.name
    told = {name: label.text() for name, label in record.plugin.texts.items()}
    assert told["Plugin"] == f"napari-dmoe {napari_dmoe.__version__}"
    assert told["Licence"] == "BSD-3-Clause"
    desk.session.set_model(None)
    assert not record.model.isVisibleTo(record)
