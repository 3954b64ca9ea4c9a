"""What can guard the groups: looked at when it is chosen, and told before the run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desk import IMAGE
from napari.utils.notifications import Notification
from PIL import Image as Picture
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from tuning_desk import DRAWN, TuningDesk

from napari_dmoe.training.guarding.guard import QUICK
from napari_dmoe.training.tuning.corrected import StoredCases
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.fine_tune.guard import NONE
from napari_dmoe.viewer.fine_tune.state import State

pytestmark = pytest.mark.gui

RNG = np.random.default_rng(3)
PAINTED = {0: 60, 1: 30, 2: 18}  # pixels of each class


def labels(numbers: Mapping[int, int] = PAINTED) -> np.ndarray:
    flat = np.repeat(list(numbers), list(numbers.values())).astype(np.uint8)
    return np.resize(flat, (12, 9))


def cohort(
    folder: Path,
    severities: Sequence[str],
    *,
    truth: np.ndarray | None = None,
    pixels: Callable[[], np.ndarray] | None = None,
) -> Path:
    """Write a cohort of pictures with masks; an empty severity is unknown."""
    folder.mkdir(parents=True)
    lines = ["image,labels,severity"]
    for number, severity in enumerate(severities):
        drawn = (
            RNG.integers(0, 255, (12, 9, 3), np.uint8) if pixels is None else pixels()
        )
        Picture.fromarray(drawn).save(folder / f"{number}.png")
        Picture.fromarray(labels() if truth is None else truth).save(
            folder / f"{number}_mask.png"
        )
        lines.append(f"{number}.png,{number}_mask.png,{severity}")
    (folder / "cohort.csv").write_text("\n".join(lines))
    return folder


EVERYBODY = [s for s in ("healthy", "suspect", "glaucoma") for _ in range(10)]


def titles(tuning: TuningDesk) -> list[str]:
    combo = tuning.tab.tune.guard_combo
    return [combo.itemText(i) for i in range(combo.count())]


def add_photograph(tuning: TuningDesk, name: str = "phantom fundus") -> None:
    tuning.viewer.add_image(IMAGE, name=name)
    tuning.know(name)
    tuning.paint(name)


def test_made_up_cases_guard_made_up_pairs(tuning: TuningDesk) -> None:
    tuning.open()
    assert titles(tuning)[0] == "fundus phantoms"
    section = tuning.tab.tune
    assert section.n_spin.isVisibleTo(tuning.tab)
    assert section.n_spin.value() == QUICK
    assert "12 cases, about 4 of each" in tuning.guard_note
    assert "about 0.04 Dice of all together, and of no group" in tuning.guard_note
    assert "So the verdict can only be “not checked” or “worse”." in tuning.guard_note
    section.full_button.click()
    assert section.full_button.text() == f"Use {QUICK}"
    section.full_button.click()
    assert section.n_spin.value() == QUICK
    section.full_button.click()
    assert "verdict" not in tuning.guard_note
    assert tuning.start().task.guard.title == "60 fundus phantoms"


def test_made_up_cases_do_not_guard_a_photograph_whatever_it_is_called(
    tuning: TuningDesk,
) -> None:
    tuning.open()
    add_photograph(tuning)
    tuning.wait(lambda: "fundus phantoms" not in titles(tuning))
    assert tuning.tab.tune.guard_combo.currentText() == NONE
    assert "“phantom fundus” is not known to be made up" in tuning.guard_note
    assert "Nothing will be said of how other patients fare" in tuning.guard_note
    assert tuning.start().task.guard.kind == "none"


def test_without_the_photograph_they_are_offered_again(tuning: TuningDesk) -> None:
    tuning.open()
    add_photograph(tuning, "mine")
    tuning.wait(lambda: "fundus phantoms" not in titles(tuning))
    for row in range(tuning.tab.pairs.list.count()):
        item = tuning.tab.pairs.list.item(row)
        if "mine" in item.text():
            item.setCheckState(Qt.CheckState.Unchecked)
    assert tuning.tab.tune.guard_combo.currentText() == "fundus phantoms"


def test_a_phantom_whose_pixels_were_replaced_is_none(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.viewer.layers["retina"].data = np.ones_like(IMAGE)
    tuning.wait(lambda: "fundus phantoms" not in titles(tuning))


def test_another_kind_of_phantom_does_not_guard(tuning: TuningDesk) -> None:
    tuning.open()
    other = {key: {"phantom": "skin"} for key in DRAWN}
    tuning.viewer.add_image(IMAGE, name="mole", metadata=other)
    tuning.know("mole")
    tuning.paint("mole")
    tuning.wait(lambda: "fundus phantoms" not in titles(tuning))


def test_no_model_of_photographs_is_guarded_by_phantoms(
    make_tuning: Callable[..., TuningDesk],
) -> None:
    tuning = make_tuning()
    tuning.desk.load("age")
    tuning.paint()
    tuning.open()
    assert titles(tuning)[0] == NONE
    assert "made up" not in tuning.guard_note


def test_what_is_handed_over_is_known_to_be_drawn(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    (case,) = StoredCases.of(process.folder / "cases")
    assert case.phantom == "fundus"


def test_a_good_cohort_is_counted_by_group(tuning: TuningDesk, tmp_path: Path) -> None:
    tuning.open()
    tuning.choose_guard(cohort(tmp_path / "people", EVERYBODY))
    assert tuning.tab.tune.guard_combo.currentText() == "people"
    assert tuning.guard_note == "30 cases, never trained on."
    assert tuning.tab.foot.button.isEnabled()
    assert tuning.start().task.guard.name == str(tmp_path / "people")


def test_whom_it_lacks_and_of_whom_it_has_few_is_said_before(
    tuning: TuningDesk, tmp_path: Path
) -> None:
    tuning.open()  # of a case whose severity is "suspect"
    people = ["healthy"] * 10 + ["glaucoma"] * 3 + [""]
    tuning.choose_guard(cohort(tmp_path / "people", people))
    said = tuning.guard_note
    assert said.startswith("14 cases, never trained on.")
    assert "No case of suspect: nothing will be said of them." in said
    assert "Fewer than 10, which say little: glaucoma (3)." in said
    assert "So the verdict can only be “not checked” or “worse”." in said
    assert "severity unknown (n 1)" in said
    assert tuning.tab.foot.button.isEnabled()  # the verdict will say so, too


def no_table(folder: Path) -> Path:
    return folder


def no_labels(folder: Path) -> Path:
    Picture.fromarray(IMAGE).save(folder / "a.png")
    (folder / "cohort.csv").write_text("image,severity\na.png,healthy")
    return folder


def no_image(folder: Path) -> Path:
    (folder / "cohort.csv").write_text("image,labels\nlost.png,lost_mask.png")
    return folder


def broken_image(folder: Path) -> Path:
    found = cohort(folder / "people", EVERYBODY)
    (found / "3.png").write_bytes(b"no picture")
    return found


def full_scale(folder: Path) -> Path:
    return cohort(folder / "people", EVERYBODY, truth=labels({0: 60, 255: 48}))


def seven(folder: Path) -> Path:
    return cohort(folder / "people", EVERYBODY, truth=labels({0: 60, 7: 48}))


def larger(folder: Path) -> Path:
    truth = np.resize(labels(), (24, 18))
    return cohort(folder / "people", EVERYBODY, truth=truth)


def not_annotated(folder: Path) -> Path:
    return cohort(folder / "people", EVERYBODY, truth=labels({255: 108}))


def the_same_picture(folder: Path) -> Path:
    grey = IMAGE.astype(np.uint8)
    return cohort(folder / "people", EVERYBODY[:1], pixels=lambda: grey)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (no_table, "there is no cohort"),
        (no_labels, "no labels"),
        (no_image, "lost"),
        (broken_image, "3"),
        (full_scale, "255"),
        (seven, "7"),
        (larger, "pixels"),
        (not_annotated, "annotated"),
        (the_same_picture, "trained on"),
    ],
)
def test_what_cannot_guard_is_said_when_it_is_chosen(
    tuning: TuningDesk,
    tmp_path: Path,
    notifications: list[Notification],
    make: Callable[[Path], Path],
    why: str,
) -> None:
    tuning.open()
    tuning.choose_guard(make(tmp_path))
    assert not tuning.tab.foot.button.isEnabled()
    assert tuning.said.startswith("The guard cannot be used: ")
    assert why in tuning.said
    assert tuning.guard_note == tuning.said
    assert "Traceback" not in tuning.said
    tuning.tuner.tune.begin()
    assert not tuning.fake.started
    assert not notifications
    combo = tuning.tab.tune.guard_combo
    combo.activated.emit(combo.findText(NONE))
    assert tuning.tab.foot.button.isEnabled()


def test_a_cohort_is_chosen_in_a_dialog(
    tuning: TuningDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = cohort(tmp_path / "people", EVERYBODY)
    for name, answer in (
        ("getExistingDirectory", str(people)),
        ("getOpenFileName", (str(people / "cohort.csv"), "")),
    ):
        monkeypatch.setattr(QFileDialog, name, staticmethod(lambda *_, a=answer: a))
    tuning.open()
    combo = tuning.tab.tune.guard_combo
    for entry, name in (
        ("cohort folder…", "people"),
        ("cohort table…", "cohort.csv"),
    ):
        combo.activated.emit(combo.findText(entry))
        assert combo.currentText() == name
        tuning.wait(tuning.tab.foot.button.isEnabled)


class SlowLook:
    """Looks at guards aside, and answers when it is told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.threads: list[int] = []
        self.asked: list[str] = []

    def __call__(self, guard: Any, *what: Any, **options: Any) -> Any:
        self.threads.append(threading.get_ident())
        self.asked.append(Path(guard.name).name)
        assert self.gate.wait(20)
        return engines.look_at_guard(guard, *what, **options)


