"""What the commands write: whole, under names of its own, over nothing of another's."""

from __future__ import annotations

import csv
import errno
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from cli_runs import run
from dead_ones import a_dead_ones_partial_file

from napari_dmoe.cohorts.series import segmenting as series
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.nifti import read_record
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.phantoms import samples

demo: Any = import_module("napari_dmoe.cli.demo")
LONG = "1.2.840.113619." * 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three pictures, each of another size."""
    path = tmp_path / "in"
    path.mkdir()
    for number, name in enumerate("abc"):
        draw(path / f"{name}.png", size=20 + number)
    return path


def draw(path: Path, *, size: int = 20, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, 30), dtype=np.uint8)
    iio.imwrite(path, pixels)
    return path


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "segment.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def test_passes_parts_and_holes_are_options_and_stand_in_the_record(
    tmp_path: Path, folder: Path, race_net: list[object]
) -> None:
    asked = ("--focus", "on", "--keep", "largest", "--fill", "on")
    out = tmp_path / "out"
    assert run("segment", folder, *race_net, *asked, "-o", out)[0] == 0
    record = recorded(out / "a.labels.tif")
    assert record is not None
    assert record.focus is not None
    assert (record.keep, record.fill) == ("largest", True)
    again = ("segment", folder, *race_net, "-o", out, "--resume")
    # Masks that were made in one pass are others; these are kept, and those made anew.
    assert run(*again, *asked)[0] == 0
    assert {row["status"] for row in rows_of(out).values()} == {"kept"}
    code, _, said = run("segment", folder, *race_net, "-o", out, "--focus", "maybe")
    assert code == 2
    assert "maybe" in said


def test_inputs_whose_names_agree_get_a_mask_each(
    tmp_path: Path, race_net: list[object]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    files = [f"{LONG}1.png", f"{LONG}2.png", "X.png", "X.bmp", "x y.png", "x_y.png"]
    for number, name in enumerate(files):
        draw(source / name, size=20 + number)
    assert run("segment", source, *race_net, "-o", out)[0] == 0
    rows = rows_of(out)
    assert set(rows) == set(files)
    assert len({row["labels"].casefold() for row in rows.values()}) == len(files)
    for number, name in enumerate(files):
        mask = tifffile.imread(out / rows[name]["labels"])
        assert mask.shape == (20 + number, 30)
        assert recorded(out / rows[name]["labels"]).image.shape == mask.shape
    assert rows["x_y.png"]["labels"] == "x_y.labels.tif"
    # A part of them, in a cohort's order, has the names that it had among all.
    again = tmp_path / "again"
    assert run("segment", source / files[1], *race_net, "-o", again)[0] == 0
    assert rows_of(again)[files[1]]["labels"] == rows[files[1]]["labels"]


def test_values_of_a_sweep_and_replays_of_a_long_name_have_files_of_their_own(
    tmp_path: Path, race_net: list[object]
) -> None:
    image, out = draw(tmp_path / f"{'u' * 80}.png"), tmp_path / "out"
    assert run("segment", image, *race_net, "--race", "Asian", "-o", out)[0] == 0
    mask = out / f"{'u' * 80}.labels.tif"
    before = state_of(out)
    sweep = ["sweep", image, *race_net, "--attribute", "race", "-o", out]
    assert run(*sweep)[0] == 0
    values = [
        recorded(out / f"{'u' * 80}.{number}-{value}.labels.tif").drivers[0].value
        for number, value in enumerate(("Asian", "Black", "White"))
    ]
    assert values == ["Asian", "Black", "White"]
    record = mask.with_suffix(".json")
    assert run("replay", record, image, *race_net, "-o", out)[0] == 0
    assert before.items() <= state_of(out).items()


@pytest.mark.formats("NAME.labels.tif and NAME.labels.nii.gz in one folder")
@pytest.mark.parametrize("first", ["tiff", "nifti"])
def test_masks_of_two_formats_have_a_record_each(
    tmp_path: Path, volume_net: list[object], first: str
) -> None:
    image, out = tmp_path / "ct.tif", tmp_path / "out"
    voxels = np.random.default_rng(0).random((32, 32, 64)).astype(np.float32)
    tifffile.imwrite(image, voxels, metadata={"axes": "ZYX"})
    second = {"tiff": "nifti", "nifti": "tiff"}[first]
    how = ["segment", image, *volume_net, "-o", out, "--format"]
    assert run(*how, first, "--severity", "T2")[0] == 0
    before = state_of(out)
    assert run(*how, second, "--severity", "T4")[0] == 0
    kept = {name: state_of(out)[name] for name in before if name != "segment.csv"}
    assert kept.items() <= before.items()
    severity = {"tiff": "T2", "nifti": "T4"}
    if first == "nifti":
        severity = {"tiff": "T4", "nifti": "T2"}
    tif, nifti = out / "ct.labels.tif", out / "ct.labels.nii.gz"
    assert recorded(tif).drivers[0].value == severity["tiff"]
    assert recorded(nifti).drivers[0].value == severity["nifti"]
    in_header = json.loads(read_record(nifti))
    assert in_header["drivers"][0]["value"] == severity["nifti"]
    for mask, value in ((tif, severity["tiff"]), (nifti, severity["nifti"])):
        case = tmp_path / f"{value}.dmoe-case"
        assert run("case", mask, case)[0] == 0
        assert run("replay", case, image, *volume_net)[0] == 0


@pytest.fixture
def volume_net(data_folder: Path) -> list[object]:
    return ["-c", data_folder / "unet3d_stage5.pth", "--card", "prostate-tstage"]


@pytest.mark.formats("a mask in the output folder that napari-dmoe did not write")
@pytest.mark.parametrize("name", ["c.labels.tif", "segment.csv"])
def test_segment_into_the_folder_of_the_truth_changes_nothing(
    folder: Path, race_net: list[object], name: str
) -> None:
    (folder / name).write_bytes(b"drawn by hand")
    before = state_of(folder)
    images = folder.parent / "people.csv"
    images.write_text("image,id\nin/a.png,a\nin/b.png,b\nin/c.png,c\n")
    code, out, err = run("segment", images, *race_net, "-o", folder)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{folder / name} is there already" in err
    assert state_of(folder) == before
    code, _, _ = run("segment", images, *race_net, "-o", folder, "--overwrite")
    assert code == 0
    assert recorded(folder / "c.labels.tif") is not None
    assert set(rows_of(folder)) == {"a.png", "b.png", "c.png"}


def test_a_truth_in_another_format_gets_no_record_of_ours(
    tmp_path: Path, picture: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "eye.labels.png").write_bytes(b"truth")
    (out / "eye.probabilities.json").write_text('{"mine": 1}')
    how = ["segment", picture, *race_net, "-o", out, "--probabilities"]
    assert run(*how)[0] == 0
    assert (out / "eye.labels.png").read_bytes() == b"truth"
    assert (out / "eye.probabilities.json").read_text() == '{"mine": 1}'
    assert not (out / "eye.labels.json").exists()
    for what in ("labels", "probabilities"):
        assert recorded(out / f"eye.{what}.tif") is not None
    assert run(*how)[0] == 0
    assert run("case", out / "eye.labels.tif", tmp_path / "a.dmoe-case")[0] == 0


def test_a_result_of_another_image_or_a_painted_one_is_not_replaced(
    tmp_path: Path, picture: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", picture, *race_net, "-o", out]
    assert run(*how, "--race", "Asian")[0] == 0
    assert run(*how, "--race", "White")[0] == 0  # our own of the same image is
    assert recorded(out / "eye.labels.tif").drivers[0].value == "White"
    pixels = iio.imread(picture)
    iio.imwrite(picture, 255 - pixels)
    before = state_of(out)
    code, _, err = run(*how)
    assert (code, "the result of another image" in err) == (2, True)
    assert state_of(out) == before
    iio.imwrite(picture, pixels)
    mask = tifffile.imread(out / "eye.labels.tif")
    tifffile.imwrite(out / "eye.labels.tif", (mask + 1) % 3, metadata={"axes": "YX"})
    painted = state_of(out)
    code, _, err = run(*how)
    assert (code, "was changed after its run" in err) == (2, True)
    assert state_of(out) == painted
    assert run(*how, "--overwrite")[0] == 0


def test_an_image_that_fails_on_a_rerun_does_not_keep_its_mask(
    tmp_path: Path, folder: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", folder, *race_net, "-o", out, "--routing"]
    assert run(*how)[0] == 0
    before = state_of(out)
    (folder / "b.png").write_bytes(b"damaged")
    for number, arguments in enumerate(([], ["--resume"])):
        code, _, err = run(*how, *arguments)
        assert (code, err.count("\n")) == (2, 1)
        row = rows_of(out)["b.png"]
        assert row["labels"] == ""
        assert "is damaged" in row["outcome"]
        assert ("called b.earlier.labels.tif" in row["outcome"]) == (number == 0)
    after = state_of(out)
    for what in ("labels.tif", "labels.json", "routing.tif", "routing.json"):
        assert f"b.{what}" not in after
        assert after[f"b.earlier.{what}"] == before[f"b.{what}"]
    assert recorded(out / "b.earlier.labels.tif") is not None
    assert rows_of(out)["a.png"]["labels"] == "a.labels.tif"


def test_gates_of_an_earlier_run_do_not_pass_for_those_of_a_new_mask(
    tmp_path: Path, picture: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", picture, *race_net, "-o", out]
    assert run(*how, "--race", "Asian", "--routing")[0] == 0
    gates = (out / "eye.routing.tif").read_bytes()
    code, said, _ = run(*how, "--race", "White")
    assert (code, "called eye.earlier.routing.tif now" in said) == (0, True)
    assert (out / "eye.earlier.routing.tif").read_bytes() == gates
    assert recorded(out / "eye.earlier.routing.tif").drivers[0].value == "Asian"
    assert not (out / "eye.routing.tif").exists()


def test_what_is_wrong_with_all_is_said_once_before_anything_is_written(
    tmp_path: Path, folder: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    for arguments in (["--race", "Martian"], ["--unknown", "refuse"]):
        code, _, err = run("segment", folder, *race_net, "-o", out, *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert not out.exists()
    many = tmp_path / "people.csv"
    many.write_text("image,id,race\n" + "in/a.png,x,Black\n" + "in/b.png,y,,\n" * 30)
    code, _, err = run("segment", many, *race_net, "-o", out)
    assert code == 2
    assert err.count("\n") <= 21
    assert err.count("30 rows (3, 4, 5, ...)") == 1
    with (out / "segment.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 31
    assert rows[0]["file"] == "a.png"


def test_a_series_is_resumed_and_only_the_rest_is_done(
    tmp_path: Path, folder: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", folder, *race_net, "-o", out]
    assert run(*how)[0] == 0
    table, before = rows_of(out), state_of(out)
    (out / "a.labels.tif").unlink()
    draw(folder / "d.png", size=40)
    code, said, _ = run(*how, "--resume")
    after = state_of(out)
    assert code == 0
    assert "2 of 4 masks were there already" in said
    for name in ("b.labels.tif", "b.labels.json", "c.labels.tif"):
        assert after[name] == before[name]
    assert (out / "a.labels.tif").is_file()
    rows = rows_of(out)
    kept = {"b.png": {"status": "kept"}, "c.png": {"status": "kept"}}
    assert {n: rows[n] for n in table} == {
        n: row | kept.get(n, {}) for n, row in table.items()
    }
    assert set(rows) == {"a.png", "b.png", "c.png", "d.png"}


@pytest.mark.parametrize("change", ["patient", "settings", "maps", "model", "mask"])
def test_a_mask_that_was_made_otherwise_is_made_again(
    tmp_path: Path,
    picture: Path,
    race_net: list[object],
    tiny_checkpoint: Callable[..., Path],
    change: str,
) -> None:
    out, mask = tmp_path / "out", tmp_path / "out" / "eye.labels.tif"
    how = ["segment", picture, *race_net, "-o", out]
    assert run(*how)[0] == 0
    before = state_of(out)["eye.labels.json"]
    arguments = ["--resume"]
    if change == "model":
        how[2:4] = ["-c", tiny_checkpoint(3, 3, name="other.pth", seed=1)]
    if change == "mask":
        mask.write_bytes(b"cut off")
        arguments = ["--resume", "--overwrite"]
    arguments += {
        "patient": ["--race", "Asian"],
        "settings": ["--noise"],
        "maps": ["--routing"],
    }.get(change, [])
    code, said, err = run(*how, *arguments)
    assert (code, err) == (0, "")
    assert "already" not in said
    assert state_of(out)["eye.labels.json"] != before or change == "mask"
    assert recorded(mask).labels_sha256
    assert tifffile.imread(mask).shape == (40, 50)


HELD_UP = """
import sys, time
from pathlib import Path
from napari_dmoe.cohorts.series import segmenting as series
from napari_dmoe.cli import app
run, number, release = series.segment, int(sys.argv[1]), Path(sys.argv[2])
calls = []
def held_up(*arguments, **options):
    calls.append(1)
    while len(calls) > number and not release.exists():
        time.sleep(0.02)
    return run(*arguments, **options)
