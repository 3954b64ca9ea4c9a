"""Plots of the routing as pictures, and their numbers as a table."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from plotting import in_sight
from qtpy.QtWidgets import QFileDialog, QMessageBox
from viewer_fakes import N_BLOCKS, N_EXPERTS

from napari_dmoe.viewer.routing.plots import files as plot_files
from napari_dmoe.viewer.routing.plots.files import ShownPlots, drawn

pytestmark = pytest.mark.gui

WHOSE = "of “retina / mask” · severity: suspect"
BEHAVIOUR = "This model's behaviour, not biology."
Choose = Callable[..., list[str]]


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return in_sight(make_desk(ViewerModel()), IMAGE)


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Return what lets the next dialogs answer with a path; it lists proposals."""

    def choose(path: Path | str, kind: str = "") -> list[str]:
        proposed: list[str] = []

        def answer(parent: object, title: str, name: str, *_: object) -> tuple:
            proposed.append(name)
            return str(path), kind

        monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
        return proposed

    return choose


def save(desk: Desk) -> None:
    desk.click(desk.routing.tab.plots.save_button)
    desk.wait_until_idle()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def shown(desk: Desk) -> ShownPlots:
    found = desk.routing.plots.shown
    assert found is not None
    return found


def texts(figure: object) -> str:
    """Return all that is written beside the axes of a figure's parts."""
    return " ".join(text.get_text() for part in figure.subfigs for text in part.texts)


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_the_ending_says_which_kind_of_picture_it_is(
    desk: Desk, choose: Choose, tmp_path: Path, suffix: str, begins: bytes
) -> None:
    proposed = choose(tmp_path / f"plots{suffix}")
    save(desk)
    assert proposed == ["retina_mask_routing.png"]
    (file,) = tmp_path.iterdir()
    assert file.name == f"plots{suffix}"
    assert file.read_bytes().startswith(begins)
    assert desk.status == f"Saved plots{suffix}."


def test_the_picture_has_what_is_shown_and_says_whose_it_is(
    desk: Desk, choose: Choose, tmp_path: Path
) -> None:
    figure = drawn(shown(desk))
    axes = [part.axes[0] for part in figure.subfigs if part.axes]
    assert len(axes) == 3  # also the similarity of values, though it is folded away
    load = np.asarray(axes[0].images[0].get_array())
    assert load.shape == (N_BLOCKS, N_EXPERTS)
    np.testing.assert_allclose(load.sum(1), 1, atol=1e-6)
    said = " ".join(texts(figure).split())
    assert WHOSE[1:] in said
    assert BEHAVIOUR in said
    assert "Research use only" in said
    assert "Load of the experts in each block, of the whole image" in said
    choose(tmp_path / "plots.png")
    save(desk)
    picture = iio.imread(tmp_path / "plots.png")
    assert (picture[:3, :3] == 255).all()  # on white, whatever the theme


def test_what_is_folded_away_is_not_saved(
    desk: Desk, choose: Choose, tmp_path: Path
) -> None:
    choose(tmp_path / "plots.csv")
    save(desk)
    plots = {row["plot"] for row in rows_of(tmp_path / "plots.csv")}
    assert plots == {"load by block", "load by class"}
    desk.routing.tab.plots.fold.unfold()
    save(desk)
    plots |= {row["plot"] for row in rows_of(tmp_path / "plots.csv")}
    assert plots == {"load by block", "load by class", "cosine of the routers"}


def test_the_numbers_are_those_of_the_plots(
    desk: Desk, choose: Choose, tmp_path: Path
) -> None:
    choose(tmp_path / "plots.csv")
    save(desk)
    rows = rows_of(tmp_path / "plots.csv")
    assert {row["result"] for row in rows} == {WHOSE}
    assert all(BEHAVIOUR in row["note"] for row in rows)
    cup = [row for row in rows if row["class"] == "cup"]
    # The cup lies in the first token, which expert 3 shares with expert 4.
    assert [row["value"] for row in cup] == ["0", "0", "0", "0.71", "0.29"]
    assert {row["of"] for row in cup} == {"the whole image, mask as it was made"}
    assert {row["block"] for row in cup} == {"3"}
    by_block = [row for row in rows if row["plot"] == "load by block"]
    assert len(by_block) == N_BLOCKS * N_EXPERTS
    one = next(r for r in by_block if (r["block"], r["expert"]) == ("2", "3"))
    assert float(one["value"]) == pytest.approx(0.29 / 9, abs=1e-6)


