"""Folders and tables of every kind are read as evaluated cohorts."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_dmoe.evaluation.evaluating.case_table import write_evaluated
from napari_dmoe.evaluation.reporting.reading import read_any, read_several
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.imaging.tables import write_table

from evaluations import make_evaluated  # isort: skip

PUBLISHED = Path(__file__).parents[2] / "data" / "published_results"


def series(folder: Path, **cells: str) -> Path:
    """Write the table of a series of two images, as segment leaves it."""
    rows = [
        {"id": name, "image": name, "file": f"{name}.png", "status": "segmented",
         "outcome": "segmented", "sex": sex, "model": "m.safetensors", **cells}
        for name, sex in (("a", "female"), ("b", "male"))
    ]  # fmt: skip
    write_table(folder / "segment.csv", rows)
    return folder


def test_our_own_folder_comes_before_published_files_in_it(tmp_path: Path) -> None:
    write_evaluated(tmp_path, make_evaluated(6))
    (tmp_path / "result_rim.csv").write_text("\nno,ID,Dice,IoU,Attr\n0,['a'],1,1,0,\n")
    assert len(read_any(tmp_path)) == 6


def test_a_series_is_read_where_it_tells_dice(tmp_path: Path) -> None:
    found = read_any(series(tmp_path, **{"lesion Dice": "0.5"}))
    assert found.facts.regions == ("lesion",)
    assert found.values("lesion", "dice").tolist() == [0.5, 0.5]
    assert [case.patient.sex for case in found] == ["female", "male"]
    assert any("run for" in notice for notice in found.facts.notices)


def test_a_series_without_dice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match="tells no Dice"):
        read_any(series(tmp_path))


def test_the_table_of_a_series_is_read_by_its_name_too(tmp_path: Path) -> None:
    series(tmp_path, **{"lesion Dice": "0.5"})
    assert len(read_any(tmp_path / "segment.csv")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "is no table to report"),
        ("", "is empty"),
        ("\n\n", "is empty"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text)
    with pytest.raises(MetricError, match=said):
        read_any(table)


def test_an_empty_folder_is_refused_by_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match=r"expected cases\.csv of evaluate"):
        read_any(tmp_path)


def test_no_path_is_refused() -> None:
    with pytest.raises(MetricError, match="name at least one folder or table"):
        read_several([])


def test_models_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_evaluated(tmp_path / name, make_evaluated(6))
    found = read_several([tmp_path / "one", tmp_path / "two"])
    assert [e.facts.title for e in found] == ["a model (one)", "a model (two)"]


def test_several_kinds_are_read_in_the_order_given(tmp_path: Path) -> None:
    write_evaluated(tmp_path, make_evaluated(6))
    files = [PUBLISHED / "fairseg" / f"result_{r}.csv" for r in ("rim", "cup")]
    found = read_several([files[0], tmp_path, files[1]])
    assert [e.facts.title for e in found] == ["fairseg", "a model"]