def looking_slowly(
    make_tuning: Callable[..., TuningDesk],
) -> tuple[SlowLook, TuningDesk]:
    """Return a desk with a painted pair whose guard is looked at until it is let."""
    look = SlowLook()
    tuning = make_tuning(look_at_guard=look)
    tuning.know()
    tuning.paint()
    tuning.open()
    return look, tuning


def test_nothing_starts_while_it_is_looked_at_and_the_window_lives(
    make_tuning: Callable[..., TuningDesk], tmp_path: Path
) -> None:
    look, tuning = looking_slowly(make_tuning)
    tuning.choose_guard(cohort(tmp_path / "people", EVERYBODY), is_awaited=False)
    assert tuning.said.startswith("Looking at the guard's cases")
    assert not tuning.tab.foot.button.isEnabled()
    look.gate.set()
    tuning.wait(tuning.tab.foot.button.isEnabled)
    assert threading.get_ident() not in look.threads


def test_only_what_was_chosen_last_counts(
    make_tuning: Callable[..., TuningDesk], tmp_path: Path
) -> None:
    look, tuning = looking_slowly(make_tuning)
    good = cohort(tmp_path / "good", EVERYBODY)
    tuning.choose_guard(seven(tmp_path), is_awaited=False)
    tuning.choose_guard(good, is_awaited=False)
    look.gate.set()
    tuning.wait(tuning.tab.foot.button.isEnabled)
    assert look.asked[-1] == "good"
    assert tuning.guard_note.startswith("30 cases")


