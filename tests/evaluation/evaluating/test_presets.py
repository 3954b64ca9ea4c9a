"""The published test scripts, found again to the byte on cohorts that they were run on.

The cohorts, weights and result files are made up, and written by the published scripts
with the gating noise off.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating import presets
from napari_dmoe.evaluation.evaluating.case_table import read_evaluated
from napari_dmoe.evaluation.evaluating.evaluate import evaluate
from napari_dmoe.evaluation.evaluating.journal import ResumeError
from napari_dmoe.evaluation.evaluating.presets import (
    PRESETS,
    RunAs,
    evaluate_preset,
    load_for,
)
from napari_dmoe.evaluation.groups.table import es_sum
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import CheckpointError
from napari_dmoe.patient import Patient

FOLDERS = {"fairseg-test": "fairseg", "ham-test": "ham10000"}
DRIVERS = {"fairseg-test": "race", "ham-test": "age"}


@pytest.fixture(scope="module")
def published(data_folder):
    return data_folder / "published_test"


def run(name, cohort, weights, output, *, card=None, keep_whole=True, rows=None):
    preset = PRESETS[name]
    loaded, attribute, notices = load_for(preset, weights, card)
    opened = open_cohort(cohort, layout=preset.layout, list_file=preset.list_file)
    if rows is not None:
        opened = replace(opened, rows=rows(opened.rows))
    settings = preset.settings(device="cpu", keep_masks=False)
    return evaluate_preset(
        preset,
        loaded,
        attribute,
        opened,
        output,
        settings=settings,
        notices=notices,
        keep_whole=keep_whole,
    )


@pytest.fixture(scope="module", params=PRESETS)
def made(request, published, tmp_path_factory):
    """Return a preset's name, what was evaluated, its folder, and the published one."""
    name, output = request.param, tmp_path_factory.mktemp("preset")
    cohort = published / FOLDERS[name]
    evaluated = run(name, cohort, cohort / "weights.pth", output)
    return name, evaluated, output, cohort / "published"


def test_the_result_files_are_the_published_ones_byte_by_byte(made):
    name, _, output, published = made
    for file in PRESETS[name].files.values():
        assert (output / file).read_bytes() == (published / file).read_bytes()


def groups_of(name, evaluated):
    attribute = evaluated.facts.attributes[0]
    assert attribute.name == DRIVERS[name]
    return np.array([attribute.category_of(case.patient) for case in evaluated])


def test_means_and_fairness_of_the_groups_are_those_of_the_published_log(made):
    name, evaluated, _, published = made
    log = (published / "results.txt").read_text("utf-8")
    groups = groups_of(name, evaluated)
    for region in PRESETS[name].files:
        titles = rf"-+ {region.title().replace('Lesion', 'Lession')} {DRIVERS[name]}"
        values = [evaluated.values(region, metric) for metric in ("dice", "iou")]
        found = re.search(rf"{titles} - All.*-+\n(.+)\n", log)
        assert found is not None
        expected = [float(part) for part in found[1].split(" & ")]
        means = [[v[groups == g].mean() for g in np.unique(groups)] for v in values]
        overall = [float(v.mean()) for v in values]
        ours = [
            number
            for whole, parts in zip(overall, means, strict=True)
            for number in (float(es_sum(whole, parts)), whole)
        ]
        assert ours == pytest.approx(expected, abs=1e-3)
        said = re.findall(rf"{titles} - (\d) \(n=(\d+)\).*-+\n(\d.+)\n", log)
        assert len(said) == len(np.unique(groups))
        for group, n, numbers in said:
            assert int(n) == (groups == int(group)).sum()
            parts = [m[int(group)] for m in means]
            read = [float(part) for part in numbers.split(" & ")]
            assert parts == pytest.approx(read, abs=1e-3)


def test_what_the_preset_decides_is_recorded(made):
    name, evaluated, output, _ = made
    facts = read_evaluated(output).facts
    assert facts.preset == name
    assert (facts.convention, facts.scored_at) == ("reference", "network")
    assert f"fairseg-{DRIVERS[name]}" in facts.card or name == "ham-test"
    taken = [said for said in facts.notices if "no card is stated" in said]
    assert len(taken) == 1
    assert ("fairseg-language" in taken[0]) == (name == "fairseg-test")
    assert [case.id for case in evaluated] == [
        case.id for case in read_evaluated(output)
    ]


