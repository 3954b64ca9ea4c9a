"""A finished series as its folder tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_dmoe.cohorts.series.finished import FinishedError, read_finished
from napari_dmoe.cohorts.series.rows import series_row
from napari_dmoe.cohorts.series.table import SeriesTable, read_rows, write_rows
from napari_dmoe.inference.masks.truth import RegionScore
from napari_dmoe.patient import Patient


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def row_of(name: str, **changed: object) -> dict[str, str]:
    files = {
        "labels": f"{name}.labels.tif",
        "record": f"{name}.labels.json",
        "truth": f"../masks/{name}.png",
        "source": f"study/images/{name}.png",
    }
    given: dict[str, object] = {
        "file": f"{name}.png",
        "patient": Patient(sex="F", age=63),
        "drivers": ("race",),
        "sizes": {"lesion (px)": "3"},
        "scores": (RegionScore("lesion", 0.5, 1 / 3, 1, 1),),
        "files": files,
        "further": {"dx": "nv"},
    }
    return series_row(name, "segmented", "done", **given | changed)  # type: ignore[arg-type]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder beside the images and the truth, all of them there."""
    for name in "ab":
        touch(tmp_path / "study" / "images" / f"{name}.png")
        touch(tmp_path / "masks" / f"{name}.png")
        touch(tmp_path / "out" / f"{name}.labels.tif")
        touch(tmp_path / "out" / f"{name}.labels.json")
    write_rows(tmp_path / "out" / "segment.csv", [row_of("a"), row_of("b")])
    return tmp_path / "out"


@pytest.mark.parametrize("given", ["folder", "table"])
def test_everything_is_found_by_its_path(out: Path, tmp_path: Path, given: str) -> None:
    found = read_finished({"folder": out, "table": out / "segment.csv"}[given])
    assert (found.folder, found.regions, found.notices) == (out, ("lesion",), ())
    row = found.rows[0]
    assert (row.id, row.file, row.status) == ("a", "a.png", "segmented")
    assert row.mask == out / "a.labels.tif"
    assert row.record == out / "a.labels.json"
    assert row.image == tmp_path / "study" / "images" / "a.png"
    assert row.truth == tmp_path / "masks" / "a.png"
    assert row.patient == Patient(sex="female", age=63)
    assert (row.dice("lesion"), row.dice("cup")) == (0.5, None)
    assert (row.cells["dx"], row.cells["race"]) == ("nv", "unknown")
    assert row.gone == ()


def test_what_is_gone_is_said(out: Path, tmp_path: Path) -> None:
    (out / "b.labels.tif").unlink()
    (tmp_path / "study" / "images" / "b.png").unlink()
    found = read_finished(out)
    assert found.rows[1].gone == ("labels", "source")
    assert (found.rows[1].mask, found.rows[1].image) == (None, None)
    assert found.notices == (
        "1 of 2 masks are not there any more",
        "1 of 2 images are not there any more",
    )


def test_folders_that_were_moved_together_are_found(out: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("out", "study", "masks"):
        (tmp_path / name).rename(moved / name)
    row = read_finished(moved / "out").rows[0]
    assert row.gone == ()
    assert row.image == moved / "study" / "images" / "a.png"


def test_a_failed_row_names_no_mask(out: Path) -> None:
    failed = series_row("c", "failed", "damaged", file="c.png")
    write_rows(out / "segment.csv", [row_of("a"), failed])
    row = read_finished(out).rows[1]
    assert (row.status, row.mask, row.gone) == ("failed", None, ())


def test_an_earlier_version_is_read(out: Path) -> None:
    (out / "segment.csv").write_text(
        "image,file,outcome,labels,lesion (px)\n"
        "a,a.png,segmented for sex female,a.labels.tif,3\n"
        "b,b.png,is damaged,,\n"
    )
    first, second = read_finished(out).rows
    assert (first.id, first.status, first.headline) == ("a", "segmented", "")
    assert first.record == out / "a.labels.json"
    assert (first.image, first.gone) == (None, ())
    assert (second.id, second.status) == ("b", "failed")
    assert first.patient == Patient()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no segment.csv"),
        (b"image,age\na.png,3\n", "no table of napari-dmoe"),
        (b"", "is empty"),
        (b"PK\x03\x04", "a spreadsheet's own file"),
    ],
)
def test_what_is_no_finished_series_is_refused(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "segment.csv").write_bytes(content)
    with pytest.raises(FinishedError, match=why):
        read_finished(tmp_path)


