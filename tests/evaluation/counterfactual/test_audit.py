"""A cohort audited by a tiny model: its files, and how it goes on after a kill."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from audits import lively, tiny_cohort, trained_on

import napari_dmoe
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.evaluation.counterfactual.audit import PART, audit
from napari_dmoe.evaluation.counterfactual.audit_files import (
    FILES,
    audit_summary,
    read_atlas,
    read_audited,
)
from napari_dmoe.evaluation.counterfactual.audited import AuditError
from napari_dmoe.evaluation.counterfactual.parts import PARTS
from napari_dmoe.evaluation.counterfactual.settings import AuditSettings
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.inference.results.provenance import RESEARCH_ONLY
from napari_dmoe.inference.results.replacing import ExistingFileError
from napari_dmoe.inference.what_if.sweep_result import BEHAVIOUR
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Progress, ProgressHook

Checkpoint = Callable[..., Path]
CPU = AuditSettings(device="cpu")


@pytest.fixture
def race(tiny_checkpoint: Checkpoint) -> LoadedModel:
    return lively(load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race"))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return tiny_cohort(tmp_path / "cohort", PART + 2)


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: other tests do, and it takes longer than all else here."""
    monkeypatch.setattr(
        "napari_dmoe.evaluation.counterfactual.pictures.save_atlas",
        lambda path, *_: path.write_bytes(b"a picture"),
    )


def contents(folder: Path) -> dict[str, object]:
    """Return the files of an audit, without the date in them."""
    found: dict[str, object] = {}
    for name in FILES:
        found[name] = (folder / name).read_bytes()
    stated = json.loads((folder / "audit.json").read_text("utf-8"))
    stated["facts"].pop("made_at")
    return found | {"audit.json": stated}