def test_a_preset_that_is_done_is_shown_again_and_written_alike(made, published):
    name, evaluated, output, _ = made
    cohort = published / FOLDERS[name]
    before = {path.name: path.read_bytes() for path in output.glob("*.csv")}
    again = run(name, cohort, cohort / "weights.pth", output)
    assert again.facts.notices == evaluated.facts.notices
    assert {path.name: path.read_bytes() for path in output.glob("*.csv")} == before
    with pytest.raises(ResumeError, match="holds another evaluation"):
        run(name, cohort, cohort / "weights.pth", output, keep_whole=False)


def test_killed_before_its_published_files_it_is_gone_on_with(
    published, tmp_path, monkeypatch
):
    cohort = published / "ham10000"
    call = ("ham-test", cohort, cohort / "weights.pth", tmp_path)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(presets, "write_published", killed)
        with pytest.raises(KeyboardInterrupt):
            run(*call)
    preset = PRESETS["ham-test"]
    loaded, _, _ = load_for(preset, cohort / "weights.pth")
    opened = open_cohort(cohort, layout=preset.layout, list_file=preset.list_file)
    how = preset.settings(device="cpu", keep_masks=False)
    with pytest.raises(ResumeError, match="was not finished, of another"):
        evaluate(loaded, opened, tmp_path, settings=how)
    run(*call, keep_whole=False)
    theirs = cohort / "published" / "result_all.csv"
    assert (tmp_path / theirs.name).read_bytes() == theirs.read_bytes()
    assert read_evaluated(tmp_path).facts.preset == "ham-test"
    (tmp_path / theirs.name).unlink()
    run(*call)
    assert (tmp_path / theirs.name).read_bytes() == theirs.read_bytes()


def test_weights_of_several_devices_are_the_same(published, tmp_path):
    cohort = published / "ham10000"
    state = torch.load(cohort / "weights.pth", weights_only=True)
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "weights.pth")
    run("ham-test", cohort, tmp_path / "weights.pth", tmp_path / "out")
    theirs = cohort / "published" / "result_all.csv"
    assert (tmp_path / "out" / theirs.name).read_bytes() == theirs.read_bytes()


def of_language(rows):
    return [row for row in rows if row.patient.known().get("language") is not None]


def test_an_unknown_language_is_left_out_as_published_and_said(published, tmp_path):
    cohort = published / "fairseg"
    everyone = open_cohort(cohort, list_file="test.txt").rows
    known = of_language(everyone)
    assert 0 < len(known) < len(everyone)

    def few(rows):
        unknown = [row for row in rows if row not in known]
        return (unknown[0], known[0], unknown[1], known[1])

    found = run(
        "fairseg-test",
        cohort,
        cohort / "weights.pth",
        tmp_path,
        card="fairseg-language",
        rows=few,
    )
    assert [case.id for case in found] == [known[0].id, known[1].id]
    table = (tmp_path / "result_rim.csv").read_text("utf-8").splitlines()[2:]
    (attribute,) = found.facts.attributes
    codes = [attribute.category_of(row.patient) for row in known[:2]]
    assert [line.split(",")[0] for line in table] == ["0", "1"]
    assert [int(line.split(",")[-2]) for line in table] == codes
    said = "2 of 4 cases state no language that the card knows: as in the published"
    assert any(said in notice for notice in found.facts.notices)


def test_an_unknown_race_is_run_for_the_last_router_and_said(published, tmp_path):
    cohort = published / "fairseg"

    def of(race):
        return lambda rows: tuple(RunAs(row, Patient(race=race)) for row in rows[:2])

    weights = cohort / "weights.pth"
    ours, theirs = (
        run("fairseg-test", cohort, weights, tmp_path / str(race), rows=of(race))
        for race in (None, "White")
    )
    assert [c.score("rim", "dice") for c in ours] == [
        c.score("rim", "dice") for c in theirs
    ]
    table = (tmp_path / "None" / "result_rim.csv").read_text("utf-8")
    assert [line.split(",")[-2] for line in table.splitlines()[2:]] == ["-1", "-1"]
    said = "for the last router, White, and Attr is -1"
    assert any(said in notice for notice in ours.facts.notices)
    # Whom they show stays what is recorded.
    assert all(case.patient.race is None for case in ours)
    assert all(case.patient.race is None for case in read_evaluated(tmp_path / "None"))


