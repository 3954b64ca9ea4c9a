"""Sample data in a wheel and in a source tree, and the examples that use it."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from places import REPOSITORY

from napari_dmoe.phantoms.samples import sample_folder, sample_fundus

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


@pytest.mark.parametrize("number", range(3))
def test_each_sample_fundus_has_labels_spacing_and_a_patient(number: int) -> None:
    case = sample_fundus(number)
    assert case.patient.severity == ("healthy", "suspect", "glaucoma")[number]
    assert None not in (case.patient.sex, case.patient.race, case.patient.age)
    assert set(np.unique(case.labels.data)) == {0, 1, 2}
    assert case.image.unit == "mm"


def test_sample_data_says_where_it_comes_from() -> None:
    assert "invented" in (sample_folder("fundus") / "README.txt").read_text()
    assert "BSD-3-Clause" in (sample_folder("fundus").parent / "NOTICE").read_text()


def test_an_unknown_sample_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no sample 'moon'"):
        sample_folder("moon")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(example))
    assert capsys.readouterr().out
