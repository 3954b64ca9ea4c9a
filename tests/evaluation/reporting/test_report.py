"""Reports: the published figures, the form of the JSON, and what is not told."""

from __future__ import annotations

import csv
import errno
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from napari_dmoe.evaluation.reporting import report as report_module
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.report import ReportFiles, write_report
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.patient import Patient

from evaluations import make_evaluated, signed  # isort: skip

PUBLISHED = Path(__file__).parents[2] / "data" / "published_results"
QUICK = ReportOptions(
    n_resamples=20, by=("race",), metrics=("dice", "hd95"), n_worst=2, date="2026-01-02"
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    """Return a report as it is by default, which tests only read."""
    return write_report(make_evaluated(), tmp_path_factory.mktemp("r"), options=QUICK)


def document(files: ReportFiles) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files.json.read_text("utf-8"))
    return found


def region(files: ReportFiles, name: str, metric: str = "dice") -> dict[str, Any]:
    regions = document(files)["models"][0]["regions"]
    own: dict[str, Any] = next(
        r for r in regions if (r["region"], r["metric"]) == (name, metric)
    )
    return own


def logged(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the published log says of each region: ES, and groups' n and mean."""
    text = (folder / "results.txt").read_text()
    titles = {"Cup": "cup", "Rim": "rim", "Lession": "lesion"}
    found: dict[str, dict[str, Any]] = {}
    title = r"-+ (Cup|Rim|Lession) (?:race|age) - (All|\d+)(?: \(n=(\d+)\))?.*"
    pattern = title + r"\n([\d.& ]+)\n"
    for name, group, n, numbers in re.findall(pattern, text):
        values = [float(number) for number in numbers.split("&")]
        own = found.setdefault(titles[name], {"groups": {}})
        if group == "All":
            own["all"] = values
        else:
            own["groups"][group] = (int(n), *values)
    return found


@pytest.mark.parametrize("cohort", ["fairseg", "ham10000"])
def test_published_result_files_give_the_published_figures(
    tmp_path: Path, cohort: str
) -> None:
    files = write_report(
        PUBLISHED / cohort, tmp_path, options=ReportOptions(n_resamples=20)
    )
    said = logged(PUBLISHED / cohort)
    assert said
    for name, own in said.items():
        es_dice, dice, es_iou, iou = own["all"]
        for metric, es, mean, place in (
            ("dice", es_dice, dice, 1),
            ("iou", es_iou, iou, 2),
        ):
            found = region(files, name, metric)
            assert found["es_sum"] == pytest.approx(es, abs=0.001)
            assert found["mean"] == pytest.approx(mean, abs=0.001)
            groups = {g["value"]: g for g in found["groups"]}
            assert set(groups) == set(own["groups"])
            for group, values in own["groups"].items():
                assert groups[group]["n"] == values[0]
                assert groups[group]["mean"] == pytest.approx(values[place], abs=0.001)


def test_known_published_figures_stand_beside_and_others_are_null(
    tmp_path: Path,
) -> None:
    files = write_report(
        PUBLISHED / "fairseg", tmp_path, options=ReportOptions(n_resamples=20)
    )
    beside = document(files)["models"][0]["published"]
    assert [(p["region"], p["es_dice"], p["dice"]) for p in beside] == [
        ("rim", 0.743, None),
        ("cup", 0.832, None),
    ]
    assert all(p["is_second_hand"] and p["es_form"] == "es_sum" for p in beside)


def test_json_has_the_form_that_was_agreed(plain: ReportFiles) -> None:
    model = document(plain)["models"][0]
    assert model["name"] == "a model"
    own = region(plain, "rim")
    expected = {
        "region", "metric", "n", "mean", "es_sum", "es_std", "worst_group", "gap",
        "groups",
    }  # fmt: skip
    assert expected <= set(own)
    assert {"attribute", "value", "n", "mean", "low", "high"} <= set(own["groups"][0])
    assert own["attribute"] == "race"
    assert own["worst_group"] == "Black"
    assert 0 < own["es_sum"] < own["es_std"] < own["mean"]
    means = [g["mean"] for g in own["groups"] if g["attribute"] == "race"]
    assert own["gap"] == pytest.approx(max(means) - min(means))


def test_what_is_no_number_is_null(plain: ReportFiles) -> None:
    text = plain.json.read_text("utf-8")
    assert "NaN" not in text
    assert region(plain, "rim", "hd95")["es_sum"] is None


def test_the_worst_group_of_a_distance_is_the_largest(plain: ReportFiles) -> None:
    own = region(plain, "rim", "hd95")
    groups = [g for g in own["groups"] if g["attribute"] == own["attribute"]]
    assert own["worst_group"] == max(groups, key=lambda g: g["mean"])["value"]


def test_a_volume_error_has_means_and_no_worst_group(tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"metrics": ("rvd",)})
    files = write_report(signed(make_evaluated()), tmp_path / "r", options=options)
    own = region(files, "rim", "rvd")
    means = {g["value"]: g["mean"] for g in own["groups"] if g["mean"] is not None}
    assert min(means.values()) < -0.4
    assert [own["worst_group"], own["gap"], own["es_sum"]] == [None] * 3
    assert "worst" not in files.headlines[0]
    assert "worst for" not in files.html.read_text("utf-8")