@pytest.mark.parametrize(
    ("preset", "card", "patient", "code"),
    [
        ("ham-test", "ham10000-sex", Patient(), 0),
        ("ham-test", "ham10000-sex", Patient(sex="male"), 1),
        ("ham-test", "ham10000-age", Patient(), -1),
        ("ham-test", "ham10000-age", Patient(age="60-79"), 3),
        ("ham-test", "ham10000-site", Patient(others={"body_site": "ear"}), None),
        ("ham-test", "ham10000-site", Patient(others={"body_site": "neck"}), 8),
        ("fairseg-test", "fairseg-sex", Patient(), -1),
        ("fairseg-test", "fairseg-language", Patient(), None),
        ("fairseg-test", "fairseg-age", Patient(), 0),
        # 60 years of 365 days, which the script counts, are 59.96 of 365.25.
        ("fairseg-test", "fairseg-age", Patient(age=21900 / 365.25), 1),
        ("fairseg-test", "fairseg-age", Patient(age=21899 / 365.25), 0),
    ],
)
def test_values_are_numbered_as_published(preset, card, patient, code):
    class Row:
        number = 2

    row = Row()
    row.patient = patient
    (driver,) = read_card(card).attributes
    assert presets._code(PRESETS[preset], driver, row) == code
    if code is not None:
        place = driver.category_of(presets._as_run(driver, patient, code))
        assert place == code % len(driver.values)


def test_what_does_not_fit_a_preset_is_refused_in_words(published, tmp_path):
    fairseg, ham = PRESETS["fairseg-test"], PRESETS["ham-test"]
    with pytest.raises(ValueError, match="goes by convention reference: found default"):
        ham.settings(convention="default")
    with pytest.raises(CheckpointError, match=r"classes rim, cup: the card .*'ham1"):
        load_for(fairseg, published / "ham10000" / "weights.pth", "ham10000-age")
    with pytest.raises(CheckpointError, match=r"has 3 routers, but .*--card"):
        load_for(ham, published / "fairseg" / "weights.pth")
    loaded, attribute, _ = load_for(ham, published / "ham10000" / "weights.pth")
    other = open_cohort(published / "fairseg", list_file="test.txt")
    with pytest.raises(CohortError, match="layout ham10000, but this cohort"):
        evaluate_preset(
            ham, loaded, attribute, other, tmp_path, settings=ham.settings()
        )


def test_a_value_that_is_kept_as_an_object_is_not_taken_for_unknown(
    published, tmp_path
):
    shutil.copytree(published / "fairseg", tmp_path / "cohort")
    archive = next((tmp_path / "cohort" / "FairSeg").glob("*.npz"))
    with np.load(archive) as stored:
        arrays = dict(stored)
    arrays["race"] = np.array(1, object)
    np.savez(archive, **arrays)
    with pytest.raises(CohortError, match="race is unknown"):
        run(
            "fairseg-test",
            tmp_path / "cohort",
            tmp_path / "cohort" / "weights.pth",
            tmp_path / "out",
        )


def test_a_constant_image_is_segmented_where_the_network_is_scored(published):
    loaded, _, _ = load_for(
        PRESETS["fairseg-test"], published / "fairseg" / "weights.pth"
    )
    image, patient = np.full((532, 560), 100, np.uint8), Patient(race="Black")
    at_network = segment(
        loaded, image, patient, settings=InferenceSettings(scored_at="network")
    )
    assert at_network.labels.any()  # as published
    assert not segment(loaded, image, patient).labels.any()


@pytest.mark.parametrize(("days", "code"), [(21_899, 0), (21_900, 1), (21_914, 1)])
def test_groups_count_years_as_the_published_script_does(days, code):
    preset = presets.preset_called("fairseg-test")
    counted = presets._counted(preset, Patient(age=days / 365.25))
    (age,) = read_card("fairseg-age").attributes
    assert age.category_of(counted) == code
