"""A person describes a checkpoint of their own, and it is used at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from desk import IMAGE, Desk
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.card_files import card_beside
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.names import to_published
from napari_dmoe.viewer.segment.card.control import CardEditing
from napari_dmoe.viewer.segment.card.view import CardDialog

pytestmark = pytest.mark.gui

VALUES = "healthy\nsuspect\nglaucoma"


def bare(loaded: LoadedModel, path: Path) -> Path:
    """Write a model's weights under the published names, and nothing else."""
    rows = ARCHITECTURES[loaded.architecture].names(loaded.config)
    torch.save(to_published(rows, loaded.module.state_dict()), path)
    return path


@pytest.fixture
def editing(
    make_desk: Callable[..., Desk], fundus_model: LoadedModel, tmp_path: Path
) -> Iterator[tuple[Desk, CardEditing, Path]]:
    """Return a desk with a checkpoint that has no card, and its editor, open."""
    path = bare(fundus_model, tmp_path / "mine.pth")
    desk = make_desk(ViewerModel(), load_checkpoint=load_checkpoint)
    desk.viewer.add_image(IMAGE + np.arange(9, dtype=np.uint8), name="retina")
    desk.load(str(path))
    desk.click(desk.segmenting.tab.model.describe_link)
    editing = desk.segmenting.describing
    settled(desk, editing)
    yield desk, editing, path
    if editing.dialog is not None:
        editing.dialog.reject()
        settled(desk, editing)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def settled(desk: Desk, editing: CardEditing) -> None:
    desk.qtbot.waitUntil(lambda: not editing.is_looking)


def dialog_of(editing: CardEditing) -> CardDialog:
    assert editing.dialog is not None
    return editing.dialog


def write(desk: Desk, widget: QWidget, text: str) -> None:
    widget.setFocus()
    widget.selectAll()
    for number, line in enumerate(text.split("\n")):
        if number:
            desk.qtbot.keyClick(widget, Qt.Key.Key_Return)
        desk.qtbot.keyClicks(widget, line)


def describe(desk: Desk, editing: CardEditing) -> CardDialog:
    """Write what the model is."""
    dialog = dialog_of(editing)
    write(desk, dialog.inputs["title"].input, "Disc and cup")
    driver = dialog.drivers.drivers[0]
    driver["name"].set_text("severity")
    write(desk, driver["values"].input, VALUES)
    write(desk, dialog.inputs["classes"].input, "background\nrim\ncup")
    settled(desk, editing)
    return dialog


def test_a_bundled_model_is_not_offered_to_be_described(desk: Desk) -> None:
    assert not desk.segmenting.tab.model.describe_link.isVisibleTo(desk.dock)


