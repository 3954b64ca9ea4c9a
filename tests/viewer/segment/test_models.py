"""Where models come from, what is said of them, and how they go."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import napari
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtWidgets import QApplication

from napari_dmoe.models.card import TrainingFacts
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer import dock as dmoe_dock
from napari_dmoe.viewer.contributions import checkpoint_reader
from napari_dmoe.viewer.engines import Engines, Surroundings
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


def offered(desk: Desk) -> list[str]:
    combo = desk.segmenting.tab.model.combo
    return [combo.itemText(place) for place in range(combo.count())]


def with_card(model: LoadedModel, **changes: object) -> LoadedModel:
    card = model.card.model_copy(update=changes)
    return LoadedModel(
        model.network, card, model.architecture, "mine.pth", "ab" * 32, 1_500_000
    )


def test_models_that_were_opened_last_are_offered_below_the_bundled_ones(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    models["/there/old.pth"] = models["age"]
    desk = make_desk(ViewerModel(), recent_models=lambda: ("/there/old.pth",))
    bundled = ["Bundled", *[name for name in models if "/" not in name]]
    # The fake offers every model it has as a bundled one, this file among them.
    assert offered(desk)[-2:] == ["Recent", "old.pth"]
    assert offered(desk)[: len(bundled)] == bundled
    combo = desk.segmenting.tab.model.combo
    assert combo.currentText() == "fundus"
    heading = combo.model().item(combo.count() - 2)
    assert not heading.isEnabled()
    for _ in range(3):
        desk.qtbot.keyClick(combo, Qt.Key.Key_Down)
    desk.wait_until_idle()
    assert session_of(desk.viewer).model is models["age"]
    assert session_of(desk.viewer).model_origin == "/there/old.pth"


def test_only_files_are_remembered_and_the_last_one_stands_first(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    remembered: list[str] = []
    desk = make_desk(
        ViewerModel(),
        look_around=lambda: Surroundings("CPU", ("auto",), ("fundus",)),
        remember_model=remembered.append,
    )
    for name in ("a", "b"):
        models[f"/there/{name}.pth"] = models["age"]
        desk.load(f"/there/{name}.pth")
    assert remembered == ["/there/a.pth", "/there/b.pth"]
    assert offered(desk) == ["Bundled", "fundus", "Recent", "b.pth", "a.pth"]
    assert desk.segmenting.tab.model.combo.currentText() == "b.pth"


def test_a_wrong_file_is_explained_in_place_and_not_remembered(
    make_desk: Callable[..., Desk], notifications: list[Notification], tmp_path: Path
) -> None:
    remembered: list[str] = []
    desk = make_desk(ViewerModel(), remember_model=remembered.append)
    model = session_of(desk.viewer).model
    real = Engines().load_checkpoint
    desk.segmenting._engines.__dict__["load_checkpoint"] = real
    path = tmp_path / "notes <1>.pth"
    path.write_text("this is no checkpoint")
    desk.load(str(path))
    section = desk.segmenting.tab.model
    assert "<b>Not loaded.</b>" in section.error.text()
    assert "notes &lt;1&gt;.pth" in section.error.text()
    assert "fundus is kept" in section.error.text()
    assert session_of(desk.viewer).model is model
    assert section.combo.currentText() == "fundus"
    assert remembered == []
    assert len(notifications) == 1


def test_a_file_that_is_asked_for_while_the_dock_starts_wins(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    models["/there/mine.pth"] = models["age"]
    may_look, loaded = threading.Event(), []

    def look_around() -> Surroundings:
        assert may_look.wait(60)
        return Surroundings("CPU", ("auto", "cpu"), ("fundus",))

    def slow_load(name: str, card: str | None = None) -> LoadedModel:
        loaded.append(name)
        may_look.set()  # the dock is ready while this file is still being read
        return models[name]

    desk = make_desk(
        ViewerModel(),
        ready=lambda dock: dock.open_model("/there/mine.pth"),
        look_around=look_around,
        load_checkpoint=slow_load,
    )
    assert loaded == ["/there/mine.pth"]
    assert session_of(desk.viewer).model is models["age"]
    assert desk.segmenting.tab.model.combo.currentText() == "mine.pth"


def test_the_last_of_several_files_wins(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    section = desk.segmenting.tab.model
    for name in ("age", "fundus", "age"):
        section.model_requested.emit(name)
    desk.wait_until_idle()
    assert session_of(desk.viewer).model is models["age"]
    assert section.combo.currentText() == "age"


def test_a_checkpoint_on_the_canvas_opens_the_dock_and_becomes_no_layer(
    make_napari_viewer: Callable[..., napari.Viewer],
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"not read: the engine is a fake")
    models[str(path)] = models["age"]
    other = make_desk(ViewerModel())
    engines, qtbot = other.segmenting._engines, other.qtbot
    other.dock.deleteLater()  # now: the lists of its boxes are windows of their own
    QCoreApplication.sendPostedEvents(other.dock, QEvent.Type.DeferredDelete)
    monkeypatch.setattr(dmoe_dock, "Engines", lambda: engines)
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE, name="retina")
    assert viewer.open(str(path), plugin="napari-dmoe") == []
    (dock,) = viewer.window.dock_widgets.values()
    qtbot.waitUntil(lambda: session_of(viewer).model is models["age"])
    assert [layer.name for layer in viewer.layers] == ["retina"]
    # Once more: the same dock takes it, no second one is opened.
    models[str(path)] = models["fundus"]
    viewer.open(str(path), plugin="napari-dmoe")
    qtbot.waitUntil(lambda: session_of(viewer).model is models["fundus"])
    assert list(viewer.window.dock_widgets.values()) == [dock]


@pytest.mark.parametrize("path", ["image.png", ["a.pth", "b.pth"], []])
def test_the_reader_of_checkpoints_leaves_other_files_alone(path: object) -> None:
    assert checkpoint_reader(path) is None


def test_the_answer_to_what_drives_a_bare_file_builds_its_form(
    desk: Desk, models: dict[str, LoadedModel], fundus_model: LoadedModel
) -> None:
    asked: list[str | None] = []

    def load_bare(name: str, card: str | None = None) -> LoadedModel:
        asked.append(card)
        if card is None:
            return with_card(fundus_model, name="generic")
        network = fundus_model.network
        return LoadedModel(network, read_card(card), "dmoe-vit", "bare.pth")

    desk.segmenting._engines.__dict__["load_checkpoint"] = load_bare
    desk.load("/there/bare.pth")
    section = desk.segmenting.tab.model
    assert section.card_combo.currentText().startswith("not known")
    assert not section.card_combo.isHidden()
    place = section.card_combo.findText("race: ", Qt.MatchFlag.MatchStartsWith)
    assert section.card_combo.itemText(place).endswith("(FairSeg)")
    role = Qt.ItemDataRole.ToolTipRole
    assert section.card_combo.itemData(place, role) == "fairseg-race"
    for _ in range(place):
        desk.qtbot.keyClick(section.card_combo, Qt.Key.Key_Down)
        desk.wait_until_idle()
        if section.card_combo.currentText().startswith("race: "):
            break
    assert asked[-1] == "fairseg-race"
    assert next(iter(desk.segmenting.tab.patient.inputs)) == "race"
    assert section.card_combo.currentText().startswith("race: ")
    desk.qtbot.keyClick(section.card_combo, Qt.Key.Key_Home)
    desk.wait_until_idle()
    assert asked[-1] is None


def test_a_file_with_its_own_card_asks_nothing(desk: Desk) -> None:
    assert desk.segmenting.tab.model._question.isHidden()


def test_the_sheet_shows_what_the_card_states_and_what_it_does_not(
    desk: Desk, models: dict[str, LoadedModel], fundus_model: LoadedModel
) -> None:
    counts = {"severity": {"healthy": 1200, "suspect": 30, "glaucoma": 7}}
    models["/there/mine.pth"] = with_card(
        fundus_model,
        training=TrainingFacts(
            data="phantoms",
            n_cases=1237,
            n_per_value=counts,
            dice={"rim": 0.8},
            n_held_out=40,
        ),
        weights_licence="CC0-1.0",
        intended_use="teaching",
        citation=None,
        data_licence=None,
    )
    desk.load("/there/mine.pth")
    details = desk.segmenting.tab.model.details
    assert not details.copy_button.isVisibleTo(details)
    desk.click(details.fold.button)
    assert details.copy_button.isVisibleTo(details)
    texts = {name: label.text() for name, label in details.rows.items()}
    assert texts["Severity"].split("\n") == [
        "healthy: 1,200 cases",
        "suspect: 30 cases",
        "glaucoma: 7 cases",
    ]
    assert texts["Trained on"] == "phantoms · 1,237 cases"
    assert texts["Dice"] == "rim 0.800 (40 held-out cases)"
    assert (texts["Licence"], texts["Use"]) == ("CC0-1.0", "teaching")
    assert texts["Cite"] == texts["Data"] == "not stated"
    assert texts["SHA-256"] == "abababababab…"
    assert details.rows["SHA-256"].toolTip() == "ab" * 32
    desk.click(details.copy_button)
    copied = json.loads(QApplication.clipboard().text())
    assert copied["sha256"] == "ab" * 32
    assert copied["card"]["training"]["n_per_value"] == counts


def test_numbers_that_no_card_states_are_said_to_be_missing(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    desk.load("age")
    rows = desk.segmenting.tab.model.details.rows
    assert "(training numbers not stated)" in rows["Age"].text()


def test_unloading_leaves_nothing_of_the_model_but_its_masks(
    make_desk: Callable[..., Desk], tiny_network: Callable[..., object]
) -> None:
    released, loaded = [], []

    def load_anew(name: str, card: str | None = None) -> LoadedModel:
        network = tiny_network(seed=len(loaded))
        model = LoadedModel(network, read_card("fairseg-race"), "dmoe-vit")
        loaded.append(weakref.ref(model))
        loaded.append(weakref.ref(network))
        return model

    desk = make_desk(
        ViewerModel(),
        load_checkpoint=load_anew,
        release_memory=lambda: released.append(gc.collect()),
    )
    desk.viewer.add_image(IMAGE, name="retina")
    desk.run()
    desk.run()
    section = desk.segmenting.tab.model
    desk.click(section.unload_button)
    gc.collect()
    assert [reference() for reference in loaded] == [None] * len(loaded)
    assert len(released) == 1
    assert session_of(desk.viewer).model is None
    assert not section.unload_button.isEnabled()
    assert "No model is loaded" in section.facts.text()
    assert section.combo.currentIndex() == -1
    assert not desk.dock.footer.button.isEnabled()
    assert desk.reason == "No model is loaded."
    assert len(desk.masks) == 1
    assert "Made for" in desk.segmenting.tab.result.summary.text()
    assert next(iter(desk.segmenting.tab.patient.inputs)) == "sex"


def test_a_long_title_is_told_apart_before_it_is_cut(desk: Desk) -> None:
    titles = {
        "one": "Fundus (phantom-trained), driven by severity",
        "two": "Fundus (phantom-trained), driven by race and severity",
        "a (1).pth": "a (1).pth",
    }
    section = desk.segmenting.tab.model
    section.offer(titles)
    section.show_choice("one")
    metrics = section.combo.fontMetrics()
    short = "Fundus, driven by severity"
    assert section.combo.shown_text(metrics.horizontalAdvance(short)) == short
    assert section.combo.shown_text(10_000) == titles["one"]
    assert section.combo.shown_text(metrics.horizontalAdvance(short) - 9)[-1] == "…"
    section.show_choice("a (1).pth")
    assert "(" in section.combo.shown_text(metrics.horizontalAdvance("a (1).p"))
