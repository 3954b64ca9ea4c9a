"""From a group to the image of its worst case, by clicks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import napari
import numpy as np
import pytest
from audited import WORST, audit_of, write_planes, write_volumes
from evaluations import make_evaluated
from fairness_desk import FairnessDesk
from qtpy.QtCore import QPoint, Qt
from results_reader import LONG, Reader
from viewer_fakes import make_segmentation

from napari_dmoe.viewer.bench import Bench
from napari_dmoe.viewer.fairness.opening.control import CaseOpening
from napari_dmoe.viewer.fairness.shelf import Audit
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


@pytest.fixture
def planes(tmp_path: Path) -> Audit:
    return audit_of(write_planes(tmp_path / "cohort"))


def test_without_an_audit_it_says_what_to_do(reader: Reader) -> None:
    assert "press Run" in reader.section.empty.text()
    assert not reader.section.pickers.isVisible()
    assert not reader.section.plot.isVisible()


def test_a_click_on_the_worst_group_lists_its_cases_and_the_worst_opens(
    reader: Reader, planes: Audit
) -> None:
    reader.put(planes)
    reader.choose(metric="dice", by="sex")
    reader.click_in_plot(0)
    assert reader.section.cases.title.text() == "6 cases of female, worst first"
    assert reader.cases[0] == WORST
    reader.double_click_case(0)
    assert reader.seen == {
        WORST,
        f"{WORST} / truth",
        f"{WORST} / mask by predictions",
        f"{WORST} / errors",
    }
    session = session_of(reader.viewer)
    assert session.patient_of(session.image).sex == "female"
    assert "False negative (blue): 64 pixels" in reader.section.cases.said.text()
    assert reader.section.cases.position.text() == "1 of 6"


def test_next_and_previous_walk_the_listed_cases(reader: Reader, planes: Audit) -> None:
    reader.put(planes)
    reader.choose(by="sex")
    reader.click_group("(female)")
    cases = reader.section.cases
    left = Qt.MouseButton.LeftButton
    assert not cases.previous_button.isEnabled()
    for _ in range(3):
        reader.qtbot.mouseClick(cases.next_button, left)
        reader.wait()
    assert reader.cases[2] in reader.seen
    reader.qtbot.mouseClick(cases.previous_button, left)
    reader.wait()
    assert reader.cases[1] in reader.seen
    assert reader.cases[2] not in reader.seen
    assert cases.position.text() == "2 of 6"
    assert cases.table.currentIndex().row() == 1
    assert not any("[" in layer.name for layer in reader.viewer.layers)


def test_who_goes_on_quickly_sees_the_last_case_alone(
    reader: Reader, planes: Audit
) -> None:
    reader.put(planes)
    reader.control.choose((0, ""))
    for place in (0, 1, 2, 3):
        reader.control.open_listed(place)
    reader.wait()
    assert reader.cases[3] in reader.seen
    assert not set(reader.cases[:3]) & reader.seen


def test_masks_alone_open_without_an_image(reader: Reader, tmp_path: Path) -> None:
    reader.viewer.add_image(np.zeros((9, 9)), name="retina")
    reader.put(audit_of(write_volumes(tmp_path / "volumes")))
    reader.choose(by="centre")
    reader.control.choose((0, ""))
    reader.wait()
    reader.double_click_case(0)
    assert reader.cases[0] == "volume-3"
    assert {name.partition(" / ")[0] for name in reader.seen} == {"volume-3"}
    assert len(reader.seen) == 3
    said = reader.section.cases.said.text()
    assert "Patient: " in said
    assert "centre" in said


def test_what_was_said_of_a_case_is_said_again(reader: Reader, planes: Audit) -> None:
    reader.put(planes)
    reader.control.choose((0, ""))
    said = []
    for place in (0, 1, 0):
        reader.control.open_listed(place)
        reader.wait()
        said.append(reader.section.cases.said.text())
    assert "False negative" in said[0]
    assert said[0] == said[2]


def test_what_is_chosen_stays_when_another_model_is_looked_at(
    reader: Reader, planes: Audit
) -> None:
    reader.put(planes)
    reader.choose(metric="hd95", by="centre", crossed="sex")
    asked = reader.control.figures.asked
    other = planes.evaluated.facts.model_copy(update={"title": "another"})
    reader.put(planes, Audit(replace(planes.evaluated, facts=other, folder=None)))
    assert reader.control.figures.asked == asked
    assert len(reader.control.figures.models) == 2
    assert reader.section.groups.sentence.text()


def test_models_without_anything_in_common_are_told(
    reader: Reader, planes: Audit
) -> None:
    reader.put(planes, Audit(make_evaluated()))
    assert "no class and metric in common" in reader.section.note.text()


def test_long_lists_come_in_parts(reader: Reader) -> None:
    reader.put(Audit(make_evaluated(900)))
    reader.control.choose((0, ""))
    reader.wait()
    assert len(reader.cases) == 900
    assert reader.section.cases.position.text() == "– of 900"


def test_a_case_without_files_says_so(reader: Reader) -> None:
    reader.put(Audit(make_evaluated(12)))
    reader.control.choose((0, ""))
    reader.wait()
    reader.double_click_case(0)
    assert "cannot be shown" in reader.section.cases.said.text()
    assert not reader.viewer.layers


def test_error_maps_come_alone_side_by_side_and_say_how(
    reader: Reader, planes: Audit
) -> None:
    reader.put(planes)
    reader.choose(by="sex")
    reader.control.choose((0, "female"))
    reader.wait()
    reader.double_click_case(0)
    left = Qt.MouseButton.LeftButton
    for _ in range(2):
        reader.qtbot.mouseClick(reader.section.pickers.maps_button, left)
        reader.qtbot.waitUntil(lambda: not reader.is_at_work, timeout=LONG)
        reader.wait()
        assert reader.seen == {
            "false negatives, female (n 6)",
            "false positives, female (n 6)",
            "false negatives, male (n 6)",
            "false positives, male (n 6)",
        }
    female = reader.viewer.layers["false negatives, female (n 6)"]
    male = reader.viewer.layers["false negatives, male (n 6)"]
    assert female.data.shape == (128, 128)
    assert female.data.max() == pytest.approx(1)
    assert not male.data.any()
    assert male.translate[1] > female.translate[1] + 127
    assert "Nothing was registered" in reader.section.note.text()
    assert session_of(reader.viewer).image is None  # nothing to be segmented
    reader.double_click_case(1)
    assert {name.partition(" / ")[0] for name in reader.seen} == {reader.cases[1]}


def test_a_stop_makes_no_map(reader: Reader, planes: Audit) -> None:
    reader.put(planes)
    left = Qt.MouseButton.LeftButton
    reader.qtbot.mouseClick(reader.section.pickers.maps_button, left)
    reader.dock.work.stop()
    reader.qtbot.waitUntil(lambda: not reader.is_at_work, timeout=LONG)
    assert not [e for e in reader.viewer.layers if "false" in e.name]


def test_masks_that_were_not_kept_make_no_map(reader: Reader) -> None:
    reader.put(Audit(make_evaluated(12)))
    left = Qt.MouseButton.LeftButton
    reader.qtbot.mouseClick(reader.section.pickers.maps_button, left)
    reader.qtbot.waitUntil(lambda: not reader.is_at_work, timeout=LONG)
    assert "keep the masks" in reader.dock.foot.status.text()


def test_a_prediction_of_the_open_model_is_computed_again(
    reader: Reader, planes: Audit, age_model: object
) -> None:
    session = session_of(reader.viewer)
    session.set_model(age_model)
    calls: list[object] = []

    def segment(loaded: object, image: object, patient: object, **_: object) -> object:
        calls.append(patient)
        return make_segmentation(image, classes=("background", "lesion"))

    facts = planes.evaluated.facts.model_copy(
        update={"source": "model", "sha256": age_model.sha256, "model": "tiny"}
    )
    cases = [replace(case, prediction=None) for case in planes.evaluated]
    audit = Audit(replace(planes.evaluated, cases=tuple(cases), facts=facts))
    engines = replace(reader.control._engines, segment=segment)
    bench = Bench(session, engines, reader.dock.work, reader.dock.foot)
    opening = CaseOpening(bench, reader.section)
    said: list[str] = []
    opening.said.connect(said.append)
    opening.open(audit, 6)
    reader.wait()
    reader.qtbot.waitUntil(lambda: bool(said))
    assert "It was computed again" in said[0]
    assert [each.sex for each in calls] == ["female"]
    assert "case-06 / mask by predictions" in reader.seen


def test_a_prediction_of_a_model_that_is_not_there_is_said(
    reader: Reader, planes: Audit
) -> None:
    facts = planes.evaluated.facts.model_copy(
        update={"source": "model", "sha256": "ab", "model": "gone.pt"}
    )
    cases = [replace(case, prediction=None) for case in planes.evaluated]
    reader.put(Audit(replace(planes.evaluated, cases=tuple(cases), facts=facts)))
    reader.control.choose((0, ""))
    reader.wait()
    reader.double_click_case(0)
    assert "gone.pt is not at hand" in reader.section.cases.said.text()
    assert reader.cases[0] in reader.seen  # its image and truth


def test_in_the_window_a_group_leads_to_the_worst_case_on_the_canvas(
    make_fairness: Callable[..., FairnessDesk],
    make_napari_viewer: Callable[..., napari.Viewer],
    planes: Audit,
) -> None:
    viewer = make_napari_viewer(show=True)
    desk = make_fairness(viewer)
    viewer.window.add_dock_widget(desk.dock, name="dMoE fairness", area="bottom")
    reader = Reader(desk)
    reader.qtbot.waitExposed(desk.dock)
    reader.put(planes)
    reader.choose(by="sex")
    reader.click_group("(female)")
    reader.double_click_case(0)
    assert f"{WORST} / errors" in reader.seen
    desk.settle()
    picture = viewer.screenshot(canvas_only=True, flash=False)
    assert picture[..., :3].any()


@pytest.mark.parametrize("width", [1600, 900, 420])
def test_parts_stand_beside_each_other_where_there_is_room(
    reader: Reader, planes: Audit, width: int
) -> None:
    reader.put(planes)
    reader.section.resize(width, 400)
    reader.section._arrange({1600: 3, 900: 2, 420: 1}[width])
    reader.qtbot.waitUntil(lambda: True)
    tops = [
        part.mapTo(reader.section, QPoint(0, 0)).y()
        for part in (reader.section.plot, reader.section.groups, reader.section.cases)
    ]
    assert tops == sorted(tops)


def test_an_empty_section_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from napari_dmoe.viewer.fairness.results.control import ResultsControl\n"
        "from napari_dmoe.viewer.fairness.results.view import ResultsSection\n"
        "section = ResultsSection()\n"
        "print('torch' in sys.modules, 'matplotlib.figure' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
