"""Evaluations that were stopped or killed: gone on with, they end the same."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
from pathlib import Path

import pytest
from evaluation_runs import HOW, evaluate_skin, files_of, write_skin

from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating.case_table import read_evaluated
from napari_dmoe.evaluation.evaluating.evaluate import evaluate
from napari_dmoe.evaluation.evaluating.journal import JOURNAL, ResumeError
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.progress import Cancelled, Progress

DRIVERS = ("sex", "age")


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_checkpoint("skin-phantom")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_skin(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def expected(
    loaded: LoadedModel, table: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Return what a run that nobody stops writes."""
    out = tmp_path_factory.mktemp("whole")
    evaluate(loaded, open_cohort(table, drivers=DRIVERS), out, settings=HOW)
    return files_of(out)


def stopped(loaded: LoadedModel, table: Path, out: Path, at: float) -> list[float]:
    """Evaluate until so much is done, and then stop."""
    seen: list[float] = []

    def stop(step: Progress) -> None:
        seen.append(step.fraction)
        if step.fraction >= at:
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(
            loaded,
            open_cohort(table, drivers=DRIVERS),
            out,
            settings=HOW,
            progress=stop,
        )
    return seen


def test_stopped_and_gone_on_with_it_writes_the_same_files(
    loaded: LoadedModel, table: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    first = stopped(loaded, table, tmp_path, 0.4)
    assert first == sorted(first)
    again = stopped(loaded, table, tmp_path, 0.6)
    assert again[0] == 0
    n_cases = len(json.loads((tmp_path / JOURNAL).read_text().splitlines()[1])["cases"])
    assert n_cases == HOW.batch
    told = []
    cohort = open_cohort(table, drivers=DRIVERS)
    evaluate(loaded, cohort, tmp_path, settings=HOW, tell=told.append)
    assert 0 < len(told) < len(cohort)
    assert files_of(tmp_path) == expected


def test_a_torn_line_is_done_again(
    loaded: LoadedModel, table: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    stopped(loaded, table, tmp_path, 0.9)
    journal = tmp_path / JOURNAL
    n_lines = len(journal.read_bytes().splitlines())
    journal.write_bytes(journal.read_bytes()[:-40])
    told = []
    cohort = open_cohort(table, drivers=DRIVERS)
    evaluate(loaded, cohort, tmp_path, settings=HOW, tell=told.append)
    done_before = (n_lines - 2) * HOW.batch
    assert len(told) == len(cohort) - done_before
    assert files_of(tmp_path) == expected


def test_a_journal_that_was_torn_at_once_is_begun_anew(
    loaded: LoadedModel, table: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / JOURNAL).write_bytes(b'{"version": 1, "inq')
    evaluate(loaded, open_cohort(table, drivers=DRIVERS), tmp_path, settings=HOW)
    assert files_of(tmp_path) == expected


def test_other_settings_do_not_go_on_with_it(
    loaded: LoadedModel, table: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    stopped(loaded, table, tmp_path, 0.5)
    other = HOW.model_copy(update={"convention": "reference"})
    cohort = open_cohort(table, drivers=DRIVERS)
    with pytest.raises(ResumeError, match="another cohort, model or settings"):
        evaluate(loaded, cohort, tmp_path, settings=other)
    with pytest.raises(ResumeError, match="another cohort"):
        evaluate(loaded, cohort[:3], tmp_path, settings=HOW)
    with pytest.raises(ResumeError, match="another cohort"):
        evaluate(load_checkpoint("fundus-phantom"), cohort, tmp_path, settings=HOW)
    evaluate(loaded, cohort, tmp_path, settings=HOW, overwrite=True)
    assert files_of(tmp_path) == expected


def test_a_mask_that_was_painted_on_since_is_another_cohort(
    loaded: LoadedModel, table: Path, tmp_path: Path
) -> None:
    own = tmp_path / "cohort"
    shutil.copytree(table.parent, own)
    out = tmp_path / "out"
    stopped(loaded, own / "cohort.csv", out, 0.5)
    mask = own / "im6_mask.png"
    mask.write_bytes((own / "im2_mask.png").read_bytes())
    cohort = open_cohort(own / "cohort.csv", drivers=DRIVERS)
    with pytest.raises(ResumeError):
        evaluate(loaded, cohort, out, settings=HOW)


def test_what_is_whole_is_read_or_refused(
    loaded: LoadedModel, table: Path, tmp_path: Path
) -> None:
    cohort = open_cohort(table, drivers=DRIVERS)[:2]
    first = evaluate(loaded, cohort, tmp_path, settings=HOW)
    again = evaluate(loaded, cohort, tmp_path, settings=HOW)
    assert again.facts == first.facts
    with pytest.raises(ResumeError, match="holds another evaluation"):
        evaluate(loaded, cohort, tmp_path, settings=HOW, keep_whole=False)
    other = HOW.model_copy(update={"metrics": ("dice",)})
    with pytest.raises(ResumeError, match="holds another evaluation"):
        evaluate(loaded, cohort, tmp_path, settings=other)


def test_it_is_gone_on_with_from_another_folder_and_by_the_table_of_now(
    loaded: LoadedModel,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, elsewhere = tmp_path / "own", tmp_path / "elsewhere"
    shutil.copytree(table.parent, own / "cohort")
    elsewhere.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(own)
        stopped(loaded, Path("cohort/cohort.csv"), Path("out"), 0.5)
    there = own / "cohort" / "cohort.csv"
    there.write_text(there.read_text().replace("lesion0", "lesion9"))
    moved = (own / "out").rename(own / "moved")
    monkeypatch.chdir(elsewhere)
    cohort = open_cohort(there, drivers=DRIVERS)
    found = evaluate(loaded, cohort, moved, settings=HOW)
    assert (moved / "evaluation.json").is_file()
    for case in (*found, *read_evaluated(moved)):
        for file in (case.image, case.labels, case.prediction):
            assert file is not None
            assert file.is_file()
    assert [case.subject for case in found] == [row.subject for row in cohort.rows]
    assert found[0].subject == "lesion9"


def test_results_that_are_replaced_are_gone_before_the_new_ones_are_there(
    loaded: LoadedModel, table: Path, tmp_path: Path
) -> None:
    cohort = open_cohort(table, drivers=DRIVERS)
    evaluate(loaded, cohort[:2], tmp_path, settings=HOW)

    def stop(step: Progress) -> None:
        if step.fraction >= 0.5:
            raise Cancelled

    how = {"settings": HOW, "overwrite": True, "progress": stop}
    with pytest.raises(Cancelled):
        evaluate(loaded, cohort, tmp_path, **how)
    assert not (tmp_path / "cases.csv").exists()
    assert not (tmp_path / "evaluation.json").exists()


def test_masks_of_somebody_else_are_not_replaced(
    loaded: LoadedModel, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "im0.tif").write_bytes(b"mine")
    cohort = open_cohort(table, drivers=DRIVERS)[:2]
    with pytest.raises(ResumeError, match="no masks of this evaluation"):
        evaluate(loaded, cohort, tmp_path, settings=HOW)
    assert (tmp_path / "masks" / "im0.tif").read_bytes() == b"mine"


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.full)])
def test_killed_at_random_moments_it_ends_the_same(
    table: Path, expected: dict[str, bytes], tmp_path: Path, times: int
) -> None:
    spawn = multiprocessing.get_context("spawn")
    rng = random.Random(times)
    for _ in range(times):
        child = spawn.Process(target=evaluate_skin, args=(table, tmp_path))
        child.start()
        child.join(rng.uniform(1.0, 6.0))
        child.kill()
        child.join()
        if (tmp_path / "cases.csv").is_file() and not (tmp_path / JOURNAL).is_file():
            shutil.rmtree(tmp_path)  # it came to its end: kill a new one
    evaluate_skin(table, tmp_path)
    assert files_of(tmp_path) == expected
