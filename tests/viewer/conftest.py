"""The dock on a viewer, with engines that are fakes and answer when they are told to.

A window of napari costs as much as ten tests, so that only tests which need its canvas,
menus or docking ask for ``window_desk``; all others get a viewer without a window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import napari
import napari_builtins
import pytest
from carried import parts_of
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.notifications import Notification, notification_manager
from npe2 import PluginManager, PluginManifest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog, QMessageBox
from tuning_desk import DRAWN, TuningDesk
from tuning_fakes import FakeTuning
from viewer_fakes import FakeSegment

from napari_dmoe.inference.running.outlook import Outlook
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import (
    CheckpointError,
    LoadedModel,
    load_checkpoint,
    new_model,
)
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.engines import Engines, Surroundings, fitting_cards
from napari_dmoe.viewer.fine_tune.closing import Answer, ClosingQuestion
from napari_dmoe.viewer.rescue import control
from napari_dmoe.viewer.rescue.aside import Aside
from napari_dmoe.viewer.ui.jobs import JobRunner


@pytest.fixture(autouse=True)
def strict_qt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_STRICT_QT", "raise")


@pytest.fixture(autouse=True)
def no_thread_is_left(qtbot: QtBot) -> Iterator[None]:
    yield
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)


@pytest.fixture(autouse=True)
def nothing_is_asked_unexpectedly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a test meets a question that would wait for a person for ever."""

    def asked(*words: object, **_: object) -> NoReturn:
        raise AssertionError(f"asked: {words[1:]}")

    monkeypatch.setattr(QMessageBox, "question", asked)


@pytest.fixture(autouse=True)
def put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aside]:
    """Put work aside in a folder of the test's own, and return what was."""
    own = Aside(tmp_path / "rescue")
    monkeypatch.setattr(control, "aside", lambda: own)
    yield own
    own.remove()


@pytest.fixture
def viewer() -> ViewerModel:
    """Return a viewer without a window."""
    return ViewerModel()


@pytest.fixture
def notifications() -> Iterator[list[Notification]]:
    shown: list[Notification] = []
    notification_manager.notification_ready.connect(shown.append)
    yield shown
    notification_manager.notification_ready.disconnect(shown.append)


@pytest.fixture(scope="session")
def fundus_model(tiny_network: Callable[..., object]) -> LoadedModel:
    plain = RECIPES["fundus-race-phantom"].card
    card = RECIPES["fundus-phantom"].card.model_copy(
        update={
            "architecture": plain.architecture,
            "preprocessing": plain.preprocessing,
        }
    )
    return new_model("dmoe-vit", tiny_network().config, card)


@pytest.fixture(scope="session")
def age_model(tiny_network: Callable[..., object]) -> LoadedModel:
    card = read_card("fairseg-age")
    config = tiny_network(n_routers=card.n_routers).config
    return new_model("dmoe-vit", config, card)


@pytest.fixture(scope="session")
def volume_model() -> LoadedModel:
    """Return an untrained model of volumes, with the card of the pelvis phantom."""
    config = UNetConfig(feature_size=4, n_routers=4, n_experts=2)
    return new_model("dmoe-unet3d", config, RECIPES["pelvis-phantom"].card)


@pytest.fixture
def models(fundus_model: LoadedModel, age_model: LoadedModel) -> dict[str, LoadedModel]:
    return {"fundus": fundus_model, "age": age_model}


