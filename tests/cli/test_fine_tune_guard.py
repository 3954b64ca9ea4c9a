"""``fine-tune --guard``: the table and the verdict, in the words of card and report."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import run
from training_cases import (
    CARD,
    PLAIN,
    SEVERITY,
    mixed_squares,
    square,
    tiny_model,
    weights,
)

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.weights import read_weights
from napari_dmoe.progress import Cancelled
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.tasks import guarded
from napari_dmoe.training.tasks.guard_option import guard_named
from napari_dmoe.training.tasks.task import TrainingTask, run_task

Tune = Callable[..., tuple[int, str, str]]

NOT_CHECKED = "Groups: not checked: there was no guard."


def people(n: int, first: int = 100) -> list[Case]:
    """Return squares of every severity that no training has seen, two of a subject."""
    return [
        replace(square(first + i, SEVERITY.values[i % 3]), subject=f"p{first + i // 6}")
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def trained() -> LoadedModel:
    """Return a model that finds squares: where nothing is found nothing gets worse."""
    settings = PLAIN.model_copy(update={"epochs": 20, "learning_rate": 1e-2})
    return fit(tiny_model(), mixed_squares(24), settings=settings).loaded


@pytest.fixture
def checkpoint(tmp_path: Path, trained: LoadedModel) -> Path:
    save_checkpoint(tmp_path / "start.safetensors", trained)
    return tmp_path / "start.safetensors"


@pytest.fixture
def tune(tmp_path: Path, checkpoint: Path) -> Tune:
    """Tune for an epoch; 30 others of ``guard`` guard it where they are named."""
    write_cohort(tmp_path / "cohort", mixed_squares(12))
    write_cohort(tmp_path / "guard", people(30))

    def begin(*options: object, output: str = "o") -> tuple[int, str, str]:
        given = (*options, "--output", tmp_path / output)
        if "--epochs" not in options and "--resume" not in options:
            given = (*given, "--epochs", 1)
        return run("fine-tune", checkpoint, tmp_path / "cohort", *given)

    return begin


def report_of(folder: Path) -> dict:
    return json.loads((folder / "guard.json").read_text())


def test_a_guard_is_measured_before_and_after_and_says_what_the_card_says(
    tmp_path: Path, tune: Tune
) -> None:
    code, out, told = tune("--guard", tmp_path / "guard", "--learning-rate", 0.01)
    assert code == 0, told
    first, sha, head, *rows, verdict = out.splitlines()
    assert "held-out Dice rim" in first
    assert sha.startswith("SHA-256 ")
    assert head.split() == ["group", "class", "n", "before", "after", "change"]
    assert [row.split()[:3] for row in rows if " rim " in row] == [
        ["all", "rim", "30"],
        ["severity=healthy", "rim", "10"],
        ["severity=suspect", "rim", "10"],
        ["severity=glaucoma", "rim", "10"],
    ]
    report = report_of(tmp_path / "o")
    assert verdict == f"Groups: {report['said']}"
    loaded = load_checkpoint(tmp_path / "o" / "model.safetensors")
    assert loaded.card.training.guard == report["said"]
    assert report["said"] in str(loaded.card.training.note)
    assert report["parent"] == load_checkpoint(tmp_path / "start.safetensors").sha256
    record = read_weights(tmp_path / "o/model.safetensors").header
    assert json.loads(record["napari-dmoe-training"])["tuning"] == report
    assert {r["before"] > 0.5 for r in report["guard"]} == {True}
    for row in report["guard"]:
        line = next(r for r in rows if r.split()[:2] == [row["group"], row["region"]])
        assert line.split()[3:5] == [f"{row['before']:.3f}", f"{row['after']:.3f}"]
    with (tmp_path / "o" / "guard.csv").open(encoding="utf-8-sig") as file:
        table = list(csv.DictReader(file))
    assert [(r["group"], r["class"]) for r in table] == [
        (r["group"], r["region"]) for r in report["guard"]
    ]


def test_the_scores_are_those_of_the_model_before_and_of_the_saved_one(
    tmp_path: Path, tune: Tune
) -> None:
    from napari_dmoe.cohorts.datasets import read_cohort
    from napari_dmoe.training.guarding.scores import score_cases

    assert tune("--guard", tmp_path / "guard", "--learning-rate", 0.03)[0] == 0
    first = report_of(tmp_path / "o")["guard"][0]
    for name, path in (("before", "start"), ("after", "o/model")):
        loaded = load_checkpoint(tmp_path / f"{path}.safetensors")
        cases = read_cohort(tmp_path / "guard")
        scored = score_cases(loaded, cases, attributes=())
        found = [s.dice["rim"] for s in scored]
        assert first[name] == pytest.approx(float(np.mean(found)))
    assert first["before"] > 0.5
    assert first["before"] != first["after"]


def test_without_a_guard_it_is_not_checked_in_the_same_words(
    tmp_path: Path, tune: Tune
) -> None:
    code, out, _ = tune()
    assert (code, out.splitlines()[-1]) == (0, NOT_CHECKED)
    card = load_checkpoint(tmp_path / "o" / "model.safetensors").card
    assert f"Groups: {card.training.guard}" == NOT_CHECKED
    assert not (tmp_path / "o" / "guard.json").exists()


def test_an_earlier_verdict_does_not_outlive_a_tuning_without_a_guard(
    tmp_path: Path, tune: Tune
) -> None:
    assert tune("--guard", tmp_path / "guard")[0] == 0
    earlier = tmp_path / "o" / "model.safetensors"
    again = ("--output", tmp_path / "again", "--epochs", 1)
    assert run("fine-tune", earlier, tmp_path / "cohort", *again)[0] == 0
    card = load_checkpoint(tmp_path / "again" / "model.safetensors").card
    assert f"Groups: {card.training.guard}" == NOT_CHECKED


def test_a_guard_that_is_the_training_set_checks_nothing(
    tmp_path: Path, tune: Tune
) -> None:
    code, out, told = tune("--guard", tmp_path / "cohort")
    assert code == 0
    assert "no group got worse" not in out + told
    assert out.splitlines()[-1].startswith("Groups: not checked: the guard is what was")
    # Before hours are spent, not after.
    assert told.index("cannot tell whether a group gets worse") < told.index("epoch 1")


def test_a_guard_without_a_group_says_so_beforehand_and_in_the_end(
    tmp_path: Path, tune: Tune
) -> None:
    write_cohort(tmp_path / "some", [c for c in people(45) if "g" not in said(c)])
    code, out, told = tune("--guard", tmp_path / "some")
    assert code == 0
    assert "not checked: the guard has no case of severity=glaucoma" in out
    assert told.index("no case of severity=glaucoma") < told.index("epoch 1")


def said(case: Case) -> str:
    return str(case.patient.severity)


def test_json_is_one_document_and_nothing_else(tmp_path: Path, tune: Tune) -> None:
    code, out, told = tune("--guard", tmp_path / "guard", "--json")
    assert code == 0
    facts = json.loads(out)
    path = tmp_path / "o" / "model.safetensors"
    assert facts["checkpoint"] == str(path)
    assert facts["sha256"] == load_checkpoint(path).sha256
    assert facts["held_out"]["of"] == "cases"
    assert set(facts["held_out"]["dice"]) == {"rim", "cup"}
    assert facts["report"] == report_of(tmp_path / "o")
    assert facts["said"] == facts["report"]["said"]
    assert facts["verdict"] == facts["report"]["verdict"]
    assert facts["notices"]
    assert "epoch 1" in told
    code, out, _ = tune("--json", output="without")
    facts = json.loads(out)
    assert (code, facts["verdict"]) == (0, "not checked")
    assert f"Groups: {facts['said']}" == NOT_CHECKED


def test_json_holds_in_a_process_of_its_own(
    tmp_path: Path, tune: Tune, checkpoint: Path
) -> None:
    command = [sys.executable, "-m", "napari_dmoe.cli", "fine-tune", checkpoint]
    command += [tmp_path / "cohort", "--output", tmp_path / "p", "--epochs", "1"]
    command += ["--guard", tmp_path / "guard", "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=300,
    )
    assert json.loads(done.stdout)["report"] == report_of(tmp_path / "p")
    assert "epoch 1" in done.stderr


def without_labels(folder: Path) -> None:
    table = folder / "cohort.csv"
    lines = table.read_text().splitlines()
    place = lines[0].split(",").index("labels")
    rows = [line.split(",") for line in lines]
    kept = [",".join(c for i, c in enumerate(row) if i != place) for row in rows]
    table.write_text("\n".join(kept) + "\n")


def with_odd_labels(folder: Path) -> None:
    import tifffile

    for path in (folder / "labels").iterdir():
        labels = tifffile.imread(path)
        tifffile.imwrite(path, np.where(labels > 0, 7, 0).astype(np.uint8))


def without_images(folder: Path) -> None:
    shutil.rmtree(folder / "images")


def spoilt(folder: Path) -> None:
    (folder / "images" / "00003.tif").write_bytes(b"no image")


@pytest.mark.parametrize(
    "spoil", [without_labels, with_odd_labels, without_images, spoilt, shutil.rmtree]
)
@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_a_guard_that_cannot_be_used_is_told_before_anything_is_written(
    tmp_path: Path, tune: Tune, spoil: Callable[[Path], None], options: list[str]
) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "notes.txt").write_text("of a person")
    if options:
        assert tune("--guard", tmp_path / "guard", "--overwrite")[0] == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "o").iterdir()}
    spoil(tmp_path / "guard")
    code, out, told = tune("--guard", tmp_path / "guard", *options)
    assert (code, out) == (2, ""), told
    assert "epoch" not in told
    assert told.startswith("napari-dmoe: ")
    assert told.count("\n") == 1
    assert {p.name: p.read_bytes() for p in (tmp_path / "o").iterdir()} == before


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        ("phantoms", "tiny was not trained on phantoms"),
        ("phantoms:60", "tiny was not trained on phantoms"),
        ("", "--guard is blank"),
        ("nowhere", "there is no cohort at nowhere"),
    ],
)
def test_a_guard_that_is_none_is_told(tune: Tune, guard: str, words: str) -> None:
    code, _, told = tune("--guard", guard)
    assert (code, words in told) == (2, True), told


def test_the_word_for_phantoms_is_no_folder(
    tmp_path: Path, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "guard").rename(tmp_path / "phantoms")
    monkeypatch.chdir(tmp_path)
    code, _, told = tune("--guard", "phantoms")
    assert (code, "is a file or folder here, and also stands for" in told) == (2, True)
    assert tune("--guard", tmp_path / "phantoms")[0] == 0
    assert tune("--guard", "./phantoms", output="b")[0] == 0


@pytest.mark.parametrize("number", ["0", "-3", "many", "", "1e3", "999999"])
def test_a_number_of_phantoms_that_cannot_be_is_told(
    number: str,
) -> None:
    card = load_checkpoint("skin-phantom").card
    with pytest.raises(TrainingError, match="expected a number from 1 to 5,000"):
        guard_named(f"phantoms:{number}", card)
    assert guard_named("phantoms:61", card).n == 61


def test_stopped_while_it_measures_is_130_and_goes_on_with_the_same_scores(
    tmp_path: Path, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune("--guard", tmp_path / "guard", "--epochs", 2, output="whole")[1]
    score, n = guarded.Guarding.score, []

    def second(*positional: object, **named: object) -> object:
        n.append(1)
        if len(n) == 2:
            raise Cancelled
        return score(*positional, **named)

    with monkeypatch.context() as patched:
        patched.setattr(guarded.Guarding, "score", second)
        code, out, told = tune("--guard", tmp_path / "guard", "--epochs", 2)
    assert (code, out) == (130, "")
    assert "stopped; go on with --resume" in told
    assert not (tmp_path / "o" / "model.safetensors").exists()
    n.clear()
    monkeypatch.setattr(guarded.Guarding, "score", counted(score, n))
    code, out, told = tune("--resume")
    assert code == 0, told
    assert len(n) == 1  # after; what it scored before was kept
    assert out.splitlines()[2:] == whole.splitlines()[2:]
    first, second_ = (
        load_checkpoint(tmp_path / name / "model.safetensors")
        for name in ("whole", "o")
    )
    assert weights(first).equal(weights(second_))


def counted(score: Callable[..., object], n: list[int]) -> Callable[..., object]:
    def found(*positional: object, **named: object) -> object:
        n.append(1)
        return score(*positional, **named)

    return found


def test_stopped_while_it_measures_before_changes_nothing(
    tmp_path: Path, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise Cancelled

    monkeypatch.setattr(guarded.Guarding, "score", stopped)
    code, _, told = tune("--guard", tmp_path / "guard")
    assert (code, "nothing was saved or changed" in told) == (130, True)
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_while_the_guard_is_measured_ends_with_130(
    tmp_path: Path, checkpoint: Path
) -> None:
    cohort = write_cohort(tmp_path / "cohort", mixed_squares(12)).parent
    guard = write_cohort(tmp_path / "guard", people(200)).parent
    command = [sys.executable, "-m", "napari_dmoe.cli", "fine-tune", checkpoint]
    command += [cohort, "--output", tmp_path / "o", "--epochs", "1", "--guard", guard]
    with subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        until = time.monotonic() + 120
        while not (tmp_path / "o" / "last.safetensors").exists():
            assert time.monotonic() < until
            assert child.poll() is None, child.communicate()
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        out, told = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, ""), told
    assert "stopped; go on with --resume" in told
    assert not (tmp_path / "o" / "model.safetensors").exists()


def test_another_guard_is_measured_anew_and_told(tmp_path: Path, tune: Tune) -> None:
    write_cohort(tmp_path / "others", people(33, first=500))
    assert tune("--guard", tmp_path / "guard", "--epochs", 2)[0] == 0
    code, out, told = tune("--resume", "--guard", tmp_path / "others")
    assert code == 0, told
    assert "the guard is not that of the beginning: it was measured anew" in told
    assert ["all", "rim", "33"] in [line.split()[:3] for line in out.splitlines()]
    # Other pictures under the same names are other cases as well.
    shutil.rmtree(tmp_path / "guard")
    write_cohort(tmp_path / "guard", people(33, first=900))
    code, out, told = tune("--resume", "--guard", tmp_path / "guard")
    assert (code, "measured anew" in told) == (0, True)


def test_a_guard_can_come_later(tmp_path: Path, tune: Tune) -> None:
    assert tune("--epochs", 2)[1].splitlines()[-1] == NOT_CHECKED
    code, late, told = tune("--resume", "--guard", tmp_path / "guard")
    assert code == 0, told
    early = tune("--guard", tmp_path / "guard", "--epochs", 2, output="early")[1]
    assert late.splitlines()[2:] == early.splitlines()[2:]


def test_a_guard_is_not_measured_anew_with_another_model(
    tmp_path: Path, tune: Tune, checkpoint: Path
) -> None:
    assert tune()[0] == 0
    checkpoint.unlink()
    save_checkpoint(checkpoint, tiny_model(seed=5))
    code, _, told = tune("--resume", "--guard", tmp_path / "guard")
    assert (code, "is not the one that this training started from" in told) == (2, True)


def test_damaged_scores_are_measured_anew(tmp_path: Path, tune: Tune) -> None:
    whole = tune("--guard", tmp_path / "guard")[1]
    for text in ("{", "[]", '{"schema_version": 1, "cases": "x", "scores": [{}]}'):
        (tmp_path / "o" / "before.json").write_text(text)
        code, out, told = tune("--resume")
        assert (code, out) == (0, whole), told


def test_a_mistake_is_told_before_the_guard_is_measured(
    tmp_path: Path, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded.Guarding, "score", None)
    for option in ("--train", "--device"):
        code, _, told = tune("--guard", tmp_path / "guard", option, "nonsense")
        assert (code, "nonsense" in told) == (2, True), told


@pytest.mark.parametrize("name", ["guard.json", "guard.csv", "before.json"])
def test_a_file_of_those_names_is_not_replaced_unasked(
    tmp_path: Path, tune: Tune, name: str
) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / name).write_text("not yours")
    code, _, told = tune("--guard", tmp_path / "guard")
    assert (code, f"{name} is there already" in told) == (2, True)
    assert (tmp_path / "o" / name).read_text() == "not yours"


def test_a_new_value_is_guarded_as_it_begins_and_as_it_became(
    tmp_path: Path, tune: Tune, checkpoint: Path
) -> None:
    write_cohort(tmp_path / "new", [square(i, "absolute") for i in range(8)])
    guard = [*people(30), *(square(300 + i, "absolute") for i in range(10))]
    write_cohort(tmp_path / "all", guard)
    code, out, told = run(
        *("fine-tune", checkpoint, tmp_path / "new", "--output", tmp_path / "o"),
        *("--new-value", "severity=absolute", "--guard", tmp_path / "all"),
        *("--epochs", 1, "--learning-rate", 0.1),
    )
    assert code == 0, told
    lines = [line.split() for line in out.splitlines() if " rim " in line]
    rows = {line[0]: line for line in lines}
    assert rows["severity=absolute"][2] == "10"
    # The new value's router alone learns: nobody else's masks change.
    for value in SEVERITY.values:
        assert float(rows[f"severity={value}"][3]) > 0.5
        assert rows[f"severity={value}"][3] == rows[f"severity={value}"][4]


def test_a_baseline_is_compared_with_the_model_that_it_was_made_of(
    tmp_path: Path, tune: Tune
) -> None:
    code, out, told = tune("--guard", tmp_path / "guard", "--mode", "single-router")
    assert code == 0, told
    assert "severity=glaucoma" in out


def test_two_members_measure_and_print_once(
    tmp_path: Path, tune: Tune, checkpoint: Path
) -> None:
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    program = "from napari_dmoe.cli import app; app()"
    options = ["--output", tmp_path / "two", "--epochs", 1, "--json"]
    done = subprocess.run(
        [
            *(*launched, "--nproc-per-node=2", "--no-python", sys.executable, "-c"),
            *(program, "fine-tune", str(checkpoint), str(tmp_path / "cohort")),
            *(*map(str, options), "--guard", str(tmp_path / "guard")),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"] == report_of(tmp_path / "two")


def test_a_guard_is_used_from_python(tmp_path: Path, tune: Tune) -> None:
    told: list[str] = []
    task = TrainingTask(
        kind="fine-tune",
        start=str(tmp_path / "start.safetensors"),
        cohort=tmp_path / "cohort",
        guard=str(tmp_path / "guard"),
        output=tmp_path / "o",
        settings={"epochs": 1},
    )
    outcome = run_task(task, on_notice=told.append)
    assert outcome.report is not None
    assert outcome.fitted.loaded.card.training.guard == outcome.report.said
    assert [notice[:10] for notice in told] == ["the guard:", "this guard"]
    assert told[1].endswith(outcome.report.reasons[0])
    assert told[0] in outcome.fitted.notices
    assert CARD.training.guard is None
    kept = weights(outcome.fitted.loaded)
    assert torch.equal(weights(load_checkpoint(outcome.path)), kept)
