"""Every value asked by the dock for real, and what it shows of that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audits import lively, tiny_cohort, trained_on
from fairness_desk import FairnessDesk

from napari_dmoe.evaluation.counterfactual.audit_files import FILES, audit_summary
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.fairness.results import every_value_control
from napari_dmoe.viewer.fairness.results.every_value import DEPENDENCE, HELP
from napari_dmoe.viewer.fairness.results.every_value_view import (
    NOBODY_ASKED,
    EveryValueView,
)

pytestmark = pytest.mark.gui

Checkpoint = Callable[..., Path]
Make = Callable[..., FairnessDesk]

_LONG = 120_000
"""Milliseconds."""


@pytest.fixture
def race(tiny_checkpoint: Checkpoint) -> LoadedModel:
    loaded = lively(load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race"))
    return replace(loaded, sha256="0" * 64)


@pytest.fixture(autouse=True)
def no_atlas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw none: other tests do, and it takes longer than all else here."""
    monkeypatch.setattr(
        "napari_dmoe.evaluation.counterfactual.pictures.save_atlas",
        lambda path, *_: path.write_bytes(b"a picture"),
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tiny_cohort(tmp_path / "eyes", 10)
    return tmp_path / "eyes"


@pytest.fixture
def make_real(make_fairness: Make, race: LoadedModel) -> Make:
    """Return what makes a dock whose engines are real, with a tiny model."""

    def make(loaded: LoadedModel = race, **others: Any) -> FairnessDesk:
        real: dict[str, Any] = {
            "open_cohort": engines.open_cohort,
            "evaluate": engines.evaluate,
            "audit": engines.audit,
            "write_report": engines.write_report,
            "read_evaluation": engines.read_evaluation,
            "load_checkpoint": lambda _: loaded,
        }
        desk = make_fairness(**(real | others))
        desk.dock.resize(1500, 900)
        desk.dock.show()
        return desk

    return make


def view_of(desk: FairnessDesk) -> EveryValueView:
    return desk.dock.results.every_value


def run(desk: FairnessDesk) -> None:
    """Press the foot's button, and wait for networks that are real."""
    desk.click(desk.dock.foot.button)
    desk.qtbot.waitUntil(lambda: not desk.dock.work.is_busy, timeout=_LONG)
    desk.settle()


def ask(desk: FairnessDesk, source: Path) -> Path:
    """Read a cohort, tick the box and run; return the folder of every value."""
    desk.read(source)
    desk.dock.compared.every_value_box.click()
    run(desk)
    (audit,) = desk.dock.audits.shown
    assert audit.folder is not None
    return audit.folder / "every-value"


def settle(desk: FairnessDesk) -> None:
    desk.settle()
    plots = view_of(desk).plots.values()
    desk.qtbot.waitUntil(lambda: not any(p.is_stale and p.isVisible() for p in plots))


def test_every_value_is_asked_and_what_it_gave_is_shown(
    make_real: Make, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_real()
    folder = ask(desk, source)
    settle(desk)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert "What every value gave stands below the groups." in desk.status
    summary, view = audit_summary(folder), view_of(desk)
    assert summary is not None
    names = [view.combo.itemText(n) for n in range(view.combo.count())]
    assert names == ["Race, rim", "Race, cup", "Race, disc"]
    view.combo.setCurrentIndex(1)
    view.combo.activated.emit(1)
    settle(desk)
    said = view.sentences.text().split("\n")
    assert said[0] in summary["sentences"]
    assert "the cup" in said[0]
    assert not any("the rim" in each for each in said)
    assert said[-2:] == summary["sentences"][-2:]
    labels = [label.get_text() for label in _axes(view, DEPENDENCE).get_yticklabels()]
    assert labels[0].startswith("all (n = ")
    # The driver's own groups, and those that the groups above are of.
    assert {each.split(":")[0] for each in labels[1:]} == {"race", "sex"}
    assert view.plots[HELP].isVisible()
    opened: list[str] = []
    monkeypatch.setattr(
        every_value_control, "open_picture", lambda path: not opened.append(path)
    )
    desk.click(view.atlas_button)
    assert opened == [str(folder / "atlas.png")]


def _axes(view: EveryValueView, what: str) -> Any:
    figure = view.plots[what].figure
    assert figure is not None
    return figure.axes[0]


def test_the_plots_are_parted_by_what_parts_the_groups(
    make_real: Make, source: Path
) -> None:
    desk = make_real()
    ask(desk, source)
    combo = desk.dock.results.pickers.by_combo
    combo.setCurrentIndex(combo.findData("sex"))
    combo.activated.emit(combo.currentIndex())
    settle(desk)
    for what in (DEPENDENCE, HELP):
        labels = [
            label.get_text() for label in _axes(view_of(desk), what).get_yticklabels()
        ]
        assert {each.split(":")[0] for each in labels[1:]} == {"race", "sex"}


def test_without_it_the_dock_says_how_to_ask(make_real: Make, source: Path) -> None:
    desk = make_real()
    desk.read(source)
    run(desk)
    view = view_of(desk)
    assert view.note.text() == NOBODY_ASKED
    assert view.note.isVisible()
    hidden = (view.combo, view.atlas_button, view.sentences, *view.plots.values())
    assert not any(each.isVisible() for each in hidden)


def test_a_reopened_audit_shows_it_again(make_real: Make, source: Path) -> None:
    folder = ask(make_real(), source).parent
    desk = make_real()
    desk.dock.reopening.open(folder)
    desk.settle()
    settle(desk)
    assert view_of(desk).sentences.text().startswith("Race ")
    (folder / "every-value" / "audit.json").write_text("{")
    (audit,) = desk.dock.audits.shown
    desk.dock.audits.forget(audit)
    desk.dock.audits.put(replace(audit))
    desk.settle()
    assert "cannot be read: audit.json is no JSON" in view_of(desk).note.text()
    assert not view_of(desk).sentences.isVisible()


def test_asking_is_stopped_and_gone_on_with(make_real: Make, source: Path) -> None:
    stops = [True]

    def audit(*arguments: Any, progress: Any, **options: Any) -> Any:
        def hook(step: Progress) -> None:
            progress(step)
            if stops and step.fraction > 0.7:
                stops.clear()
                raise Cancelled

        return engines.audit(*arguments, progress=hook, **options)

    desk = make_real(audit=audit)
    desk.read(source)
    desk.dock.compared.every_value_box.click()
    run(desk)
    assert desk.dock.foot.button.text() == "Resume"
    assert "press Resume" in desk.status
    run(desk)
    assert desk.dock.foot.button.text() == "Run"
    (shown,) = desk.dock.audits.shown
    assert shown.folder is not None
    folder = shown.folder / "every-value"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_a_model_whose_values_cannot_be_asked_is_evaluated_all_the_same(
    make_real: Make, race: LoadedModel, source: Path
) -> None:
    one = trained_on(race, "race", Asian=5, Black=0, White=0)
    desk = make_real(one)
    desk.read(source)
    desk.dock.compared.every_value_box.click()
    run(desk)
    assert len(desk.dock.audits.shown) == 1
    assert "was asked: race: fewer than two of its values" in desk.status
    assert view_of(desk).note.text() == NOBODY_ASKED


def test_the_report_tells_of_it(
    make_real: Make, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "napari_dmoe.viewer.fairness.running.report.open_in_browser", lambda page: None
    )
    desk = make_real()
    folder = ask(desk, source)
    desk.click(desk.dock.foot.report_button)
    desk.settle()
    page = (folder.parent.parent / "report" / "report.html").read_text("utf-8")
    summary = json.loads((folder / "audit.json").read_text("utf-8"))
    assert summary["sentences"][0].split(" (")[0] in page


def test_two_models_are_told_apart(make_real: Make, source: Path) -> None:
    desk = make_real()
    desk.read(source)
    desk.dock.compared.add_requested.emit("skin-phantom")
    desk.dock.compared.every_value_box.click()
    run(desk)
    settle(desk)
    combo = view_of(desk).combo
    names = [combo.itemText(n) for n in range(combo.count())]
    assert len(names) == 6
    assert names[0].startswith("Race, rim – ")
