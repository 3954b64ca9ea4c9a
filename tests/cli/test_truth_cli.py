"""Dice beside each image, where the truth is given: by a table, a file or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from cli_runs import run
from series_runs import answering, draw, draw_mask, rectangle, rows_of

import napari_dmoe as dmoe
from napari_dmoe.cohorts.series import segmenting

TENTH, HALF = rectangle(slice(0, 2)), rectangle(slice(0, 10))


@pytest.fixture
def lesion_net(tiny_checkpoint: Callable[..., Path]) -> list[object]:
    """Return the options of a network that finds the upper half a lesion."""
    checkpoint = tiny_checkpoint(2, 2, name="lesion.pth")
    return ["--checkpoint", checkpoint, "--card", "ham10000-sex"]


@pytest.fixture(autouse=True)
def finds_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenting, "segment", answering(HALF))


def test_a_published_table_becomes_one_of_results(
    tmp_path: Path, lesion_net: list[object]
) -> None:
    for number, name in enumerate("abc"):
        draw(tmp_path / "images" / f"{name}.png", seed=number)
    draw_mask(tmp_path / "masks" / "a_segmentation.png", 255 * HALF)
    draw_mask(tmp_path / "masks" / "b_segmentation.png", 255 * TENTH)
    table = tmp_path / "metadata.csv"
    table.write_text(
        "image_id,lesion_id,dx,sex,age\na,L1,nv,male,40\nb,L2,=mel,,50\nc,L3,bkl,female,"
    )
    out = tmp_path / "out"
    code, said, err = run("segment", table, *lesion_net, "-o", out)
    assert code == 0
    rows = rows_of(out)
    assert list(rows["a"]) == [
        *("id", "image", "file", "status", "headline", "outcome"),
        *("sex", "age", "model", "settings", "lesion (px)"),
        *("lesion Dice", "lesion IoU", "labels", "record", "truth", "source"),
        *("lesion_id", "dx"),
    ]
    a, b, c = rows["a"], rows["b"], rows["c"]
    assert (a["lesion Dice"], a["lesion IoU"]) == ("1.0000", "1.0000")
    assert (b["lesion Dice"], b["lesion IoU"]) == ("0.3333", "0.2000")
    assert (c["lesion Dice"], c["truth"]) == ("", "")
    assert (a["sex"], b["sex"], b["age"], c["age"]) == ("male", "unknown", "50", "")
    assert (a["lesion_id"], a["dx"], b["dx"]) == ("L1", "nv", "'=mel")
    assert (out / a["truth"]).resolve() == tmp_path / "masks" / "a_segmentation.png"
    assert (out.parent / a["source"]).resolve() == tmp_path / "images" / "a.png"
    assert a["model"].startswith("lesion.pth (")
    assert {row["status"] for row in rows.values()} == {"segmented"}
    assert said.splitlines()[-1] == (
        "Dice over 2 images with a truth: lesion mean 0.667, median 0.667"
    )
    assert err.count("255 is taken for lesion") == 1
    # Who it is stands in no record.
    assert "L1" not in (out / a["record"]).read_text()


@pytest.mark.parametrize("given", ["file", "folder"])
def test_the_truth_of_an_image_or_a_folder_is_named_on_the_command_line(
    tmp_path: Path, lesion_net: list[object], given: str
) -> None:
    image = draw(tmp_path / "in" / "a.png")
    truth = draw_mask(tmp_path / "expert" / "a.tif", TENTH)
    asked = {"file": (image, truth), "folder": (tmp_path / "in", truth.parent)}[given]
    if given == "folder":
        draw(tmp_path / "in" / "b.png", seed=1)
    out = tmp_path / "out"
    what = ["segment", asked[0], *lesion_net, "-o", out, "--truth", asked[1]]
    code, said, err = run(*what)
    assert (code, rows_of(out)["a"]["lesion Dice"]) == (0, "0.3333")
    assert "lesion Dice 0.333" in said
    assert said.splitlines()[-1].startswith("Dice over 1 image with a truth: lesion")
    assert ("truth found for 1 of 2 images" in err) == (given == "folder")


def test_a_truth_that_cannot_be_used_costs_no_image(
    tmp_path: Path, lesion_net: list[object]
) -> None:
    masks = {"a": 255 * HALF, "b": 7 + HALF, "d": rectangle(shape=(9, 9))}
    for name in "abcd":
        draw(tmp_path / "in" / f"{name}.png", seed=ord(name))
        if name in masks:
            draw_mask(tmp_path / "expert" / f"{name}.png", masks[name])
    (tmp_path / "expert" / "c.png").write_bytes(b"damaged")
    out = tmp_path / "out"
    how = ["-o", out, "--truth", tmp_path / "expert"]
    code, said, _ = run("segment", tmp_path / "in", *lesion_net, *how)
    rows = rows_of(out)
    assert code == 0
    assert {row["status"] for row in rows.values()} == {"segmented"}
    assert rows["a"]["lesion Dice"] == "1.0000"
    assert "the truth is not used" not in rows["a"]["outcome"]
    for name, why in (
        ("b", "7 to 8"),
        ("c", "damaged"),
        ("d", "pixels"),
    ):
        row = rows[name]
        assert row["lesion Dice"] == ""
        assert "the truth is not used" in row["outcome"]
        assert why in row["outcome"]
        assert row["labels"] == f"{name}.labels.tif"
    assert said.splitlines()[-1].endswith("; 3 truths could not be used")


def test_greys_of_jpeg_and_one_bit_masks_are_read(
    tmp_path: Path, lesion_net: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        draw(tmp_path / "in" / f"{name}.png", seed=ord(name), shape=(64, 64))
    big = rectangle(slice(0, 32), shape=(64, 64))
    (tmp_path / "expert").mkdir()
    iio.imwrite(tmp_path / "expert" / "a.jpg", 255 * big, quality=80)
    iio.imwrite(tmp_path / "expert" / "b.png", big.astype(bool))
    out, truth = tmp_path / "out", tmp_path / "expert"
    monkeypatch.setattr(segmenting, "segment", answering(big))
    how = ["-o", out, "--truth", truth]
    assert run("segment", tmp_path / "in", *lesion_net, *how)[0] == 0
    assert [row["lesion Dice"] for row in rows_of(out).values()] == ["1.0000"] * 2


def test_what_is_not_annotated_does_not_count(
    tmp_path: Path, race_net: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "eye.png")
    found = rectangle(slice(0, 10)) + rectangle(slice(0, 5))  # a cup above a rim
    monkeypatch.setattr(segmenting, "segment", answering(found))
    truth = found.copy()
    truth[9], truth[0] = 255, 1  # a row of rim that nobody looked at; a row less cup
    mask, out = draw_mask(tmp_path / "mask.png", truth), tmp_path / "out"
    how = ["-o", out, "--truth", mask]
    assert run("segment", tmp_path / "eye.png", *race_net, *how)[0] == 0
    row = rows_of(out)["eye"]
    assert row["rim Dice"] == f"{2 * 4 / (4 + 5):.4f}"
    assert row["cup Dice"] == f"{2 * 4 / (5 + 4):.4f}"
    assert row["disc Dice"] == "1.0000"


@pytest.mark.parametrize(
    ("truth", "why"),
    [
        ("none.png", "none.png"),
        ("one.png", "one.png is the truth of one image, but there are 2"),
        ("empty", "empty has no truth for any image"),
    ],
)
def test_a_truth_that_fits_nothing_is_refused_before_anything_is_written(
    tmp_path: Path, lesion_net: list[object], truth: str, why: str
) -> None:
    for name in "ab":
        draw(tmp_path / "in" / f"{name}.png")
    draw_mask(tmp_path / "one.png", HALF)
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    how = ["-o", out, "--truth", tmp_path / truth]
    code, _, err = run("segment", tmp_path / "in", *lesion_net, *how)
    assert (code, why in err, out.exists()) == (2, True, False)


def test_an_image_is_not_its_own_truth(
    tmp_path: Path, lesion_net: list[object]
) -> None:
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "b.png", seed=1)
    draw_mask(tmp_path / "in" / "b_mask.png", 255 * HALF)
    out = tmp_path / "out"
    how = ["-o", out, "--truth", tmp_path / "in"]
    assert run("segment", tmp_path / "in", *lesion_net, *how)[0] == 0
    rows = rows_of(out)
    assert (rows["a"]["truth"], rows["b"]["lesion Dice"]) == ("", "1.0000")


def test_a_mask_on_the_network_s_grid_has_no_dice(
    tmp_path: Path, lesion_net: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    image = draw(tmp_path / "a.png")
    truth, out = draw_mask(tmp_path / "truth.png", HALF), tmp_path / "out"
    how = ["-o", out, "--truth", truth, "--scored-at", "network", "--seed", "3"]
    assert run("segment", image, *lesion_net, *how)[0] == 0
    row = rows_of(out)["a"]
    assert "not on the image's pixels" in row["outcome"]
    assert row["settings"] == "seed=3; scored_at=network"
    assert not [name for name in row if "Dice" in name or "(px)" in name]


def test_sums_of_dice_are_those_of_the_table(
    tmp_path: Path, lesion_net: list[object]
) -> None:
    shares = (2, 4, 10)
    for n in shares:
        draw(tmp_path / "in" / f"n{n}.png", seed=n)
        draw_mask(tmp_path / "expert" / f"n{n}.png", rectangle(slice(0, n)))
    out = tmp_path / "out"
    how = ["-o", out, "--truth", tmp_path / "expert"]
    _, said, _ = run("segment", tmp_path / "in", *lesion_net, *how)
    dice = [2 * n / (10 + n) for n in shares]
    found = [float(row["lesion Dice"]) for row in rows_of(out).values()]
    assert sorted(found) == pytest.approx(dice, abs=5e-5)
    mean, median = np.mean(dice), np.median(dice)
    assert f"lesion mean {mean:.3f}, median {median:.3f}" in said.splitlines()[-1]


def test_python_writes_the_table_that_the_command_line_writes(
    tmp_path: Path, lesion_net: list[object]
) -> None:
    for number, name in enumerate("ab"):
        draw(tmp_path / "images" / f"{name}.png", seed=number)
        draw_mask(tmp_path / "masks" / f"{name}_mask.png", 255 * TENTH)
    table, out = tmp_path / "metadata.csv", tmp_path / "out"
    table.write_text("image_id,dx,sex\na,nv,male\nb,mel,\n")
    assert run("segment", table, *lesion_net, "-o", out)[0] == 0
    loaded = dmoe.load_checkpoint(lesion_net[1], card=lesion_net[3])
    images = dmoe.entries_of(table)
    done = dmoe.segment_series(loaded, images, tmp_path / "again")
    written = [(folder / "segment.csv").read_bytes() for folder in (out, done_in(done))]
    assert written[0] == written[1]
    assert "255 is taken for lesion" in done.notices[0]
    assert [each.scores[0].dice for each in done] == [pytest.approx(1 / 3)] * 2
    finished = dmoe.read_finished(out)
    assert [row.dice("lesion") for row in finished.rows] == [0.3333] * 2


def done_in(done: list[segmenting.Done]) -> Path:
    assert done[0].labels is not None
    return done[0].labels.parent
