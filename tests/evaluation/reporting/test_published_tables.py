"""Result files of the published test scripts are read as what they say."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.evaluation.reporting.published_tables import (
    read_published,
    title_of_folder,
)
from napari_dmoe.evaluation.reporting.reading import read_several
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.models.card_files import read_card

PUBLISHED = Path(__file__).parents[2] / "data" / "published_results"
HEADER = "\nno,ID,Dice,IoU,Attr\n"


def write(folder: Path, name: str = "result_rim.csv", rows: str = "") -> Path:
    path = folder / name
    path.write_text(HEADER + rows)
    return path


def test_rim_and_cup_of_a_folder_are_one_model() -> None:
    found = read_published(PUBLISHED / "fairseg")
    assert found.facts.regions == ("rim", "cup")
    assert len(found) == 18
    assert found[0].id == "data_25554"
    assert found[0].score("rim", "dice").value == 0.81  # type: ignore[union-attr]
    assert found[0].score("cup", "iou").value == 0.412  # type: ignore[union-attr]


def test_lesions_are_of_the_other_cohort() -> None:
    found = read_published(PUBLISHED / "ham10000")
    assert (found.facts.regions, found.facts.layout) == (("lesion",), "ham10000")
    assert found.facts.attributes[0].values == ("0", "1", "2", "3", "4")


def test_categories_are_values_by_number_where_no_card_names_them() -> None:
    found = read_published(PUBLISHED / "fairseg")
    values = {case.patient.value("category") for case in found}
    assert values == {"0", "1", "2"}
    assert any("--card names them" in notice for notice in found.facts.notices)


def test_a_card_names_the_categories() -> None:
    found = read_published(PUBLISHED / "fairseg", read_card("fairseg-race"))
    assert [c.patient.race for c in found][:3] == ["Asian", "Black", "White"]
    assert found.facts.drivers == ("race",)


def test_a_card_with_too_few_values_is_refused() -> None:
    with pytest.raises(MetricError, match=r"category 2.*only 2 values"):
        read_published(PUBLISHED / "fairseg", read_card("fairseg-sex"))


@pytest.mark.parametrize(
    ("row", "id_", "value"),
    [
        ("0,['a'],0.5,0.4,1,", "a", "1"),
        ("0,['a'],0.5,0.4,1", "a", "1"),  # as a spreadsheet saves it
        ("0,['a,b'],0.5,0.4,1,", "a,b", "1"),
        ('0,["it\'s"],0.5,0.4,1,', "it's", "1"),
        ("0,a,0.5,0.4,1.0,", "a", "1"),
        ("0,['a'],0.5,0.4,tensor([1]),", "a", "1"),
        ("0,['a'],0.5,0.4,-1,", "a", None),
        ("0,['a'],0.5,0.4,,", "a", None),
    ],
)
def test_rows_as_scripts_and_spreadsheets_write_them(
    tmp_path: Path, row: str, id_: str, value: str | None
) -> None:
    found = read_published(write(tmp_path, rows=row + "\n"))
    assert (found[0].id, found[0].patient.value("category")) == (id_, value)


def test_a_score_that_is_none_is_not_counted(tmp_path: Path) -> None:
    found = read_published(write(tmp_path, rows="0,['a'],nan,0.4,1,\n"))
    assert math.isnan(found.values("rim", "dice")[0])


def test_an_id_that_stands_twice_is_numbered_and_told(tmp_path: Path) -> None:
    found = read_published(
        write(tmp_path, rows="0,['a'],0.5,0.4,1,\n1,['a'],0.6,0.4,1,\n")
    )
    assert [case.id for case in found] == ["a", "a (2)"]
    assert any("more than once" in notice for notice in found.facts.notices)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "no row below its header"),
        ("0,['a'],0.5\n", "row 2: 3 cells, where 5 are expected"),
        ("0,['a'],high,0.4,1,\n", "row 2: a score is no number between 0 and 1"),
        ("0,['a'],1.5,0.4,1,\n", "row 2: a score is no number between 0 and 1"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    tmp_path: Path, rows: str, said: str
) -> None:
    with pytest.raises(MetricError, match=re.escape(said)):
        read_published(write(tmp_path, rows=rows))


def test_files_of_two_runs_are_not_taken_for_one(tmp_path: Path) -> None:
    write(tmp_path, rows="0,['a'],0.5,0.4,1,\n")
    write(tmp_path, "result_cup.csv", "0,['b'],0.5,0.4,1,\n")
    with pytest.raises(MetricError, match="other cases, another order"):
        read_published(tmp_path)


def test_another_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result_rim.csv"
    path.write_text("no,name,Dice\n0,a,0.5\n")
    with pytest.raises(MetricError, match="expected the header no,ID,Dice,IoU,Attr"):
        read_published(path)


def test_files_named_one_by_one_are_one_model() -> None:
    folder = PUBLISHED / "fairseg"
    found = read_several([folder / "result_cup.csv", folder / "result_rim.csv"])
    assert len(found) == 1
    np.testing.assert_array_equal(
        found[0].values("rim", "dice"), read_published(folder).values("rim", "dice")
    )


def test_a_model_is_called_by_the_folder_that_says_something() -> None:
    assert title_of_folder(Path("/runs/ours/published")) == "ours"