@pytest.fixture
def make_desk(qtbot: QtBot, models: dict[str, LoadedModel]) -> Callable[..., Desk]:
    def load(name: str, card: str | None = None) -> LoadedModel:
        if name not in models:
            raise CheckpointError(f"{name} is no checkpoint")
        return models[name]

    def make(
        viewer: ViewerModel | None = None,
        *,
        ready: Callable[[DMoEDock], None] = lambda dock: None,
        **others: Callable[..., object],
    ) -> Desk:
        viewer = viewer or ViewerModel()
        segment = FakeSegment()
        fakes = Engines(
            look_around=lambda: Surroundings("CPU", ("auto", "cpu"), tuple(models)),
            warm_up=lambda: None,
            load_checkpoint=load,
            segment=segment,
            outlook=lambda *_, **__: Outlook(),
            suited_model=lambda *_, **__: "",
            suited_to_files=lambda *_, **__: "",
            fitting_cards=fitting_cards,
            recent_models=lambda: (),
            remember_model=lambda path: None,
        )
        engines = replace(fakes, **others)
        dock = DMoEDock(viewer, engines=engines)
        if isinstance(viewer, napari.Viewer):
            viewer.window.add_dock_widget(dock, name="dMoE", area="right")
        else:
            qtbot.addWidget(dock)
        ready(dock)
        desk = Desk(viewer, dock, segment, qtbot)
        qtbot.waitUntil(lambda: "Loading" not in desk.status)
        desk.wait_until_idle()
        return desk

    return make


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """Return a desk with one image, called retina."""
    desk = make_desk()
    desk.viewer.add_image(IMAGE, name="retina")
    return desk


@pytest.fixture
def window_desk(
    make_desk: Callable[..., Desk], make_napari_viewer: Callable[..., napari.Viewer]
) -> Desk:
    """Return the same in a window of napari."""
    desk = make_desk(make_napari_viewer())
    desk.viewer.add_image(IMAGE, name="retina")
    return desk


@pytest.fixture(autouse=True)
def workers_get_no_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers get copies: a layer may change under their hands."""
    start = JobRunner.start

    def checked(runner: JobRunner, job: Any) -> None:
        taken = [type(each) for each in parts_of(job.work)]
        assert [kind for kind in taken if issubclass(kind, Layer | ViewerModel)] == []
        start(runner, job)

    monkeypatch.setattr(JobRunner, "start", checked)


@pytest.fixture(autouse=True)
def no_dialog_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClosingQuestion, "ask", lambda *_: Answer.END)


@pytest.fixture(autouse=True)
def no_dialog_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a dialog that no test answers fail, instead of waiting for somebody."""
    for name in (
        "getOpenFileName",
        "getOpenFileNames",
        "getSaveFileName",
        "getExistingDirectory",
    ):
        monkeypatch.setattr(QFileDialog, name, _nobody_answers)


def _nobody_answers(*_: object, **__: object) -> NoReturn:
    pytest.fail("a dialog waits for a file, and nobody answers")


@pytest.fixture
def fake() -> FakeTuning:
    return FakeTuning()


@pytest.fixture
def make_tuning(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel], fake: FakeTuning
) -> Callable[..., TuningDesk]:
    def load(name: str, card: str | None = None) -> LoadedModel:
        return models[name] if name in models else load_checkpoint(name)

    def make(
        viewer: ViewerModel | None = None, **engines: Callable[..., object]
    ) -> TuningDesk:
        engines = {"start_tuning": fake, "load_checkpoint": load, **engines}
        desk = make_desk(viewer or ViewerModel(), **engines)
        desk.viewer.add_image(IMAGE, name="retina", metadata=DRAWN)
        return TuningDesk(desk, fake)

    return make


@pytest.fixture
def tuning(make_tuning: Callable[..., TuningDesk]) -> TuningDesk:
    """Return a desk with one painted image of a known patient."""
    tuning = make_tuning()
    tuning.know()
    tuning.paint()
    return tuning


@pytest.fixture
def plugins() -> None:
    """Let napari know its own readers and writers, and ours."""
    manager = PluginManager.instance()
    builtins = Path(napari_builtins.__file__).with_name("builtins.yaml")
    ours = PluginManifest.from_distribution("napari-dmoe")
    for manifest in (PluginManifest.from_file(builtins), ours):
        if manifest.name not in manager:
            manager.register(manifest)