def test_it_begins_with_what_is_in_the_weights(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    dialog = dialog_of(editing[1])
    assert "3 classes, 3 routers" in dialog.found.text()
    assert dialog.inputs["name"].text() == "mine"
    assert dialog.drivers.drivers[0]["values"].text() == "0\n1\n2"
    assert not dialog.preview.picture.pixmap().isNull()
    assert "What the network sees: " in dialog.preview.words.text()


def test_it_is_saved_beside_the_checkpoint_and_used_at_once(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    desk, control, path = editing
    dialog = describe(desk, control)
    assert dialog.save_button.isEnabled(), dialog.save_button.toolTip()
    desk.click(dialog.save_button)
    desk.wait_until_idle()
    assert control.dialog is None
    card = desk.session.model.card
    assert (card.title, card.name) == ("Disc and cup", "mine")
    assert card.attributes[0].values == tuple(VALUES.splitlines())
    assert card.classes == ("background", "rim", "cup")
    stated = json.loads(card_beside(path).read_text("utf-8"))
    assert stated["title"] == "Disc and cup"
    assert load_checkpoint(path).card == card
    inputs = desk.segmenting.tab.patient.inputs
    combo = inputs["severity"].combo
    assert "glaucoma" in [combo.itemText(i) for i in range(combo.count())]


def test_router_counts_are_checked_against_the_weights(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    desk, control, path = editing
    dialog = describe(desk, control)
    write(desk, dialog.drivers.drivers[0]["values"].input, "a\nb")
    settled(desk, control)
    said = dialog.drivers.fault.text()
    assert "The weights hold 3 routers, and the values stated here need 2" in said
    assert not dialog.save_button.isEnabled()
    assert "3 routers" in dialog.save_button.toolTip()
    assert not card_beside(path).exists()
    write(desk, dialog.drivers.drivers[0]["n_routers"].input, "3")
    settled(desk, control)
    assert dialog.save_button.isEnabled()


def test_a_fault_stands_beside_its_field_and_goes(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    desk, control, _ = editing
    dialog = describe(desk, control)
    field = dialog.inputs["preprocessing.crop"]
    write(desk, field.input, "wide")
    settled(desk, control)
    assert "wide" in field.fault.text()
    assert dialog.inputs["title"].fault.text() == ""
    field.set_text("")
    settled(desk, control)
    assert field.fault.text() == ""
    assert dialog.save_button.isEnabled()


def test_the_preview_follows_what_is_written(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    desk, control, _ = editing
    dialog = describe(desk, control)
    before = dialog.preview.picture.pixmap().toImage()
    dialog.inputs["preprocessing.standardise"].set_text("yes")
    settled(desk, control)
    assert dialog.preview.picture.pixmap().toImage() != before
    assert "numbers from -" in dialog.preview.words.text()


def test_without_an_image_it_says_what_to_do(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    desk, control, _ = editing
    desk.viewer.layers.clear()
    settled(desk, control)
    assert "Open an image" in dialog_of(control).preview.words.text()


@pytest.mark.parametrize(
    "answer", [QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No]
)
def test_it_asks_before_a_card_is_replaced(
    editing: tuple[Desk, CardEditing, Path],
    monkeypatch: pytest.MonkeyPatch,
    answer: QMessageBox.StandardButton,
) -> None:
    desk, control, path = editing
    card_beside(path).write_text("{}", encoding="utf-8")
    asked: list[str] = []

    def question(parent: object, title: str, text: str) -> object:
        asked.append(text)
        return answer

    monkeypatch.setattr(QMessageBox, "question", question)
    dialog = describe(desk, control)
    desk.click(dialog.save_button)
    desk.wait_until_idle()
    assert "mine.card.json exists" in asked[0]
    is_replaced = card_beside(path).read_text("utf-8") != "{}"
    assert is_replaced == (answer == QMessageBox.StandardButton.Yes)
    assert (control.dialog is None) == is_replaced


def test_a_card_that_cannot_be_written_is_told_and_nothing_is_lost(
    editing: tuple[Desk, CardEditing, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, control, _ = editing

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("napari_dmoe.models.card_files.write_text", refuse)
    dialog = describe(desk, control)
    desk.click(dialog.save_button)
    assert "cannot be saved: Permission denied" in dialog.fault.text()
    assert control.dialog is dialog
    assert dialog.inputs["title"].text() == "Disc and cup"


def test_attributes_are_added_and_removed(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    desk, control, _ = editing
    drivers = dialog_of(control).drivers
    desk.click(drivers.add_button)
    assert len(drivers.drivers) == 2
    desk.click(drivers.remove_button)
    desk.click(drivers.remove_button)
    assert drivers.drivers == []
    assert drivers.nothing.isVisibleTo(drivers)
    settled(desk, control)
    assert "need 0" in drivers.fault.text()


def test_every_field_has_a_name_and_help_and_can_be_reached_by_tab(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    _, control, _ = editing
    dialog = dialog_of(control)
    own = [each.input for each in dialog.inputs.values()]
    own += [each.input for each in dialog.drivers.drivers[0].values()]
    for widget in own:
        assert widget.accessibleName()
        assert widget.toolTip()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if hasattr(widget, "tabChangesFocus"):
            assert widget.tabChangesFocus()


def test_it_can_be_as_narrow_as_the_dock(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    dialog = dialog_of(editing[1])
    dialog.resize(300, 700)
    assert dialog.width() == 300
    assert dialog.body.widget().minimumSizeHint().width() <= dialog.body.width()


def test_the_link_brings_an_open_editor_to_the_front(
    editing: tuple[Desk, CardEditing, Path],
) -> None:
    desk, control, _ = editing
    before = control.dialog
    desk.click(desk.segmenting.tab.model.describe_link)
    assert control.dialog is before