def test_nothing_is_looked_at_for_a_model_that_was_unloaded(
    make_tuning: Callable[..., TuningDesk], tmp_path: Path
) -> None:
    look, tuning = looking_slowly(make_tuning)
    tuning.choose_guard(cohort(tmp_path / "people", EVERYBODY), is_awaited=False)
    tuning.desk.dock._session.set_model(None)
    look.gate.set()
    tuning.wait(lambda: not tuning.tuner.guard.is_looking)
    assert tuning.guard_note == "Nothing will be said of how other patients fare."
    assert titles(tuning) == [NONE]


def test_what_was_said_of_a_table_holds_for_a_guard(
    tuning: TuningDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = cohort(tmp_path / "people", EVERYBODY) / "cohort.csv"
    text = table.read_text("utf-8-sig").replace("image", "photo", 1)
    table.write_text(text.replace("severity", "state", 1), "utf-8")
    tuning.open()
    tuning.choose_guard(table)
    assert "has no column 'image'" in tuning.guard_note
    assert "can be said in Segment, Many images" in tuning.guard_note
    answer = str(table), ""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: answer)
    section = tuning.desk.segmenting.tab.series
    tuning.desk.click(section.table_button)
    tuning.desk.wait_until_idle()
    for name, meaning in (("photo", "image"), ("state", "severity")):
        combo = section.plan.combos[name]
        combo.activated.emit(combo.findData(meaning))
        tuning.desk.wait_until_idle()
    for source in (table, table.parent):
        tuning.choose_guard(source)
        guard = tuning.tuner.guard.guard
        assert dict(guard.columns) == {"photo": "image", "state": "severity"}
        assert tuning.guard_note.startswith(f"{len(EVERYBODY)} cases, never trained on")
    assert titles(tuning).count("people") == 1


