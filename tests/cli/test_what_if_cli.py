"""``sweep``, ``case`` and ``replay`` on the command line."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from cli_runs import run
from places import DATA

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.replaying.case_files import read_record
from napari_dmoe.inference.what_if.files import save_uncertainty
from napari_dmoe.inference.what_if.sweep_result import BEHAVIOUR
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient

Checkpoint = Callable[..., Path]


def test_sweep_writes_masks_maps_table_picture_and_record(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    out = tmp_path / "out"
    code, said, _ = run(
        "sweep",
        picture,
        *race_net,
        "--attribute",
        "race=black",
        "--age",
        61.75,
        "-o",
        out,
    )
    assert code == 0
    assert BEHAVIOUR in said
    for number, value in enumerate(("Asian", "Black", "White")):
        stem = f"eye.{number}-{value}.labels"
        assert tifffile.imread(out / f"{stem}.tif").shape == (40, 50)
        record = json.loads((out / f"{stem}.json").read_text())
        assert record["drivers"][0]["value"] == value
    assert tifffile.imread(out / "eye.sensitivity.tif").dtype == np.float32
    assert tifffile.imread(out / "eye.differs.tif").max() <= 2
    with (out / "eye.sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["chosen"] for row in rows] == ["", "yes", ""]
    assert list(rows[0])[:4] == ["id", "race", "model", "chosen"]
    assert [row["race"] for row in rows] == ["Asian", "Black", "White"]
    assert {(row["id"], row.pop("model")[:10]) for row in rows} == {
        ("eye", "tiny.pth (")
    }
    assert all(row["note"].startswith(BEHAVIOUR) for row in rows)
    assert iio.imread(out / "eye.sweep.png").ndim == 3
    record = json.loads((out / "eye.sweep.json").read_text())
    assert (record["reference"], len(record["values"])) == ("Black", 3)
    assert not any("61.75" in row.values() for row in rows)  # the model's hash may


@pytest.mark.parametrize("scored_at", ["source", "network"])
def test_stacks_are_swept_and_their_most_changed_plane_drawn(
    tmp_path: Path, race_net: list[object], scored_at: str
) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (2, 30, 36), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", stack, metadata={"axes": "TYX"})
    code, _, err = run(
        "sweep",
        tmp_path / "s.tif",
        *race_net,
        "--attribute",
        "race",
        "-o",
        tmp_path / "o",
        "--scored-at",
        scored_at,
    )
    assert (code, err) == (0, "")
    assert iio.imread(tmp_path / "o/s.sweep.png").shape[-1] == 3


def test_volumes_are_swept_into_nifti(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(0, 100, (32, 32, 64)).astype(np.float32)
    image = SpatialImage(data, ("z", "y", "x"), np.diag([4.0, 3, 3, 1]), "mm")
    write_nifti(tmp_path / "ct.nii.gz", image)
    net = ["-c", DATA / "unet3d_stage5.pth", "--card", "prostate-tstage"]
    out = tmp_path / "o"
    code, said, _ = run(
        "sweep", tmp_path / "ct.nii.gz", *net, "--attribute", "severity=T2", "-o", out
    )
    assert code == 0
    assert "a shift by one voxel" in said.splitlines()[0]
    assert (out / "ct.sensitivity.nii.gz").is_file()
    mask, case = out / "ct.1-T2.labels.nii.gz", tmp_path / "ct.dmoe-case"
    assert run("case", mask, case)[0] == 0
    code, said, _ = run("replay", case, tmp_path / "ct.nii.gz", *net)
    assert (code, said) == (0, "The mask was rebuilt bit for bit.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attribute", "age"], "age does not drive this model"),
        (["--attribute", "race", "--attribute2", "race"], "two that differ"),
        (["--attribute", "race=Martian"], "it knows Asian, Black, White"),
        (["--attribute", "race", "--format", "png"], "there is no format 'png'"),
        (["--attribute", "race", "--further", "x"], "NAME=VALUE"),
    ],
)
def test_bad_sweeps_are_one_clear_line(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    arguments: list[str],
    message: str,
) -> None:
    code, out, err = run("sweep", picture, *race_net, "-o", tmp_path / "o", *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "o").exists()


def test_an_interrupted_sweep_ends_with_130(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_dmoe.inference.what_if.sweep.sweep", interrupted)
    arguments = ["--attribute", "race", "-o", tmp_path / "o"]
    assert run("sweep", picture, *race_net, *arguments)[0] == 130


def test_a_case_is_replayed_by_whoever_has_image_and_checkpoint(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    out, case = tmp_path / "o", tmp_path / "eye.dmoe-case"
    assert run("segment", picture, *race_net, "--race", "Asian", "-o", out)[0] == 0
    assert run("case", out / "eye.labels.tif", case) == (0, f"{case}\n", "")
    code, said, _ = run("replay", case, picture, *race_net, "-o", tmp_path / "again")
    assert code == 0
    assert said.splitlines() == [
        "The mask was rebuilt bit for bit.",
        "Written: eye.replay.labels.tif.",
    ]
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "again/eye.replay.labels.tif"),
        tifffile.imread(out / "eye.labels.tif"),
    )
    code, said, _ = run("replay", out / "eye.labels.json", picture, *race_net)
    assert code == 0


def test_everything_that_a_record_is_of_is_written_again(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    out, again = tmp_path / "o", tmp_path / "again"
    kept = ["--routing", "--probabilities", "--race", "Asian"]
    assert run("segment", picture, *race_net, *kept, "-o", out)[0] == 0
    names = ["labels", "routing", "probabilities"]
    for record, arguments in (("labels", ["--routing"]), ("routing", [])):
        path = out / f"eye.{record}.json"
        code, said, _ = run("replay", path, picture, *race_net, *arguments, "-o", again)
        files = ", ".join(f"eye.replay.{name}.tif" for name in names)
        assert (code, said.splitlines()[1]) == (0, f"Written: {files}.")
    for name in names:
        np.testing.assert_array_equal(
            tifffile.imread(again / f"eye.replay.{name}.tif"),
            tifffile.imread(out / f"eye.{name}.tif"),
        )


def test_noise_samples_are_written_again_with_their_maps(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    loaded = load_checkpoint(race_net[1], card="fairseg-race")
    image, patient = read_image(picture), Patient(race="Black")
    first = uncertainty(loaded, image, patient, samples=5, seed=3)
    saved = save_uncertainty(tmp_path / "o", "eye", first, image)
    again = tmp_path / "again"
    record = saved.entropy.with_name("eye.entropy.json")
    code, said, _ = run("replay", record, picture, *race_net, "-o", again)
    assert code == 0
    assert said.splitlines() == [
        "The mask was rebuilt bit for bit.",
        "Written: eye.replay.labels.tif, eye.replay.votes.tif, eye.replay.entropy.tif.",
    ]
    for name in ("labels", "votes", "entropy"):
        found = tifffile.imread(again / f"eye.replay.{name}.tif")
        np.testing.assert_array_equal(found, getattr(first, name))
        beside = read_record(again / f"eye.replay.{name}.json")
        assert (beside.made_by, beside.settings["samples"]) == ("uncertainty", 5)
    assert tifffile.imread(saved.votes).sum(0).max() == 5


def test_the_record_of_a_whole_sweep_is_refused_with_what_to_take(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    out = tmp_path / "o"
    run("sweep", picture, *race_net, "--attribute", "race", "-o", out)
    for name in ("sweep", "sensitivity"):
        record = out / f"eye.{name}.json"
        code, _, err = run("replay", record, picture, *race_net)
        assert code == 2
        assert "record of a whole sweep: take that of one of its values" in err
    one = out / "eye.1-Black.labels.json"
    assert run("replay", one, picture, *race_net)[0] == 0


def test_a_mask_that_was_painted_on_says_so(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    out, case = tmp_path / "o", tmp_path / "eye.dmoe-case"
    run("segment", picture, *race_net, "--race", "Asian", "-o", out)
    mask = tifffile.imread(out / "eye.labels.tif")
    mask[:3] = (mask[:3] + 1) % 3
    tifffile.imwrite(out / "eye.labels.tif", mask, metadata={"axes": "YX"})
    assert "changed after its run" in run("case", out / "eye.labels.tif", case)[1]
    code, said, _ = run("replay", case, picture, *race_net)
    assert (code, "painted on" in said) == (0, True)


def test_replays_of_something_else_say_what(
    tmp_path: Path, race_net: list[object], picture: Path, race_file: Path
) -> None:
    out = tmp_path / "o"
    run("segment", picture, *race_net, "--race", "Asian", "-o", out)
    record = out / "eye.labels.json"
    code, _, err = run(
        "replay", record, picture, "-c", race_file, "--card", "fairseg-race"
    )
    assert (code, "the checkpoint is vit2d_race3.pth" in err) == (2, True)
    other = tmp_path / "other.png"
    iio.imwrite(other, np.zeros((20, 20), np.uint8))
    code, _, err = run("replay", record, other, *race_net)
    assert (code, "size (20, 20)" in err) == (2, True)
    inverse = tmp_path / "inverse.png"
    iio.imwrite(inverse, 255 - iio.imread(picture))
    said = run("replay", record, inverse, *race_net)[1]
    assert "what the network saw" in said
    assert run("replay", tmp_path / "no.dmoe-case", picture, *race_net)[0] == 2
    assert run("case", picture, tmp_path / "a.dmoe-case")[0] == 2
    changed = json.loads(record.read_text()) | {"labels_sha256": "0"}
    record.write_text(json.dumps(changed))
    code, said, _ = run("replay", record, picture, *race_net)
    assert (code, "not the same" in said) == (1, True)


def test_a_sweep_without_room_is_refused_before_the_run(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "napari_dmoe.imaging.disk.claims.shutil.disk_usage",
        lambda _: SimpleNamespace(free=3 * 4096),  # of five files
    )
    out = tmp_path / "out"
    command = ["sweep", picture, *race_net, "--attribute", "race", "-o", out]
    code, said, told = run(*command)
    assert (code, said) == (2, "")
    assert "has room for 0.0 MB" in told
    assert not out.exists()


def test_a_disk_that_fills_up_is_said_in_words(
    tmp_path: Path,
    race_net: list[object],
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("napari_dmoe.inference.what_if.files.write_table", full)
    out = tmp_path / "out"
    code, _, told = run("sweep", picture, *race_net, "--attribute", "race", "-o", out)
    assert code == 2
    assert told == (
        "napari-dmoe: the disk has no room: make room, or choose another folder\n"
    )
