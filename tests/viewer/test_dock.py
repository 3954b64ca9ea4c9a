"""What the dock shows and takes: models, images, patients, results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.utils.notifications import Notification
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QTextEdit,
    QWidget,
)

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer import dock as dock_module
from napari_dmoe.viewer.bench import TabControl
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


def test_an_empty_window_says_what_to_do(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    assert not desk.dock.footer.button.isEnabled()
    assert desk.reason == "No image is open."
    assert desk.segmenting.tab.action.link.text() == "Open a sample"
    assert desk.dock.footer.button.toolTip().startswith("No image is open.")
    assert desk.status == ""


def test_the_bundled_model_is_there_at_once(desk: Desk) -> None:
    section = desk.segmenting.tab.model
    assert section.combo.currentText() == "fundus"
    assert "severity" in section.facts.text()
    assert desk.dock.footer.device_label.text() == "Device: CPU"
    assert "esearch use only" in desk.dock.footer.research_label.text()


def test_another_model_brings_its_own_form(desk: Desk) -> None:
    combo = desk.segmenting.tab.model.combo
    desk.qtbot.keyClick(combo, Qt.Key.Key_Down)
    desk.wait_until_idle()
    assert combo.currentText() == "age"
    inputs = desk.segmenting.tab.patient.inputs
    assert next(iter(inputs)) == "age"
    assert inputs["age"].field.drives
    desk.type("age", "63 y")
    assert desk.segmenting.tab.patient._sources["age"].text() == "typed · from 60"


def test_a_bad_checkpoint_keeps_the_old_model(
    desk: Desk, notifications: list[Notification]
) -> None:
    model = session_of(desk.viewer).model
    desk.segmenting.tab.model.model_requested.emit("/there/broken.pth")
    desk.wait_until_idle()
    assert session_of(desk.viewer).model is model
    assert "is no checkpoint" in desk.segmenting.tab.model.error.text()
    assert desk.segmenting.tab.model.combo.currentText() == "fundus"
    assert len(notifications) == 1
    assert desk.dock.footer.button.isEnabled()


def test_browse_opens_what_is_chosen(
    desk: Desk, models: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    models["/there/mine.pth"] = models["age"]
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_: ("/there/mine.pth", "")
    )
    desk.qtbot.mouseClick(
        desk.segmenting.tab.model.browse_button,
        Qt.MouseButton.LeftButton,
    )
    desk.wait_until_idle()
    assert session_of(desk.viewer).model is models["age"]
    assert desk.segmenting.tab.model.combo.currentText() == "mine.pth"


def test_a_checkpoint_dropped_on_the_dock_is_opened(
    desk: Desk, models: dict[str, LoadedModel], tmp_path: Path
) -> None:
    path = str(tmp_path / "mine.safetensors")
    models[path] = models["age"]
    drop(desk.dock, path)
    desk.wait_until_idle()
    assert session_of(desk.viewer).model is models["age"]


def test_other_files_dropped_on_the_dock_are_left_to_napari(desk: Desk) -> None:
    assert not drop(desk.dock, "/there/image.png")


def drop(dock: DMoEDock, path: str) -> bool:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path)])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    event.ignore()
    dock.dropEvent(event)
    return event.isAccepted()


def test_a_file_without_a_card_offers_those_that_fit(
    desk: Desk, models: dict[str, LoadedModel], fundus_model: LoadedModel
) -> None:
    generic = fundus_model.card.model_copy(update={"name": "generic"})
    bare = LoadedModel(fundus_model.network, generic, "dmoe-vit", "bare.pth")
    models["bare.pth"] = bare
    desk.segmenting.tab.model.model_requested.emit("bare.pth")
    desk.wait_until_idle()
    combo = desk.segmenting.tab.model.card_combo
    offered = [combo.itemText(i) for i in range(combo.count())]
    assert any("race: Asian, Black, White" in text for text in offered)
    assert not any("fairseg-sex" in text for text in offered)
    assert combo.isVisibleTo(desk.dock)


def test_a_second_image_shows_its_own_unknown_patient(desk: Desk) -> None:
    desk.choose("severity", "glaucoma")
    desk.type("age", "63")
    desk.viewer.add_image(IMAGE, name="second")
    patient = desk.segmenting.tab.patient
    assert patient.title.text() == "PATIENT of “second”"
    assert patient.inputs["severity"].combo.currentText() == "unknown"
    assert patient.inputs["age"].edit.text() == ""
    assert "mixes healthy, suspect, glaucoma evenly" in patient.mixture_label.text()
    desk.viewer.layers.selection.active = desk.viewer.layers["retina"]
    assert patient.inputs["severity"].combo.currentText() == "glaucoma"
    assert patient.inputs["age"].edit.text() == "63"
    assert patient._sources["age"].text() == "typed"


def test_the_image_is_chosen_in_the_dock_too(desk: Desk) -> None:
    desk.viewer.add_image(IMAGE, name="second")
    combo = desk.segmenting.tab.image.combo
    assert combo.currentText() == "second"
    desk.qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert session_of(desk.viewer).image is desk.viewer.layers["retina"]


def test_an_age_that_cannot_be_read_is_said_beside_the_form(desk: Desk) -> None:
    desk.type("age", "sixty")
    patient = desk.segmenting.tab.patient
    assert "cannot be read" in desk.reason
    assert not desk.dock.footer.button.isEnabled()
    assert patient.inputs["age"].edit.text() == "sixty"
    desk.type("age", "60")
    assert desk.reason == ""
    assert desk.dock.footer.button.isEnabled()
    desk.type("age", "sixty")
    desk.viewer.add_image(IMAGE, name="second")
    assert desk.reason == ""
    assert patient.inputs["age"].edit.text() == ""


def test_a_typed_age_counts_without_enter(desk: Desk) -> None:
    edit = desk.segmenting.tab.patient.inputs["age"].edit
    desk.qtbot.keyClicks(edit, "71")
    desk.run()
    assert desk.segment.calls[0].age == 71


def test_a_value_of_another_model_is_shown_and_refused(desk: Desk) -> None:
    metadata = {"napari-dmoe": {"patient": {"severity": "T2"}, "source": "file"}}
    desk.viewer.add_image(IMAGE, name="pelvis", metadata=metadata)
    patient = desk.segmenting.tab.patient
    assert patient.inputs["severity"].combo.currentText() == "T2"
    assert "healthy, suspect, glaucoma" in desk.reason
    assert not desk.dock.footer.button.isEnabled()


def test_the_table_is_copied_as_text(desk: Desk) -> None:
    desk.run()
    section = desk.segmenting.tab.result
    desk.qtbot.mouseClick(section.copy_button, Qt.MouseButton.LeftButton)
    copied = QApplication.clipboard().text()
    assert "cup\t4 px\t1–9" in copied
    assert "C/D vertical\t0.33" in copied
    assert "63" not in copied


def test_the_notices_of_card_and_run_stand_under_the_result(desk: Desk) -> None:
    desk.run()
    text = desk.segmenting.tab.result.notices.text()
    assert "invented" in text
    assert "A notice of the run" in text


def test_the_settings_of_the_form_reach_the_engine(desk: Desk) -> None:
    desk.segmenting.tab.settings.inputs["unknown"].value = "refuse"
    desk.segmenting.tab.settings.inputs["seed"].value = 7
    assert desk.session.settings.seed == 7
    assert desk.session.settings.unknown == "refuse"
    samples = desk.segmenting.tab.settings.inputs["samples"]
    assert samples.max == 64
    assert "noise" in samples.tooltip.lower()


def test_every_input_has_a_tooltip_a_name_and_the_keyboard(desk: Desk) -> None:
    kinds = (QAbstractButton, QComboBox, QLineEdit)
    # Parts of these widgets: their own tooltip is shown over all of them.
    tab = desk.segmenting.tab
    routing = desk.routing.tab
    inside = (
        *(tab.settings, tab.body.verticalScrollBar(), tab.series.table),
        *(routing.block_slider, routing.verticalScrollBar()),
        *(
            desk.what_if.tab.sweep.found.slider,
            desk.what_if.tab.priors,
        ),
    )
    for kind in kinds:
        for widget in desk.dock.findChildren(kind):
            if any(part.isAncestorOf(widget) for part in inside):
                continue
            name = widget.accessibleName() or getattr(widget, "text", lambda: "")()
            if widget.objectName().startswith(("qt_", "Scroll")) or not name:
                continue
            assert widget.toolTip(), f"{name} has no tooltip"
            assert widget.focusPolicy() != Qt.FocusPolicy.NoFocus, name
    # Every field of the settings form brings its help, too.
    for widget in tab.settings.inputs.values():
        assert widget.tooltip


def test_the_dock_fits_into_300_by_768_pixels(desk: Desk) -> None:
    patient = {"sex": "female", "race": "Black", "age": 63, "severity": "glaucoma"}
    metadata = {"napari-dmoe": {"patient": patient, "source": "sample"}}
    large = np.zeros((1411, 1411), np.uint8)
    desk.viewer.add_image(large, name="a long name of an image", metadata=metadata)
    desk.run()
    desk.segmenting.tab.patient.rerun_box.click()
    desk.choose("severity", "unknown")
    desk.run()
    desk.choose("severity", "glaucoma")
    tab = desk.segmenting.tab
    for fold in (
        tab.compare.fold,
        tab.series.fold,
        tab.advanced,
        tab.model.details.fold,
    ):
        fold.unfold()
    for page in (tab.body, desk.routing.tab):
        scroll_bar = page.verticalScrollBar().sizeHint().width()
        assert page.widget().minimumSizeHint().width() <= 300 - scroll_bar - 4
    assert desk.dock.minimumSizeHint().height() <= 600
    assert desk.dock.minimumSizeHint().width() <= 300


@pytest.mark.parametrize("number", [5, pytest.param(50, marks=pytest.mark.full)])
def test_docks_leave_nothing_behind(window_desk: Desk, number: int) -> None:
    desk = window_desk
    session = session_of(desk.viewer)
    before = len(session.model_changed)
    for _ in range(number):
        dock = DMoEDock(desk.viewer, engines=desk.segmenting._engines)
        desk.qtbot.waitUntil(
            lambda dock=dock: not dock.control(SegmentControl).loader.is_busy
        )
        with desk.qtbot.waitSignal(dock.destroyed):
            dock.deleteLater()
    assert len(session.model_changed) == before
    assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, DMoEDock)]


def test_a_new_window_starts_afresh(
    make_desk: Callable[..., Desk], make_napari_viewer: Callable[..., napari.Viewer]
) -> None:
    first = make_desk(make_napari_viewer())
    first.viewer.add_image(IMAGE, name="retina")
    first.choose("severity", "healthy")
    first.viewer.close()
    second = make_desk(make_napari_viewer())
    second.viewer.add_image(IMAGE, name="retina")
    assert (
        second.segmenting.tab.patient.inputs["severity"].combo.currentText()
        == "unknown"
    )
    second.run()
    assert len(second.masks) == 1


def test_tab_goes_through_the_dock_from_top_to_bottom(desk: Desk) -> None:
    widget: QWidget = desk.dock
    chain = []
    while widget not in chain:
        chain.append(widget)
        widget = widget.nextInFocusChain()
    inputs = desk.segmenting.tab.patient.inputs
    order = [
        desk.segmenting.tab.model.browse_button,
        desk.segmenting.tab.model.combo,
        desk.segmenting.tab.image.combo,
        inputs["severity"].combo,
        desk.dock.footer.button,
        inputs["age"].edit,
        desk.segmenting.tab.patient.rerun_box,
    ]
    places = [chain.index(part) for part in order]
    assert places == sorted(places)


class Notes(TabControl):
    """A tab that somebody adds."""

    title = "Notes"
    tool_tip = "Write something down."
    make = QTextEdit
    has_own_foot = True
    was_seen = False

    def see(self, is_seen: bool) -> None:
        self.was_seen |= is_seen


def test_a_tab_is_its_line_in_the_table(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dock_module, "TABS", (*dock_module.TABS, Notes))
    desk = make_desk()
    tabs, notes = desk.dock.tabs, desk.dock.control(Notes)
    last = tabs.count() - 1
    assert tabs.tabText(last) == "Notes"
    assert tabs.tabToolTip(last) == "Write something down."
    assert not notes.was_seen
    tabs.setCurrentIndex(last)
    assert notes.was_seen
    assert desk.dock.footer.isHidden()
    tabs.setCurrentIndex(0)
    assert not desk.dock.footer.isHidden()