def test_guards_that_are_called_alike_can_be_told_apart(
    tuning: TuningDesk, tmp_path: Path
) -> None:
    tuning.open()
    for folder in ("north/a", "south/a", "south/b"):
        people = cohort(tmp_path / folder, EVERYBODY[:1])
        tuning.choose_guard(people / "cohort.csv")
    tuning.choose_guard(tmp_path / "south" / "b")
    names = ("north/a/cohort.csv", "south/a/cohort.csv", "b/cohort.csv", "b")
    assert titles(tuning)[2:-2] == [str(Path(name)) for name in names]


def test_what_is_said_of_the_guard_does_not_begin_with_it_again(
    tuning: TuningDesk, tmp_path: Path
) -> None:
    tuning.open()
    tuning.choose_guard(seven(tmp_path))
    assert tuning.guard_note.lower().count("the guard") == 1
    tuning.choose_guard(cohort(tmp_path / "others", ["", *EVERYBODY]))
    first, *notices = tuning.guard_note.splitlines()
    assert first.startswith("31 cases")
    assert notices
    assert all(notice.startswith("· ") for notice in notices)
    assert "the guard:" not in tuning.guard_note


def test_another_ticked_image_is_looked_for_in_the_guard(
    make_tuning: Callable[..., TuningDesk], tmp_path: Path
) -> None:
    tuning = make_tuning()
    tuning.know()
    tuning.paint()
    people = cohort(tmp_path / "people", EVERYBODY)
    tuning.open()
    tuning.choose_guard(people)
    assert tuning.guard_note.startswith("30 cases")
    copy = np.asarray(Picture.open(people / "4.png"))
    tuning.viewer.add_image(copy, name="copy", rgb=True)
    tuning.know("copy")
    tuning.paint("copy")
    tuning.wait(lambda: tuning.guard_note.startswith("29 cases"))
    assert "1 case whose picture is trained on is left out" in tuning.guard_note


def test_an_error_that_nobody_foresaw_disables_start_too(
    make_tuning: Callable[..., TuningDesk],
    tmp_path: Path,
    notifications: list[Notification],
) -> None:
    def look(*what: object, **options: object) -> object:
        raise RuntimeError("something else")

    tuning = make_tuning(look_at_guard=look)
    tuning.know()
    tuning.paint()
    tuning.open()
    tuning.choose_guard(tmp_path)
    assert not tuning.tab.foot.button.isEnabled()
    assert tuning.said.startswith("The guard cannot be used: ")
    assert not notifications  # it is said where it was chosen
    assert tuning.state is State.READY
