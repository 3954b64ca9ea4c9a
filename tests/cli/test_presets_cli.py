"""``napari-dmoe evaluate`` with a preset, and with masks of any model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_runs import run
from PIL import Image

from napari_dmoe.cli import outcome
from napari_dmoe.evaluation.evaluating.case_table import read_evaluated

HAM = ("--preset", "ham-test", "--device", "cpu", "--no-masks")


def test_a_preset_is_one_command(data_folder, tmp_path):
    cohort, out = data_folder / "published_test" / "ham10000", tmp_path / "out"
    weights = cohort / "weights.pth"
    code, said, errors = run(
        "evaluate", cohort, "--checkpoint", weights, *HAM, "-o", out
    )
    assert code == 0, errors
    assert "16 of 16 cases scored" in said
    assert errors.count("no card is stated: by its 5 routers it was taken for") == 1
    theirs = cohort / "published" / "result_all.csv"
    assert (out / "result_all.csv").read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--preset", "ham"), "there is no preset 'ham': use fairseg-test, ham-test"),
        ((*HAM, "--convention", "default"), "goes by convention reference"),
        ((*HAM, "--card", "fairseg-race"), "fairseg-race"),
        ((*HAM, "--list", "other.csv"), "other.csv"),
    ],
)
def test_what_contradicts_a_preset_is_told_in_one_line(
    data_folder, tmp_path, arguments, message
):
    cohort = data_folder / "published_test" / "ham10000"
    what = ("evaluate", cohort, "--checkpoint", cohort / "weights.pth")
    code, _, errors = run(*what, *arguments, "-o", tmp_path / "out")
    assert code == outcome.BAD_INPUT
    assert message in errors
    assert "Traceback" not in errors


def test_a_preset_needs_a_model(data_folder, tmp_path):
    cohort = data_folder / "published_test" / "ham10000"
    code, _, errors = run("evaluate", cohort, *HAM, "-o", tmp_path / "out")
    assert code == outcome.BAD_INPUT
    assert "name it with --checkpoint" in errors


def test_masks_of_any_model_need_neither_images_nor_a_checkpoint(tmp_path):
    folder, masks = tmp_path / "cohort", tmp_path / "masks"
    for place in (folder / "labels", masks):
        place.mkdir(parents=True)
    lines = ["id,labels,age"]
    for n in range(3):
        truth = np.zeros((12, 12), np.uint8)
        truth[2:8, 2:8] = 255
        Image.fromarray(truth).save(folder / "labels" / f"case_{n}.png")
        Image.fromarray(np.roll(truth, n, 1)).save(masks / f"case_{n}_pred.png")
        lines.append(f"case_{n},labels/case_{n}.png,{50 + n}")
    (folder / "cohort.csv").write_text("\n".join(lines))
    out = tmp_path / "out"
    stated = ("--predictions", masks, "--classes", "background,lesion")
    code, said, errors = run("evaluate", folder, *stated, "-o", out, "--json")
    assert code == 0, errors
    facts = json.loads(said)
    dice = next(r for r in facts["regions"] if r["metric"] == "dice")
    assert dice["region"] == "lesion"
    assert dice["mean"] == pytest.approx((1 + 5 / 6 + 4 / 6) / 3)
    assert read_evaluated(out).facts.source == "predictions"
    code, _, errors = run("evaluate", folder, *stated, "-o", out)
    assert code == outcome.BAD_INPUT
    assert "--overwrite" in errors