def test_an_audit_is_read_back_as_it_was(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    found = audit(race, cohort, tmp_path / "out", settings=CPU)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(FILES)
    read = read_audited(tmp_path / "out")
    assert read.facts == found.facts
    assert read.summary == found.summary
    for ours, theirs in zip(read, found, strict=True):
        assert repr(ours.sweeps) == repr(theirs.sweeps)  # NaN is not like itself
        assert ours.patient.known()["sex"] == theirs.patient.known()["sex"]
        assert (ours.id, ours.subject) == (theirs.id, theirs.subject)
    assert read_audited(tmp_path / "out" / "audit.csv").facts == found.facts
    atlas = read_atlas(tmp_path / "out")
    loads = atlas.load_matrix("race", "Black")
    np.testing.assert_allclose(loads.sum(1), 1, atol=1e-4)
    assert napari_dmoe.read_audited is read_audited


def test_the_table_has_a_row_for_each_case_value_and_region(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    audit(race, cohort, tmp_path / "out", settings=CPU)
    with (tmp_path / "out" / "audit.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(cohort) * 4 * 3
    first = rows[0]
    assert (first["id"], first["attribute"], first["region"]) == (
        "eye-0",
        "race",
        "rim",
    )
    kinds = [row["kind"] for row in rows if row["region"] == "rim"]
    assert kinds[:4] == ["own", "other", "other", "mixture"]
    # The fourth case's race is not known: it has no value of its own.
    assert kinds[12:16] == ["other", "other", "other", "mixture"]


def test_every_export_says_that_it_is_no_biology(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    found = audit(race, cohort, tmp_path / "out", settings=CPU)
    assert found.sentences[-2:] == (BEHAVIOUR, RESEARCH_ONLY)
    summary = audit_summary(tmp_path / "out")
    assert summary is not None
    assert summary["sentences"][-2:] == [BEHAVIOUR, RESEARCH_ONLY]
    assert audit_summary(tmp_path) is None


def stops_at(share: float) -> ProgressHook:
    """Return a hook that stops an audit once so much of it is done."""

    def hook(step: Progress) -> None:
        if step.fraction >= share:
            raise Cancelled

    return hook


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_what_was_stopped_and_gone_on_with_gives_the_same_files(
    tmp_path: Path, race: LoadedModel, cohort: Cohort, share: float
) -> None:
    whole, again = tmp_path / "whole", tmp_path / "again"
    audit(race, cohort, whole, settings=CPU)
    with pytest.raises(Cancelled):
        audit(race, cohort, again, settings=CPU, progress=stops_at(share))
    audit(race, cohort, again, settings=CPU, resume=True)
    assert contents(again) == contents(whole)
    assert not (again / PARTS).exists()


def test_parts_that_are_done_are_not_done_again(
    tmp_path: Path, race: LoadedModel, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(
        "napari_dmoe.evaluation.counterfactual.audit.write_audited", _fails
    )
    with pytest.raises(OSError, match="full"):
        audit(race, cohort, out, settings=CPU)
    monkeypatch.undo()
    monkeypatch.setattr(
        "napari_dmoe.evaluation.counterfactual.running.PartRunner.run", _fails
    )
    found = audit(race, cohort, out, settings=CPU, resume=True)
    assert len(found) == len(cohort)


@pytest.mark.parametrize("name", FILES)
def test_what_was_killed_while_it_was_written_is_gone_on_with(
    tmp_path: Path,
    race: LoadedModel,
    cohort: Cohort,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    whole, again = tmp_path / "whole", tmp_path / "again"
    audit(race, cohort, whole, settings=CPU)
    module = "napari_dmoe.evaluation.counterfactual.audit"

    def killed(folder: Path, *_: object) -> None:
        for each in FILES[: FILES.index(name) + 1]:
            (folder / each).write_text("from before")
        raise OSError("killed")

    monkeypatch.setattr(f"{module}.write_audited", killed)
    with pytest.raises(OSError, match="killed"):
        audit(race, cohort, again, settings=CPU)
    monkeypatch.undo()
    monkeypatch.setattr(
        "napari_dmoe.evaluation.counterfactual.pictures.save_atlas",
        lambda path, *_: path.write_bytes(b"a picture"),
    )
    with pytest.raises(ExistingFileError, match=r"not finished.*--resume"):
        audit(race, cohort, again, settings=CPU)
    audit(race, cohort, again, settings=CPU, resume=True)
    assert contents(again) == contents(whole)
    assert not (again / PARTS).exists()


def _fails(*_: object, **__: object) -> None:
    raise OSError("full")


def test_another_inquiry_does_not_take_over_what_was_done(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    out, other = tmp_path / "out", CPU.model_copy(update={"batch": 3})
    with pytest.raises(Cancelled):
        audit(race, cohort, out, settings=CPU, progress=stops_at(0.6))
    audit(race, cohort, out, settings=other, resume=True)
    audit(race, cohort, tmp_path / "fresh", settings=other)
    assert contents(out) == contents(tmp_path / "fresh")


def test_progress_rises_to_the_end(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    told: list[float] = []
    audit(
        race,
        cohort,
        tmp_path / "out",
        settings=CPU,
        progress=lambda step: told.append(step.fraction),
    )
    assert told == sorted(told)
    assert told[-1] == 1


def test_an_earlier_audit_is_replaced_only_when_asked(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    out = tmp_path / "out"
    audit(race, cohort[:2], out, settings=CPU)
    with pytest.raises(ExistingFileError, match=r"earlier audit.*--overwrite"):
        audit(race, cohort[:2], out, settings=CPU)
    assert len(audit(race, cohort[:3], out, settings=CPU, overwrite=True)) == 3


def test_an_unfinished_audit_is_neither_lost_nor_taken_over_unasked(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        audit(race, cohort, out, settings=CPU, progress=stops_at(0.6))
    with pytest.raises(ExistingFileError, match=r"not finished.*--resume"):
        audit(race, cohort, out, settings=CPU)
    audit(race, cohort, out, settings=CPU, overwrite=True)


def test_an_image_that_cannot_be_read_stops_no_other(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    cohort.rows[1].image.write_bytes(b"no image")
    found = audit(race, cohort, tmp_path / "out", settings=CPU)
    assert [case.status for case in found][:3] == ["audited", "failed", "audited"]
    assert found.facts.n_audited == len(cohort) - 1
    assert "cannot be read" in found[1].said
    assert any("cannot be read" in notice for notice in found.facts.notices)


def test_a_truth_that_does_not_fit_is_told_and_stops_no_other(
    tmp_path: Path, race: LoadedModel
) -> None:
    cohort = tiny_cohort(tmp_path / "cohort", 2)
    other = tiny_cohort(tmp_path / "other", 1, shape=(33, 48))
    ours, theirs = cohort.rows[0].labels, other.rows[0].labels
    assert ours is not None
    assert theirs is not None
    ours.write_bytes(theirs.read_bytes())
    found = audit(race, cohort, tmp_path / "out", settings=CPU)
    assert [case.status for case in found] == ["failed", "audited"]
    assert "pixels" in found[0].said
    assert found[1].has_truth


def test_a_value_that_the_model_does_not_know_is_taken_for_unknown_and_said(
    tmp_path: Path, race: LoadedModel
) -> None:
    cohort = tiny_cohort(
        tmp_path / "cohort", 2, patient_of=lambda _: Patient(race="Martian")
    )
    found = audit(race, cohort, tmp_path / "out", settings=CPU)
    assert [case.sweeps[0].own for case in found] == [None, None]
    assert any(
        "race is no value that the model knows" in n for n in found.facts.notices
    )


def test_a_model_with_a_single_router_is_refused_in_clear_words(
    tmp_path: Path, tiny_checkpoint: Checkpoint, cohort: Cohort
) -> None:
    card = ModelCard(name="one", title="One", classes=("background", "lesion"))
    single = load_checkpoint(tiny_checkpoint(1, 2), card=card)
    with pytest.raises(AuditError, match="a single router for everybody"):
        audit(single, cohort, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_trained_on_one_value_alone_is_refused(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    race = trained_on(race, "race", Asian=5, Black=0, White=0)
    with pytest.raises(AuditError, match="fewer than two of its values had training"):
        audit(race, cohort, tmp_path / "out")


def test_what_does_not_drive_the_model_cannot_be_swept(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    with pytest.raises(AuditError, match=r"sex does not drive this model.*race"):
        audit(race, cohort, tmp_path / "out", attributes=["sex"])


def test_several_drivers_are_each_swept(
    tmp_path: Path, tiny_checkpoint: Checkpoint, cohort: Cohort
) -> None:
    attributes = (
        CardAttribute(name="sex", values=("female", "male")),
        CardAttribute(name="age", values=("below 40", "from 40"), edges=(40,)),
    )
    card = ModelCard(
        name="two",
        title="Two",
        attributes=attributes,
        classes=("background", "rim", "cup"),
    )
    two = lively(load_checkpoint(tiny_checkpoint(4, 3), card=card))
    found = audit(two, cohort, tmp_path / "both", settings=CPU)
    assert [s.attribute for s in found[0].sweeps] == ["sex", "age"]
    one = audit(two, cohort, tmp_path / "one", settings=CPU, attributes=["Gender"])
    assert [s.attribute for s in one[0].sweeps] == ["sex"]
    assert repr(one[0].sweeps[0]) == repr(found[0].sweeps[0])
    assert "not swept: age, kept as each patient has it" in one.facts.notices


def test_cases_are_grouped_by_what_is_asked_for(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    found = audit(
        race, cohort, tmp_path / "out", settings=CPU, by={"age": (30.0, 50.0)}
    )
    names = [each["name"] for each in found.summary["groupings"]]
    assert names == ["race", "age"]
    ages = found.summary["groupings"][1]["groups"]
    assert [each["n"] for each in ages] == [2, 4, 4]
    with pytest.raises(MetricError, match="no case states"):
        audit(race, cohort, tmp_path / "no", settings=CPU, by={"shoe_size": None})


def test_batches_do_not_decide_what_is_found(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    def shares(batch: int) -> Iterable[float]:
        settings = AuditSettings(device="cpu", batch=batch)
        found = audit(race, cohort, tmp_path / f"{batch}", settings=settings)
        return [r.share for case in found for r in case.sweeps[0].regions]

    assert list(shares(1)) == pytest.approx(list(shares(32)), abs=0.02, nan_ok=True)


def test_reruns_widen_the_yardstick(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    shift = audit(race, cohort[:2], tmp_path / "shift", settings=CPU)
    settings = AuditSettings(device="cpu", reruns=True)
    both = audit(race, cohort[:2], tmp_path / "both", settings=settings)
    for one, two in zip(shift, both, strict=True):
        for before, after in zip(
            one.sweeps[0].regions, two.sweeps[0].regions, strict=True
        ):
            assert not after.yardstick < before.yardstick


def test_damaged_files_are_refused_with_their_names(
    tmp_path: Path, race: LoadedModel, cohort: Cohort
) -> None:
    out = tmp_path / "out"
    with pytest.raises(AuditError, match="holds no audit"):
        read_audited(tmp_path)
    audit(race, cohort[:2], out, settings=CPU)
    table = (out / "audit.csv").read_text("utf-8-sig")
    (out / "audit.csv").write_text(table.replace(",mixture,", ",mixed,", 1), "utf-8")
    with pytest.raises(AuditError, match=r"audit.csv, row \d+: a cell"):
        read_audited(out)
    (out / "audit.json").write_text('{"schema_version": 9}')
    with pytest.raises(AuditError, match="version 9"):
        read_audited(out)
    (out / "audit.json").write_text("{")
    with pytest.raises(AuditError, match="no JSON"):
        audit_summary(out)