def test_two_runs_write_the_same_bytes_but_for_the_date(tmp_path: Path) -> None:
    days = ("2026-01-02", "2027-11-12")
    first, second = (
        write_report(
            [make_evaluated(), make_evaluated(seed=2, title="other")],
            tmp_path / day,
            options=QUICK.model_copy(update={"date": day}),
        )
        for day in days
    )
    for name in ("html", "csv", "json"):
        texts = [getattr(files, name).read_bytes() for files in (first, second)]
        plain = [t.replace(d.encode(), b"") for t, d in zip(texts, days, strict=True)]
        assert plain[0] == plain[1]
    assert first.csv.read_bytes() == second.csv.read_bytes()


def test_cases_are_called_by_number(plain: ReportFiles) -> None:
    for path in (plain.html, plain.csv, plain.json):
        text = path.read_text("utf-8")
        assert "case-0" not in text
        assert "patient-" not in text
    assert document(plain)["models"][0]["worst"][0]["case"].startswith("case 0")


def test_identifiers_are_told_where_they_are_asked_for(tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"identifiers": True})
    files = write_report(make_evaluated(), tmp_path, options=options)
    assert "case-0" in files.html.read_text("utf-8")
    assert any("holds the identifiers" in notice for notice in files.notices)


def test_no_path_and_no_day_is_told(tmp_path: Path) -> None:
    found = make_evaluated()
    facts = found.facts.model_copy(
        update={
            "model": "/home/anna/model.safetensors",
            "made_at": "2020-05-06T07:08:09",
            "notices": ("read from /home/anna/scans/x.png",),
        }
    )
    files = write_report(replace(found, facts=facts), tmp_path, options=QUICK)
    for path in (files.html, files.json):
        text = path.read_text("utf-8")
        assert "anna" not in text
        assert "2020-05" not in text
    assert "model.safetensors" in files.html.read_text("utf-8")


NASTY = "<img src=x onerror=alert(1)>"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    found = make_evaluated(title=NASTY, regions=(NASTY,))
    cases = [
        replace(case, patient=Patient(race=f"{NASTY}\"'{number % 2}"))
        for number, case in enumerate(found)
    ]
    options = QUICK.model_copy(update={"title": NASTY, "by": ("race",)})
    files = write_report(replace(found, cases=tuple(cases)), tmp_path, options=options)
    page = _Tags()
    page.feed(files.html.read_text("utf-8"))
    assert not [tag for tag, _ in page.tags if tag in ("script", "iframe", "link")]
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert [a for tag, a in page.tags if tag == "svg"]
    assert not [a for tag, a in page.tags if tag == "img"]