def test_a_class_that_is_not_there_is_blank(
    desk: Desk, choose: Choose, tmp_path: Path
) -> None:
    mask = desk.viewer.layers["retina / mask"]
    mask.data = np.where(mask.data == 2, 1, mask.data)
    desk.settle()
    choose(tmp_path / "plots.csv")
    save(desk)
    cup = [r for r in rows_of(tmp_path / "plots.csv") if r["class"] == "cup"]
    assert {row["value"] for row in cup} == {""}
    assert {row["of"] for row in cup} == {"the whole image, painted mask"}


@pytest.mark.parametrize(("kind", "suffix"), [("SVG (*.svg)", ".svg"), ("", ".png")])
def test_a_name_without_an_ending_gets_the_chosen_kinds(
    desk: Desk, choose: Choose, tmp_path: Path, kind: str, suffix: str
) -> None:
    choose(tmp_path / "plots", kind)
    save(desk)
    assert [path.name for path in tmp_path.iterdir()] == [f"plots{suffix}"]


def test_a_file_that_the_dialog_did_not_know_of_is_asked_for(
    desk: Desk, choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plots.png").write_text("mine")
    choose(tmp_path / "plots")
    for answer in (QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes):
        assert (tmp_path / "plots.png").read_bytes() == b"mine"
        monkeypatch.setattr(QMessageBox, "question", lambda *_, a=answer: a)
        save(desk)
    assert (tmp_path / "plots.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_written_is_told_and_leaves_nothing(
    desk: Desk,
    choose: Choose,
    tmp_path: Path,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose("")
    save(desk)
    assert notifications == []
    choose(tmp_path / "plots.jpg")
    save(desk)
    assert "ends in .png, .svg, .pdf" in notifications[0].message
    (tmp_path / "file").write_text("no folder")
    choose(tmp_path / "file" / "plots.png")
    save(desk)
    assert "plots.png cannot be saved in" in notifications[1].message
    monkeypatch.setattr(plot_files, "drawn", lambda _: Broken())
    choose(tmp_path / "plots.png")
    save(desk)
    assert "No space left" in notifications[2].message
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_plots_are_drawn_and_written_aside(
    desk: Desk, choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, draw = set(), plot_files.drawn

    def noted(shown: ShownPlots) -> object:
        threads.add(threading.get_ident())
        return draw(shown)

    monkeypatch.setattr(plot_files, "drawn", noted)
    choose(tmp_path / "plots.pdf")
    desk.segment.gate.clear()
    desk.click_segment()  # a run does not stand in the way
    desk.click(desk.routing.tab.plots.save_button)
    desk.qtbot.waitUntil(lambda: not desk.dock.work.is_at_files)
    assert desk.segmenting.run.is_busy
    assert (tmp_path / "plots.pdf").read_bytes().startswith(b"%PDF")
    assert threads
    assert threading.get_ident() not in threads
    desk.segment.gate.set()
    desk.wait_until_idle()


class Broken:
    """A figure whose file does not fit on the disk."""

    def savefig(self, path: Path, **_: object) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")


def test_an_intervention_is_named_in_what_is_saved(desk: Desk) -> None:
    from napari_dmoe.inference.results.provenance import ControlRecord

    session = desk.routing.plots._session
    made = session.result_of(session.image).segmentation
    record = made.provenance.model_copy(
        update={"experts": ControlRecord(mute=((None, 1),))}
    )
    object.__setattr__(made, "provenance", record)
    desk.routing.plots.show()
    assert shown(desk).note.startswith("Model changed: expert 1 muted")
