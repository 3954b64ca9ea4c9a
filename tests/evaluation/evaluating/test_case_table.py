"""An evaluated cohort that was written is read as it was."""

import math

import pytest
from evaluations import make_evaluated

from napari_dmoe.evaluation.evaluating.case_table import (
    CASES,
    read_evaluated,
    write_evaluated,
)
from napari_dmoe.evaluation.scoring.mask_pair import MetricError


def _same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


def test_what_is_written_is_read_as_it_was(tmp_path):
    made = make_evaluated(40)
    write_evaluated(tmp_path, made)
    read = read_evaluated(tmp_path)
    assert read.facts == made.facts
    assert [case.id for case in read] == [case.id for case in made]
    for before, after in zip(made, read, strict=True):
        assert after.patient == before.patient
        assert after.further == before.further
        assert after.subject == before.subject
        assert [(s.region, s.metric, s.presence) for s in after.scores] == [
            (s.region, s.metric, s.presence) for s in before.scores
        ]
        pairs = zip(before.scores, after.scores, strict=True)
        assert all(_same(one.value, two.value) for one, two in pairs)


def test_the_table_alone_is_read(tmp_path):
    write_evaluated(tmp_path, make_evaluated(5))
    table = (tmp_path / CASES).rename(tmp_path / "mine.csv")
    (tmp_path / "evaluation.json").unlink()
    read = read_evaluated(table)
    assert len(read) == read.facts.n_cases == 5
    assert read.facts.regions == ("rim", "cup")


def test_another_table_is_refused(tmp_path):
    table = tmp_path / "other.csv"
    table.write_text("image,age\na.png,30\n")
    with pytest.raises(MetricError, match="no table of evaluated cases"):
        read_evaluated(table)