def test_nothing_on_the_page_comes_from_elsewhere(plain: ReportFiles) -> None:
    page = plain.html.read_text("utf-8")
    assert not re.findall(r"(?:src|href|srcset|url\()\W*(?:https?:)?//", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", ["=1+2", "+x", "-x", "@x", "\tx"])
def test_cells_that_a_spreadsheet_would_compute_are_escaped(
    tmp_path: Path, name: str
) -> None:
    files = write_report(make_evaluated(title=name), tmp_path, options=QUICK)
    with files.csv.open(encoding="utf-8-sig", newline="") as file:
        cells = [row["model"] for row in csv.DictReader(file)]
    assert cells
    assert all(cell.startswith("'") for cell in cells)


def test_numbers_in_the_table_stay_numbers(plain: ReportFiles) -> None:
    with plain.csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert math.isfinite(float(rows[0]["mean"]))
    assert int(rows[0]["n"]) == 57


def test_the_page_says_what_it_is_for_and_how_it_was_made(tmp_path: Path) -> None:
    found = make_evaluated()
    facts = found.facts.model_copy(update={"sha256": "ab" * 32, "model": "m.pth"})
    files = write_report(replace(found, facts=facts), tmp_path, options=QUICK)
    page = files.html.read_text("utf-8")
    for said in (
        "Research use only, not a medical device",
        "ab" * 32,
        "I / (1 + sum over groups of |I - I_g|)",
        "es_sum",
        "es_std",
        "numpy",
        "seed 0",
        "not biology",
        "arXiv:2502.00619",
        "misses, where one mask lacks what the other has",
        "by subject, not by image",
    ):
        assert said in page


def test_two_models_are_rows_and_are_compared(tmp_path: Path) -> None:
    better = make_evaluated(title="better", worse=None)
    files = write_report([make_evaluated(), better], tmp_path, options=QUICK)
    told = document(files)
    assert [m["name"] for m in told["models"]] == ["a model", "better"]
    compared = told["comparisons"][0]
    assert compared["models"] == ["a model", "better"]
    assert compared["rows"]
    assert "better against a model" in files.html.read_text("utf-8")


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = tmp_path / name / "published"
        folder.mkdir(parents=True)
        for file in (PUBLISHED / "ham10000").glob("*.csv"):
            (folder / file.name).write_bytes(file.read_bytes())
    files = write_report(
        [tmp_path / "first" / "published", tmp_path / "second" / "published"],
        tmp_path / "out",
        options=ReportOptions(n_resamples=20),
    )
    assert [m["name"] for m in document(files)["models"]] == ["first", "second"]


def test_nothing_scored_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    found = make_evaluated(4)
    cases = tuple(replace(c, scores=(), status="no truth") for c in found)
    with pytest.raises(MetricError, match="no case has a score"):
        write_report(replace(found, cases=cases), tmp_path / "out", options=QUICK)
    assert not (tmp_path / "out").exists()


def test_a_cohort_without_attributes_is_reported_as_a_whole(tmp_path: Path) -> None:
    found = make_evaluated(12)
    cases = tuple(replace(c, patient=Patient(), further={}) for c in found)
    options = ReportOptions(n_resamples=20)
    files = write_report(replace(found, cases=cases), tmp_path, options=options)
    own = region(files, "rim")
    assert (own["groups"], own["es_sum"], own["n"]) == ([], None, 12)
    assert "No attribute of the patients is recorded" in files.html.read_text("utf-8")


def test_a_full_disk_leaves_the_report_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_report(make_evaluated(), tmp_path, options=QUICK)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(report_module, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(make_evaluated(seed=5), tmp_path, options=QUICK)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert files.html.exists()


@pytest.mark.parametrize("name", ["report.html", "report.csv", "report.json"])
def test_a_file_that_no_report_wrote_is_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(MetricError, match=f"{name} is there already"):
        write_report(make_evaluated(), tmp_path, options=QUICK)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    write_report(make_evaluated(), tmp_path, options=QUICK)
    other = write_report(make_evaluated(title="new"), tmp_path, options=QUICK)
    assert document(other)["models"][0]["name"] == "new"


@pytest.mark.parametrize(
    ("convention", "said", "not_said"),
    [
        ("default", "a test of these resamples does not reject", "held fixed"),
        ("reference", "by image, whomever it shows", "by subject, not by image"),
    ],
)
def test_the_methods_say_how_intervals_were_found(
    tmp_path: Path, convention: str, said: str, not_said: str
) -> None:
    options = QUICK.model_copy(update={"convention": convention})
    files = write_report(make_evaluated(), tmp_path, options=options)
    page = files.html.read_text("utf-8")
    assert said in page
    assert not_said not in page


def test_the_title_may_not_be_endless() -> None:
    with pytest.raises(ValueError, match="200"):
        ReportOptions(title="x" * 201)