def test_nothing_of_a_patient_is_shown_by_accident(out: Path) -> None:
    shown = repr(read_finished(out).rows[0])
    assert "63" not in shown
    assert "a.png" not in shown


def test_text_that_a_spreadsheet_would_compute_goes_and_comes_back(out: Path) -> None:
    row = row_of("=1+1", further={"dx": "@SUM(A1)", "=1+2": "3"})
    write_rows(out / "segment.csv", [row])
    written = (out / "segment.csv").read_text()
    assert "'=1+1" in written
    assert "'=1+2" in written
    cells = read_finished(out).rows[0].cells
    assert cells == row
    write_rows(out / "segment.csv", [cells])
    assert (out / "segment.csv").read_text() == written


def test_thousands_of_rows_look_once_into_each_folder(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"i{n}" for n in range(8729)]
    for name in names[::1000]:
        touch(out / f"{name}.labels.tif")
        touch(tmp_path / "study" / "images" / f"{name}.png")
    write_rows(out / "segment.csv", [row_of(name) for name in names])
    looked: list[Path] = []
    real = Path.iterdir

    def counted(path: Path) -> object:
        looked.append(path)
        return real(path)

    monkeypatch.setattr(Path, "iterdir", counted)
    found = read_finished(out)
    assert len(found.rows) == 8729
    assert len(looked) == len(set(looked)) <= 3
    there = [row.id for row in found.rows if row.mask is not None]
    assert there == names[::1000]
    assert found.rows[1000].image is not None
    assert found.rows[1001].image is None


def test_long_tables_are_not_written_for_each_row(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    clock = iter(range(10**9))
    module = "napari_dmoe.cohorts.series.table"
    monkeypatch.setattr(
        f"{module}.write_rows", lambda _, rows: written.append(len(rows))
    )
    monkeypatch.setattr(f"{module}.perf_counter", lambda: float(next(clock)))
    table = SeriesTable(out.parent / "new")
    for n in range(1000):
        table.add(row_of(f"i{n}"))
    table.write()
    table.write()
    assert written[:200] == list(range(1, 201))
    assert 201 <= len(written) <= 300
    assert written[-1] == 1000


def test_rows_of_others_stay_with_their_columns(out: Path) -> None:
    table = SeriesTable(out)
    table.add(row_of("a", further={"site": "back"}, scores=()))
    header, rows = read_rows(out / "segment.csv")
    assert header[-2:] == ("site", "dx")
    assert [row["id"] for row in rows] == ["a", "b"]
    assert (rows[0]["lesion Dice"], rows[1]["lesion Dice"]) == ("", "0.5000")
    assert (rows[0]["dx"], rows[0]["site"], rows[1]["dx"]) == ("nv", "back", "nv")


def test_an_earlier_table_is_written_as_one_of_now(out: Path) -> None:
    (out / "segment.csv").write_text(
        "image,file,outcome,labels,lesion (px)\nb,b.png,segmented,b.labels.tif,3\n"
    )
    (out / "b.labels.json").write_text(json.dumps({}))
    SeriesTable(out).add(row_of("a"))
    header, rows = read_rows(out / "segment.csv")
    assert list(header) == list(row_of("a"))
    b = rows[1]
    assert (b["id"], b["status"], b["record"]) == ("b", "segmented", "b.labels.json")
    assert (b["lesion (px)"], b["lesion Dice"], b["model"]) == ("3", "", "")
