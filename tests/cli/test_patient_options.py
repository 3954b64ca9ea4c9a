"""Options that describe a patient: what they give together, and contradictions."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import run

from napari_dmoe.cli.options import patient_of


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--sex", "female", "--attribute", "sex=male"], "--sex and sex=..."),
        (["--sex", "female", "--sex", "male"], "--sex and --sex"),
        (["--attribute", "sex=male", "--attribute", "sex=f"], "sex=... and sex=..."),
        (["--sex", "unknown", "--attribute", "sex=male"], "--sex and sex=..."),
        (["--sex", "female", "--attribute", "Sex=male"], "--sex and Sex=..."),
        (["--age", "63", "--attribute", "age=64 y"], "--age and age=..."),
        (
            ["--attribute", "body_site=back", "--attribute", "body_site=neck"],
            "body_site=... and body_site=...",
        ),
    ],
)
def test_two_values_of_one_attribute_contradict_each_other(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    arguments: list[str],
    names: str,
) -> None:
    code, out, err = run(
        "segment", picture, *race_net, "-o", tmp_path / "o", *arguments
    )
    assert (code, out) == (2, "")
    assert err.startswith(f"napari-dmoe: {names} contradict each other")
    assert err.count("\n") == 1
    assert not any(value in err for value in ("male", "63", "64", "neck"))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--race", "Asian", "--attribute", "race", "--further", "race=Black"],
        ["--race", "Asian", "--attribute", "race=Black"],
        ["--attribute", "race=Asian", "--further", "race=Black"],
    ],
)
def test_a_sweep_is_told_of_contradictions_too(
    tmp_path: Path, race_net: list[object], picture: Path, arguments: list[str]
) -> None:
    code, _, err = run("sweep", picture, *race_net, "-o", tmp_path / "o", *arguments)
    assert code == 2
    assert "race=... contradict each other: say once what the patient's race" in err
    assert not (tmp_path / "o").exists()


def test_a_further_attribute_without_a_value_is_told_by_its_option(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    options = ["--attribute", "race", "--further", "body_site"]
    code, _, err = run("sweep", picture, *race_net, "-o", tmp_path / "o", *options)
    assert (code, "--further needs NAME=VALUE" in err) == (2, True)


def test_one_value_may_be_given_twice_however_it_is_spelt() -> None:
    stated = {"sex": ["F", "female"], "age": ["63"], "race": None}
    further = ["sex=FEMALE", "age=63 y", "group=A", "group= a"]
    found = patient_of(stated, further)
    assert (found.sex, found.age, found.race) == ("female", 63.0, None)
