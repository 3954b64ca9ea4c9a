"""What no training case had is said before a run, with its result, and of many images.

The model knows two values of three; the real engine runs a tiny network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel
from PIL import Image as Picture
from qtpy.QtWidgets import QFileDialog
from sweeping import PICTURE, section_of, sweep
from tables import column_of

from napari_dmoe.models.card import ModelCard, TrainingFacts
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.layers.records import layer_record, record_rows
from napari_dmoe.viewer.session.checks import counted_notices
from napari_dmoe.viewer.what_if.sweep.rows import UNTRAINED

pytestmark = pytest.mark.gui

SAID = "No training case of this model had severity suspect"
COUNTS = {"severity": {"healthy": 10, "glaucoma": 30}}


def knowing(card: ModelCard, counts: dict[str, dict[str, int]]) -> ModelCard:
    facts = TrainingFacts(n_per_value=counts)
    return card.model_copy(update={"training": facts})


@pytest.fixture
def models(models: dict[str, LoadedModel]) -> dict[str, LoadedModel]:
    model = models["fundus"]
    card = knowing(model.card, COUNTS)
    return {"two of three": LoadedModel(model.network, card, "dmoe-vit")}


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    desk = make_desk(ViewerModel(), segment=engines.segment)
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.wait_until_idle()
    return desk


def know(desk: Desk, severity: str | None, name: str = "retina") -> None:
    desk.session.set_patient(desk.viewer.layers[name], Patient(severity=severity))


def before(desk: Desk) -> str:
    return desk.reason


def test_it_is_said_before_the_run_and_with_its_result(desk: Desk) -> None:
    know(desk, "suspect")  # as a table or a file states it
    assert before(desk).startswith(SAID)
    assert desk.segmenting.tab.action.reason.isVisibleTo(desk.dock)
    assert desk.dock.footer.button.isEnabled()
    desk.run()
    result = desk.segmenting.tab.result
    assert SAID not in desk.status
    assert "severity: suspect (never trained)" in result.summary.text()
    assert SAID in result.notices.text()
    (mask,) = desk.masks
    assert (
        "never trained" in dict(record_rows(mask.metadata["napari-dmoe"]))["Driven by"]
    )
    (driver,) = layer_record(mask).drivers
    assert driver.untrained == ("suspect",)
    know(desk, "healthy")  # which runs it again
    assert before(desk) == ""
    desk.wait_until_idle()
    assert SAID not in result.notices.text() + result.summary.text() + desk.status


def test_an_unknown_value_says_what_is_mixed_and_what_is_left_out(desk: Desk) -> None:
    section = desk.segmenting.tab.patient
    text = section.mixture_label.text()
    assert "mixes healthy, glaucoma evenly" in text
    assert "Left out, as no training case had it: suspect." in text
    assert before(desk) == ""
    assert [box.value() for box in desk.what_if.tab.priors.boxes["severity"]] == [
        50,
        0,
        50,
    ]
    desk.run()
    said = desk.segmenting.tab.result.summary.text()
    assert "2 values mixed (healthy 0.50, glaucoma 0.50)" in said


def test_shares_that_a_person_gives_to_what_was_never_trained_are_told(
    desk: Desk,
) -> None:
    desk.session.shares.state("severity", (0.5, 0.4, 0.1))
    assert SAID in before(desk)
    assert "a weight of 0.40 here" in before(desk)
    desk.session.shares.reset()
    assert before(desk) == ""


def test_one_value_alone_is_no_mixture(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    model = models.pop("two of three")
    card = knowing(model.card, {"severity": {"healthy": 5, "suspect": 0}})
    models["one of three"] = LoadedModel(model.network, card, "dmoe-vit")
    desk = make_desk(ViewerModel(), segment=engines.segment)
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.wait_until_idle()
    text = desk.segmenting.tab.patient.mixture_label.text()
    assert "healthy is used alone" in text
    assert "suspect, glaucoma" in text
    assert "mixes" not in text
    desk.run()
    assert "unknown: healthy alone" in desk.segmenting.tab.result.summary.text()


def test_the_model_says_what_it_never_saw(desk: Desk) -> None:
    section = desk.segmenting.tab.model
    assert "healthy, glaucoma; never trained: suspect" in section.facts.text()
    rows = section.details.rows["Severity"].text().splitlines()
    assert rows == ["healthy: 10 cases", "suspect, never trained", "glaucoma: 30 cases"]


def test_a_sweep_marks_the_value(desk: Desk) -> None:
    know(desk, "healthy")
    found = sweep(desk).found
    values = column_of(found.table, 0)
    assert values == ["healthy ●", f"suspect {UNTRAINED}", "glaucoma"]
    assert UNTRAINED in found.note.text()
    assert "No training case had suspect" in found.table.model().index(1, 0).data(3)
    assert "suspect" in section_of(desk).summary.text()
    know(desk, None)
    found = sweep(desk).found
    assert column_of(found.table, 0)[2] == f"suspect {UNTRAINED}"
    found.table.line_chosen.emit(2)
    assert found.step_label.text() == "suspect"


def test_of_many_layers_it_is_said_once_and_for_how_many(desk: Desk) -> None:
    know(desk, "suspect")
    for name, severity in (("b", "suspect"), ("c", "glaucoma")):
        desk.viewer.add_image(PICTURE, name=name, rgb=True)
        know(desk, severity, name)
    desk.viewer.layers.selection = {desk.viewer.layers[n] for n in ("retina", "b", "c")}
    section = desk.segmenting.tab.series
    desk.click(section.layers_button)
    desk.qtbot.waitUntil(lambda: desk.segmenting.layer_series._total == 0)
    said = section.found.summary.text()
    assert said.startswith("3 layers. 2 of 3 images: ")
    assert said.count(SAID) == 1
    outcomes = {row["image"]: row["outcome"] for row in section.rows}
    assert [SAID in outcomes[name] for name in ("retina", "b", "c")] == [1, 1, 0]
    desk.wait_until_idle()


def test_of_a_table_of_files_too(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["image,severity"]
    for name, severity in (("a", "suspect"), ("b", "suspect"), ("c", ""), ("d", "?")):
        Picture.fromarray(PICTURE).save(tmp_path / f"{name}.png")
        lines.append(f"{name}.png,{severity}")
    table, target = tmp_path / "cohort.csv", tmp_path / "masks"
    table.write_text("\n".join(lines))
    target.mkdir()
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(table), ""))
    )
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(target))
    )
    section = desk.segmenting.tab.series
    desk.click(section.table_button)
    desk.wait_until_idle()
    desk.click(section.plan.start_button)
    desk.wait_until_idle()
    said = section.found.summary.text()
    assert said.count(SAID) == 1
    assert f"2 of 4 images: {SAID}" in said


def test_many_patients_are_counted_in_one_go(models: dict[str, LoadedModel]) -> None:
    people = [Patient(severity=s) for s in ("suspect", None, "healthy") * 20_000]
    assert counted_notices(models["two of three"], people, {}) == (
        f"20000 of 60000 images: {SAID}: its router was never trained.",
    )
    strange = [Patient(severity="martian")]
    assert counted_notices(models["two of three"], strange, {}) == ()


def test_a_band_of_a_typed_number_is_looked_at(
    make_desk: Callable[..., Desk], age_model: LoadedModel, models: dict[str, object]
) -> None:
    card = knowing(age_model.card, {"age": {"below 60": 0, "from 60": 7}})
    models.clear()
    models["old"] = LoadedModel(age_model.network, card, "dmoe-vit")
    desk = make_desk(ViewerModel())
    desk.viewer.add_image(np.zeros((12, 9), np.uint8), name="retina")
    desk.type("age", "61")
    assert before(desk) == ""
    desk.type("age", "31")
    assert "had age below 60" in before(desk)
    assert "31" not in before(desk)