series.segment = held_up
app(sys.argv[3:])
"""


def started(number: int, release: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a command that does a number of images, and waits for a file to go on."""
    command = [sys.executable, "-c", HELD_UP, str(number), str(release)]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_series_keeps_its_table_and_is_resumed(
    tmp_path: Path, folder: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    for name in "defgh":
        draw(folder / f"{name}.png", size=40)
    how = ["segment", folder, *race_net, "-o", out]
    child = started(2, tmp_path / "never", *how)
    assert child.stdout is not None
    for _ in range(2):
        assert ".labels.tif" in child.stdout.readline()
    child.kill()
    child.communicate()
    done = [row["labels"] for row in rows_of(out).values()]
    assert done == ["a.labels.tif", "b.labels.tif"]
    before = state_of(out)
    a_dead_ones_partial_file(out, "c.labels.tif")
    code, said, _ = run(*how, "--resume")
    assert (code, "2 of 8 masks were there already" in said) == (0, True)
    after = state_of(out)
    assert all(after[name] == before[name] for name in done)
    assert len(rows_of(out)) == 8
    assert {name for name in after if name.startswith(".")} == set()


def test_a_second_run_into_a_folder_is_refused_while_the_first_goes_on(
    tmp_path: Path, folder: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    go = tmp_path / "go"
    first = started(1, go, "segment", folder, *race_net, "-o", out)
    assert first.stdout is not None
    first.stdout.readline()
    for command in (
        ["segment", folder / "c.png"],
        ["sweep", folder / "c.png", "--attribute", "race"],
    ):
        code, said, err = run(*command, *race_net, "-o", out)
        assert (code, said, "another run" in err) == (2, "", True)
    go.touch()
    first.communicate()
    assert first.returncode == 0
    assert sorted(rows_of(out)) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("command", ["segment", "sweep", "demo"])
def test_what_cannot_be_written_is_told_before_the_run(
    tmp_path: Path,
    picture: Path,
    race_net: list[object],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr(series, "segment", never)
    monkeypatch.setattr("napari_dmoe.inference.what_if.sweep.sweep", never)
    monkeypatch.setattr(demo, "write_example", never)
    (tmp_path / "file").write_text("")
    of = {
        "segment": ["segment", picture, *race_net],
        "sweep": ["sweep", picture, *race_net, "--attribute", "race"],
        "demo": ["demo"],
    }[command]
    code, _, err = run(*of, "-o", tmp_path / "file" / "out")
    assert (code, err.count("\n")) == (2, 1)
    assert "nothing can be written" in err
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    code, _, err = run(*of, "-o", tmp_path / "out")
    assert (code, "make room" in err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_stops_the_series_once_and_keeps_what_is_done(
    tmp_path: Path,
    folder: Path,
    race_net: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, save, calls = tmp_path / "out", series.save_segmentation, []

    def full(*arguments: Any, **options: Any) -> object:
        calls.append(arguments[1])
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(*arguments, **options)

    monkeypatch.setattr(series, "save_segmentation", full)
    how = ["segment", folder, *race_net, "-o", out]
    code, _, err = run(*how)
    assert (code, err.count("\n"), calls) == (2, 1, ["a", "b"])
    assert "stopped after 1 of 3 images: No space left" in err
    assert list(rows_of(out)) == ["a.png"]
    assert run(*how, "--resume")[0] == 0
    assert calls == ["a", "b", "b", "c"]


def test_what_cannot_be_printed_costs_no_image(
    tmp_path: Path, folder: Path, race_model: Any
) -> None:
    from napari_dmoe.cohorts.series.listing import entries_of

    def closed(_: object) -> None:
        raise UnicodeEncodeError("charmap", "\udcff", 0, 1, "cannot be printed")

    out = tmp_path / "out"
    done = series.segment_series(race_model, entries_of(folder), out, tell=closed)
    assert [each.error for each in done] == [None] * 3
    assert len(rows_of(out)) == 3


def test_rows_of_images_that_are_not_done_again_stay(
    tmp_path: Path, folder: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    assert run("segment", folder, *race_net, "-o", out)[0] == 0
    (out / "c.labels.tif").unlink()
    other = draw(tmp_path / "z.png", size=50)
    assert run("segment", other, *race_net, "-o", out)[0] == 0
    assert list(rows_of(out)) == ["z.png", "a.png", "b.png"]


def test_a_case_file_is_not_replaced_by_another(
    tmp_path: Path, picture: Path, race_net: list[object]
) -> None:
    out, case = tmp_path / "out", tmp_path / "eye.dmoe-case"
    how = ["segment", picture, *race_net, "-o", out]
    assert run(*how, "--race", "Asian")[0] == 0
    assert run("case", out / "eye.labels.tif", case)[0] == 0
    assert run("case", out / "eye.labels.tif", case)[0] == 0  # the same case
    before = case.read_bytes()
    assert run(*how, "--race", "White")[0] == 0
    code, said, err = run("case", out / "eye.labels.tif", case)
    assert (code, said, "is there already" in err) == (2, "", True)
    assert case.read_bytes() == before
    assert run("case", out / "eye.labels.tif", case, "--overwrite")[0] == 0
    assert case.read_bytes() != before


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("sweep", "eye.sweep.csv"),
        ("sweep", "eye.1-Black.labels.tif"),
        ("sweep", "eye.differs.tif"),
        ("replay", "eye.replay.labels.tif"),
    ],
)
def test_sweeps_and_replays_replace_nothing_of_another(
    tmp_path: Path, picture: Path, race_net: list[object], command: str, name: str
) -> None:
    first, out = tmp_path / "first", tmp_path / "out"
    assert run("segment", picture, *race_net, "--race", "Asian", "-o", first)[0] == 0
    how = {
        "sweep": ["sweep", picture, *race_net, "--attribute", "race", "-o", out],
        "replay": ["replay", first / "eye.labels.json", picture, *race_net, "-o", out],
    }[command]
    out.mkdir()
    (out / name).write_text("mine")
    code, said, err = run(*how)
    assert (code, said) == (2, "")
    assert f"{out / name} is there already" in err
    assert state_of(out).keys() == {name}
    assert run(*how, "--overwrite")[0] == 0
    assert run(*how)[0] == 0  # now they are our own


@pytest.fixture
def short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo show one small image."""
    one = demo._phantom("skin", "skin-phantom", samples.sample_skin())
    monkeypatch.setattr(demo, "examples", lambda: [one])


@pytest.mark.usefixtures("short_demo")
@pytest.mark.parametrize("name", ["index.html", "skin.mask.png", "skin.labels.tif"])
def test_a_demo_replaces_nothing_of_another(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    code, _, err = run("demo", "-o", tmp_path)
    assert (code, f"{tmp_path / name} is there already" in err) == (2, True)
    assert state_of(tmp_path).keys() == {name}
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert run("demo", "-o", tmp_path)[0] == 2
    assert (tmp_path / name).is_symlink()


@pytest.mark.usefixtures("short_demo")
def test_a_demo_writes_whole_files_and_its_page_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run("demo", "-o", out)[0] == 0
    assert read_image(out / "skin.mask.png").data.ndim == 3
    write, seen = iio.imwrite, []

    def killed(path: Path, *arguments: object, **options: object) -> None:
        seen.append(path.name)
        if len(seen) == 2:
            path.write_bytes(b"half a picture")
            raise KeyboardInterrupt
        write(path, *arguments, **options)

    pictures = {p.name: p.read_bytes() for p in out.glob("*.png")}
    monkeypatch.setattr(iio, "imwrite", killed)
    assert run("demo", "-o", out)[0] == 130
    assert {p.name: p.read_bytes() for p in out.glob("*.png")} == pictures
    assert not (out / "index.html").exists()
    monkeypatch.setattr(iio, "imwrite", write)
    assert run("demo", "-o", out)[0] == 0
    assert not list(out.glob(".*"))


def test_a_folder_is_one_writers_within_one_process_too(
    tmp_path: Path, picture: Path, race_net: list[object]
) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with claimed(tmp_path / "out"):
            held.set()
            release.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    code, _, err = run("segment", picture, *race_net, "-o", tmp_path / "out")
    release.set()
    other.join()
    assert (code, "another run" in err) == (2, True)


def test_a_single_image_that_fails_on_a_rerun_leaves_no_row_of_a_mask(
    tmp_path: Path, race_net: list[object]
) -> None:
    image, out = draw(tmp_path / "X.png"), tmp_path / "out"
    assert run("segment", image, *race_net, "-o", out)[0] == 0
    image.write_bytes(b"broken")
    code, _, err = run("segment", image, *race_net, "-o", out)
    assert (code, err.count("\n"), err.count("X.earlier.labels.tif")) == (2, 1, 1)
    assert not (out / "X.labels.tif").exists()
    row = rows_of(out)["X.png"]
    assert (row["labels"], "damaged" in row["outcome"]) == ("", True)


@pytest.mark.parametrize("name", ["X.pgn", "X.jpg", "X", "cohort.csv"])
@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--resume"]])
def test_a_misspelt_name_costs_no_mask(
    tmp_path: Path, race_net: list[object], name: str, options: list[str]
) -> None:
    out = tmp_path / "out"
    assert run("segment", draw(tmp_path / "X.png"), *race_net, "-o", out)[0] == 0
    before = state_of(out)
    code, _, err = run("segment", tmp_path / name, *race_net, "-o", out, *options)
    assert (code, err.count("\n")) == (2, 1)
    assert state_of(out) == before


def test_an_image_that_fails_costs_no_mask_of_another_file(
    tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    assert run("segment", draw(tmp_path / "X.png"), *race_net, "-o", out)[0] == 0
    before = state_of(out)
    (tmp_path / "X.jpg").write_bytes(b"broken")
    assert run("segment", tmp_path / "X.jpg", *race_net, "-o", out)[0] == 2
    after = state_of(out)
    assert {n: after[n] for n in before if n != "segment.csv"}.items() <= before.items()
    assert rows_of(out)["X.png"]["labels"] == "X.labels.tif"
    assert rows_of(out)["X.jpg"]["labels"] == ""


@pytest.mark.parametrize(
    ("ids", "second"), [(("C", "c"), "b.png,old"), (("c1", "c2"), "none.png,50")]
)
def test_a_row_that_fails_on_a_rerun_does_not_keep_its_mask(
    tmp_path: Path, race_net: list[object], ids: tuple[str, str], second: str
) -> None:
    draw(tmp_path / "a.png")
    draw(tmp_path / "b.png", seed=1)
    out, table = tmp_path / "out", tmp_path / "cohort.csv"
    begin = f"id,image,age\n{ids[0]},a.png,40\n{ids[1]},"
    table.write_text(f"{begin}b.png,50\n")
    assert run("segment", table, *race_net, "-o", out)[0] == 0
    mask = rows_of(out)["a.png"]["labels"]
    table.write_text(f"{begin}{second}\n")
    code, _, err = run("segment", table, *race_net, "-o", out)
    assert (code, err.count("row 3")) == (2, 1)
    with (out / "segment.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [(row["image"], row["labels"]) for row in rows]
    assert found == [(ids[0], mask), (ids[1], "")]
    assert f"earlier run wrote of it is called {ids[1]}" in rows[1]["outcome"]
    masks = {path.name for path in out.glob("*.labels.tif")}
    assert [name for name in masks if "earlier" not in name] == [mask]


def test_a_table_of_which_no_row_is_understood_changes_nothing(
    tmp_path: Path, race_net: list[object]
) -> None:
    draw(tmp_path / "a.png")
    out, table = tmp_path / "out", tmp_path / "cohort.csv"
    table.write_text("image,age\na.png,40\n")
    assert run("segment", table, *race_net, "-o", out)[0] == 0
    before = state_of(out)
    table.write_text("image,age\na.png,400\na.png,400\n")
    code, _, err = run("segment", table, *race_net, "-o", out, "--overwrite")
    assert (code, err.count("\n"), "2 rows (2, 3): age" in err) == (2, 1, True)
    assert state_of(out) == before


def test_a_case_file_takes_no_link_and_says_which_folder_is_missing(
    tmp_path: Path, race_net: list[object]
) -> None:
    image, out = draw(tmp_path / "X.png"), tmp_path / "out"
    assert run("segment", image, *race_net, "-o", out)[0] == 0
    mask, link = out / "X.labels.tif", tmp_path / "x.dmoe-case"
    link.symlink_to(tmp_path / "nowhere")
    assert run("case", mask, link)[0] == 2
    assert link.is_symlink()
    _, _, err = run("case", mask, tmp_path / "none" / "x.dmoe-case")
    assert str(tmp_path / "none" / "x.dmoe-case") in err
    assert "partial" not in err
    assert "--overwrite" not in run("case", mask, mask)[2]
