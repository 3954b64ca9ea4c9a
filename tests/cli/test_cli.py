"""The command line: what it writes and prints, and how it ends."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from cli_runs import run

import napari_dmoe
from napari_dmoe.imaging.files import read_image
from napari_dmoe.inference.running.settings import InferenceSettings

Checkpoint = Callable[..., Path]


def test_inspect_prints_what_there_is_to_know(race_file: Path) -> None:
    code, out, _ = run("inspect", race_file, "--card", "fairseg-race")
    assert code == 0
    for fact in ("2D dMoE ViT", "0 Asian, 1 Black, 2 White", "2 cup", "2.23 M", "8.99"):
        assert fact in out
    assert "CC BY-NC-ND" in out
    code, out, _ = run("inspect", race_file, "--json")
    facts = json.loads(out)
    assert facts["config"]["n_routers"] == 3
    assert facts["card"]["attributes"][0]["name"] == "group"
    assert facts["sha256"].startswith("96332d05")


def test_segment_writes_labels_record_routing_and_table(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    out = tmp_path / "out"
    code, said, _ = run(
        "segment", picture, *race_net, "--race", "black", "--output", out, "--routing"
    )
    assert code == 0
    assert "eye.labels.tif" in said
    assert tifffile.imread(out / "eye.labels.tif").shape == (40, 50)
    record = json.loads((out / "eye.labels.json").read_text())
    assert record["drivers"][0]["value"] == "Black"
    assert tifffile.imread(out / "eye.routing.tif").shape == (2, 4, 2, 2)
    with (out / "segment.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["image"] == "eye"
    assert "cup/disc (area)" in row


def test_every_setting_is_an_option() -> None:
    _, out, _ = run("segment", "--help")
    for name in InferenceSettings.model_fields:
        if name != "schema_version":
            assert f"--{name.replace('_', '-')}" in out


def test_settings_reach_the_record(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    options = ["--noise", "--seed", 5, "--samples", 2, "--scored-at", "network"]
    code, _, _ = run("segment", picture, *race_net, "-o", tmp_path / "o", *options)
    assert code == 0
    settings = json.loads((tmp_path / "o/eye.labels.json").read_text())["settings"]
    assert (settings["noise"], settings["seed"], settings["samples"]) == (True, 5, 2)
    assert tifffile.imread(tmp_path / "o/eye.labels.tif").shape == (32, 32)


def test_probabilities_are_written_where_asked_for(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    out = tmp_path / "o"
    code, said, _ = run("segment", picture, *race_net, "-o", out, "--probabilities")
    assert code == 0
    assert "race unknown (3 values mixed)" in said
    maps = tifffile.imread(out / "eye.probabilities.tif")
    assert maps.shape == (3, 40, 50)
    np.testing.assert_allclose(maps.sum(0), 1, atol=1e-5)


def test_a_misspelt_bundled_name_is_told_the_names_there_are() -> None:
    code, _, err = run("inspect", "fundus-phantm")
    assert (code, "there is fundus-phantom" in err) == (2, True)


def test_a_folder_shares_the_patient_and_a_bad_image_stops_no_other(
    tmp_path: Path, race_net: list[object]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a", "c"):
        iio.imwrite(folder / f"{name}.png", np.eye(20, dtype=np.uint8) * 200)
    (folder / "b.png").write_bytes(b"no image")
    code, _, err = run("segment", folder, *race_net, "--race", "White", "-o", out)
    assert code == 2
    assert "b: b.png is damaged" in err
    with (out / "segment.csv").open() as file:
        rows = {row["image"]: row["outcome"] for row in csv.DictReader(file)}
    assert rows["a"].startswith("segmented for race White")
    assert rows["c"].startswith("segmented")
    assert "damaged" in rows["b"]


def test_a_cohort_brings_its_own_patients(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    table = tmp_path / "people.csv"
    table.write_text("image,id,race\neye.png,p1,Asian\neye.png,p2,\n")
    code, _, _ = run("segment", table, *race_net, "-o", tmp_path / "out")
    assert code == 0
    values = [
        json.loads((tmp_path / f"out/{name}.labels.json").read_text())["drivers"][0][
            "value"
        ]
        for name in ("p1", "p2")
    ]
    assert values == ["Asian", None]
    code, _, err = run("segment", table, *race_net, "-o", tmp_path, "--race", "Black")
    assert code == 2
    assert "leave out --sex" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--race", "Martian"], "it knows Asian, Black, White"),
        (["--age", "abc"], "age cannot be read"),
        (["--attribute", "body_site"], "NAME=VALUE"),
        (["--card", "nothing"], "there is no card 'nothing'"),
        (["--device", "abacus"], "no device called"),
        (["--unknown", "refuse"], "race is unknown"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    arguments: list[str],
    message: str,
) -> None:
    code, out, err = run(
        "segment", picture, *race_net, "-o", tmp_path / "out", *arguments
    )
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "out").exists()


def test_absent_files_end_with_2(tmp_path: Path, race_net: list[object]) -> None:
    code, _, err = run("segment", tmp_path / "no.png", *race_net, "-o", tmp_path)
    assert (code, "there is no such file" in err) == (2, True)
    assert run("inspect", tmp_path / "no.pth")[0] == 2
    assert run("segment", tmp_path, *race_net, "-o", tmp_path / "o")[0] == 2
    assert run("nonsense")[0] == 2


def test_an_interrupt_ends_with_130(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_dmoe.cohorts.series.segmenting.segment", interrupted)
    code, _, err = run("segment", picture, *race_net, "-o", tmp_path / "out")
    assert (code, err) == (130, "napari-dmoe: interrupted\n")


def test_phantoms_writes_a_cohort_that_says_what_is_invented(tmp_path: Path) -> None:
    code, out, _ = run("phantoms", tmp_path / "p", "--number", 2, "--seed", 3)
    assert code == 0
    assert "invented" in out
    with (tmp_path / "p/cohort.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert {"image", "labels", "sex", "race", "age", "severity"} <= set(rows[0])
    assert run("phantoms", tmp_path / "q", "--kind", "unicorn")[0] == 2


def test_train_refuses_what_it_cannot_do_before_it_begins(tmp_path: Path) -> None:
    assert "cohort" in run("train", tmp_path / "x", "-o", tmp_path / "m.safetensors")[2]
    code, _, err = run("train", tmp_path, "-o", tmp_path / "m.pth")
    assert (code, ".safetensors" in err) == (2, True)
    assert run("train", tmp_path, "-o", "m.safetensors", "--recipe", "x")[0] == 2


def test_demo_writes_pictures_masks_records_and_a_page(tmp_path: Path) -> None:
    code, out, _ = run("demo", "--output", tmp_path / "demo")
    assert code == 0
    folder = tmp_path / "demo"
    assert str(folder / "index.html") in out
    page = (folder / "index.html").read_text()
    blocks = ("mask.png", "block0.png", "labels.tif", "routing.tif")
    stages = ("mask.png", "stage4.png", "labels.tif", "routing-4.tif")
    volumes = ("mask.png", "stage4.png", "labels.nii.gz", "routing-4.nii.gz")
    for name, written in {
        "retina": stages,
        "fundus": blocks,
        "skin": blocks,
        "pelvis": volumes,
        "ct": volumes,
    }.items():
        for suffix in written:
            assert (folder / f"{name}.{suffix}").stat().st_size > 0
            assert f"{name}.{suffix}" in page
        assert json.loads((folder / f"{name}.labels.json").read_text())["classes"]
        suffix = "labels.nii.gz" if name in ("pelvis", "ct") else "labels.tif"
        assert (read_image(folder / f"{name}.{suffix}").data > 0).any()
    assert "invented" in page
    assert "never a clinical decision" in page
    # Of each driver of the four plane models: the photograph's, two, and two.
    assert page.count("what a shift by one pixel does") >= 4
    assert "Age changes" in page


def test_help_is_there_without_loading_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; "
        "from napari_dmoe.cli import app; "
        "assert CliRunner().invoke(app, ['segment', '--help']).exit_code == 0; "
        "assert not {'torch', 'napari', 'qtpy', 'monai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_module_runs_as_the_command_does() -> None:
    command = [sys.executable, "-m", "napari_dmoe.cli", "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == napari_dmoe.__version__


@pytest.mark.parametrize(
    ("option", "value"),
    [("--batch", "0"), ("--batch", "x"), ("--overlap", "nan"), ("--unknown", "x")],
)
def test_what_an_option_cannot_be_is_said_in_our_words(option, value):
    code, _, told = run("segment", "i.png", "-c", "x", "-o", "o", option, value)
    assert code == 2
    assert "cannot be" in told
    assert "Input should" not in told
