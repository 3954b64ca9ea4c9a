"""From a folder of photographs to a table with Dice, the worst ones, and a correction.

The photographs are drawn, and written as ISIC publishes them: images, masks and a table
that names no path. The real model segments them in the real window, and the command
line does the same. ``benchmarks/two_hundred.py`` goes the same way on real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from cli_runs import run

from napari_dmoe.imaging.files import read_labels
from napari_dmoe.viewer.session.pictures import Filter
from two_hundred import (
    MODEL,
    N_WORST,
    SUMMARY,
    Person,
    rows_of,
    way_through,
    write_isic,
)

pytestmark = pytest.mark.gui

N = 20
SIZE = 72, 96


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_isic(tmp_path / "isic", N, SIZE)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def person(
    make_napari_viewer: Callable[..., napari.Viewer], monkeypatch: pytest.MonkeyPatch
) -> Person:
    monkeypatch.setenv("NAPARI_STRICT_QT", "raise")
    return Person(make_napari_viewer())


def test_five_clicks_and_two_dialogs_lead_to_a_table_with_dice_and_attributes(
    person: Person, table: Path, out: Path, tmp_path: Path
) -> None:
    published = table.read_bytes()
    person.choose_model(MODEL)
    person.read_table(table)
    plan = person.section.plan
    assert person.dialogs == 1  # shown before any folder is asked for
    assert list(out.iterdir()) == []
    assert plan.title.text() == f"metadata.csv: {N + 1} rows"
    assert plan.start_button.text() == f"Segment {N} images…"
    assert "Truth found for all of them" in plan.found.text()
    assert "1 row without an image here" in plan.problems.text()
    person.segment(out)
    assert (person.clicks, person.dialogs) == (5, 2)
    assert table.read_bytes() == published
    rows = rows_of(out)
    assert list(rows) == [f"ISIC_{number:07}" for number in range(N)]
    for name, row in rows.items():
        assert (row["image"], row["status"]) == (name, "segmented")
        assert 0 <= float(row["lesion Dice"]) <= 1
        assert row["melanoma"] in ("0.0", "1.0")
        assert (row["truth"], row["source"]) == (
            f"../isic/masks/{name}.png",
            f"isic/images/{name}.png",
        )
    unknown, *known = rows.values()
    assert (unknown["sex"], unknown["age"]) == ("unknown", "unknown")
    assert {row["sex"] for row in known} <= {"female", "male"}
    assert all(row["age"].isdecimal() for row in known)
    assert "255" in person.section.found.summary.text()  # how the truth was read
    # The command line says the same of the same images.
    code, _, told = run("segment", table, "-c", MODEL, "-o", tmp_path / "again")
    assert code == 0
    assert "255" in told
    again = (tmp_path / "again" / SUMMARY).read_bytes()
    assert (out / SUMMARY).read_bytes() == again


def test_the_worst_are_looked_at_and_one_is_corrected(
    person: Person, table: Path, out: Path
) -> None:
    person.choose_model(MODEL)
    person.read_table(table)
    person.segment(out)
    rows, clicks = rows_of(out), person.clicks
    by_dice = sorted(rows, key=lambda name: float(rows[name]["lesion Dice"]))
    session, bar = person.session, person.tab.image.browse
    person.worst_first()
    assert session.pictures.filter is Filter.WORST
    for place, name in enumerate(by_dice[:N_WORST]):
        assert session.image.name == name
        assert person.seen == [name]
        assert bar.place_button.text() == f"{place + 1} of {N}"
        shown = [each.name for each in person.viewer.layers if each.visible]
        truth = f"{name} / truth"
        assert shown == [name, f"{name} / mask", truth, f"{truth}, outline"]
        assert session.truths.of(session.image).path.name == f"{name}.png"
        patient, sex = session.patient_of(session.image), rows[name]["sex"]
        assert str(patient.value("sex") or "unknown") == sex
        if place + 1 < N_WORST:
            person.next()
    assert person.clicks - clicks == N_WORST + 1
    person.paint()
    n_dialogs = person.dialogs
    person.save()
    assert person.dialogs == n_dialogs
    _is_up_to_date(person, out, rows)


def _is_up_to_date(
    person: Person, out: Path, before: dict[str, dict[str, str]]
) -> None:
    """Hold file, table on the disk and table in the window against the painted mask."""
    name, after = person.session.image.name, rows_of(out)
    painted = np.asarray(person.mask.data)
    truth = np.asarray(person.session.truths.of(person.session.image).labels.data) > 0
    row = after.pop(name)
    saved = np.asarray(read_labels(out / row["labels"]).data)
    np.testing.assert_array_equal(saved, painted)
    dice = 2 * np.sum(truth & (painted == 1)) / (truth.sum() + (painted == 1).sum())
    assert row["lesion Dice"] == f"{dice:.4f}"
    assert dice == 1 > float(before[name]["lesion Dice"])
    assert row["lesion (px)"] == str(np.count_nonzero(painted == 1))
    assert row["status"] == "corrected"
    assert row["melanoma"] == before[name]["melanoma"]
    assert after == {key: each for key, each in before.items() if key != name}
    shown = {each["id"]: each for each in person.section.rows}[name]
    assert (shown["status"], shown["lesion Dice"]) == ("corrected", f"{dice:.4f}")
    assert "1 corrected" in person.section.found.badge.text()


def test_the_benchmark_counts_the_same(
    person: Person, table: Path, out: Path, record_property: Callable[..., None]
) -> None:
    found = way_through(person, table, out)
    record_property("way through", str(found))
    assert found["clicks_to_the_table"] == 5
    assert found["dialogs_to_the_table"] == found["dialogs"] == 2
    assert (found["images"], found["corrected"]) == (N, 1)
    assert found["clicks"] == 5 + 1 + N_WORST + 1
