"""Masks of any model: found by name, read as classes, scored beside the truth."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from evaluation_runs import files_of
from PIL import Image

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating.case_table import read_evaluated
from napari_dmoe.evaluation.evaluating.journal import ResumeError
from napari_dmoe.evaluation.evaluating.mask_reading import found_meanings
from napari_dmoe.evaluation.evaluating.prediction_files import find_predictions
from napari_dmoe.evaluation.evaluating.predictions import evaluate_predictions
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.models.card_files import read_card
from napari_dmoe.progress import Cancelled

N = 4


def square(shift=0, shape=(12, 16)):
    mask = np.zeros(shape, np.uint8)
    mask[..., 2:8, 2 + shift : 8 + shift] = 1
    return mask


def overlap(shift):
    """Return the Dice of two squares of six pixels, one of them moved."""
    return (6 - shift) / 6


def save(path: Path, mask: np.ndarray, affine=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(mask.T, np.eye(4) if affine is None else affine), path)
    else:
        Image.fromarray(mask).save(path)
    return path


@pytest.fixture
def cohort(tmp_path):
    """Return four cases of a table with labels, and no image."""
    folder = tmp_path / "cohort"
    for n in range(N):
        save(folder / "labels" / f"case_{n}.png", square())
    return tabled(folder, [f"case_{n}" for n in range(N)])


def tabled(folder, ids, **columns):
    with (folder / "cohort.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "labels", "age", "centre", *columns])
        for n, name in enumerate(ids):
            cells = [column[n] for column in columns.values()]
            writer.writerow([name, f"labels/{name}.png", 50 + n, "north", *cells])
    return open_cohort(folder, needs_image=False)


def dices(evaluated, region="foreground"):
    return evaluated.values(region, "dice").tolist()


@pytest.mark.parametrize(
    "name",
    [
        "{}.png",
        "{}_0000.png",
        "{}_pred.png",
        "{}_prediction.tif",
        "{}_segmentation.png",
        "{}_mask.png",
        "{}.labels.tif",
        "pred_{}.png",
        "fold 0/{}.bmp",
        "{}.PNG",
    ],
)
def test_masks_are_found_by_what_other_programs_call_them(cohort, tmp_path, name):
    masks = tmp_path / "masks"
    for n in range(N):
        save(masks / name.format(f"case_{n}"), square(n))
    (masks / "plans.json").write_text("{}")
    found = evaluate_predictions(cohort, masks, tmp_path / "out")
    assert dices(found) == pytest.approx([overlap(n) for n in range(N)])
    assert [case.status for case in found] == ["scored"] * N
    assert not any("belong to no case" in said for said in found.facts.notices)


def test_a_case_named_as_a_channel_has_the_mask_that_nnu_net_calls_without_it(tmp_path):
    folder = tmp_path / "cohort"
    for n in range(2):
        save(folder / "labels" / f"a{n}_0000.png", square())
        save(tmp_path / "masks" / f"a{n}.png", square(n))
    cohort = tabled(folder, ["a0_0000", "a1_0000"])
    found = evaluate_predictions(cohort, tmp_path / "masks", tmp_path / "out")
    assert dices(found) == pytest.approx([1, overlap(1)])


def test_masks_that_a_run_of_ours_wrote_are_found_again(tmp_path):
    """A case without an id is called by its path, which no file can be called."""
    folder = tmp_path / "cohort"
    lines = ["image,mask"]
    for n in range(2):
        save(folder / "images" / f"a{n}.jpg", square() * 200)
        save(folder / "masks" / f"a{n}_lesion.png", square())
        lines.append(f"images/a{n}.jpg,masks/a{n}_lesion.png")
        save(tmp_path / "run" / f"images_a{n}.jpg.tif", square(n))
    (folder / "cohort.csv").write_text("\n".join(lines))
    cohort = open_cohort(folder)
    assert [row.id for row in cohort.rows] == ["images/a0.jpg", "images/a1.jpg"]
    found = evaluate_predictions(cohort, tmp_path / "run", tmp_path / "out")
    assert dices(found) == pytest.approx([1, overlap(1)])


def test_what_is_missing_and_what_is_too_much_is_counted_and_told(cohort, tmp_path):
    masks = tmp_path / "masks"
    for name in ("case_0", "case_1", "another"):
        save(masks / f"{name}.png", square(1))
    found = evaluate_predictions(cohort, masks, tmp_path / "out")
    assert [case.status for case in found] == ["scored"] * 2 + ["no prediction"] * 2
    notices = " | ".join(found.facts.notices)
    assert "2 of 4 cases have no mask" in notices
    assert "1 files belong to no case: another.png" in notices
    again = read_evaluated(tmp_path / "out")
    assert [case.status for case in again] == [case.status for case in found]
    assert [case.patient for case in again] == [case.patient for case in found]
    assert found[0].patient.known() == {"age": 50.0}
    assert found[0].further["centre"] == "north"
    assert again.facts == found.facts


@pytest.mark.parametrize(
    "other", [lambda m: m * 255, lambda m: m.astype(bool), lambda m: m * 255.0]
)
def test_one_class_may_be_0_and_255(cohort, tmp_path, other):
    for n in range(N):
        mask = other(square(n))
        if mask.dtype == float:
            save(tmp_path / "masks" / f"case_{n}.tif", mask.astype(np.float32))
        else:
            save(tmp_path / "masks" / f"case_{n}.png", mask)
    for classes in (None, ("background", "foreground")):
        found = evaluate_predictions(
            cohort,
            tmp_path / "masks",
            tmp_path / "out",
            classes=classes,
            overwrite=True,
        )
        assert dices(found) == pytest.approx([overlap(n) for n in range(N)])


def test_soft_masks_and_other_sizes_fail_in_words_and_the_rest_is_scored(
    cohort, tmp_path
):
    masks = tmp_path / "masks"
    save(masks / "case_0.png", square())
    save(masks / "case_1.tif", square().astype(np.float32) * 0.7)
    save(masks / "case_2.png", square(shape=(24, 32)))
    colours = np.dstack([square() * 255, square(1) * 255, square(2) * 255])
    save(masks / "case_3.png", colours)
    found = evaluate_predictions(cohort, masks, tmp_path / "out")
    assert [case.status for case in found] == ["scored"] + ["failed"] * 3
    assert "Are they probabilities?" in found[1].said
    sizes = "the mask has (24, 32) pixels, but the truth has (12, 16)"
    assert sizes in found[2].said
    assert "one number a pixel" in found[3].said
    assert any("3 of 4 cases could not be scored" in n for n in found.facts.notices)


def test_where_no_mask_can_be_scored_everything_is_refused(cohort, tmp_path):
    for n in range(N):
        save(tmp_path / "masks" / f"case_{n}.png", square(shape=(24, 32)))
    with pytest.raises(CohortError, match=r"none of the masks can be scored: .*24, 32"):
        evaluate_predictions(cohort, tmp_path / "masks", tmp_path / "out")
    assert not (tmp_path / "out" / "cases.csv").exists()


def volumes(tmp_path):
    rng = np.random.default_rng(3)
    folder, masks = tmp_path / "cohort", tmp_path / "masks"
    affine = np.diag([0.5, 0.5, 3.0, 1.0])
    truth = (rng.random((6, 10, 12)) < 0.3).astype(np.uint8)
    predicted = (rng.random((6, 10, 12)) < 0.3).astype(np.uint8)
    save(folder / "labels" / "a.nii.gz", truth, affine)
    (folder / "cohort.csv").write_text("id,labels\na,labels/a.nii.gz\n")
    return open_cohort(folder, needs_image=False), masks, truth, predicted, affine


def test_the_same_voxels_in_another_order_are_the_same_mask(tmp_path):
    cohort, masks, _, predicted, affine = volumes(tmp_path)
    image = nib.Nifti1Image(predicted.T, affine)
    (tmp_path / "masks").mkdir()
    nib.save(image, masks / "a.nii.gz")
    plain = evaluate_predictions(cohort, masks, tmp_path / "plain")
    turned = image.as_reoriented(np.array([[1, -1], [0, 1], [2, -1]]))
    nib.save(turned, masks / "a.nii.gz")
    found = evaluate_predictions(cohort, masks, tmp_path / "turned")
    assert [s.value for s in found[0].scores] == [s.value for s in plain[0].scores]
    assert found[0].unit == "mm"
    nib.save(
        nib.Nifti1Image(predicted.T, affine + np.eye(4, k=3) * 40), masks / "a.nii"
    )
    (masks / "a.nii.gz").unlink()
    with pytest.raises(CohortError, match="mm away from the truth"):
        evaluate_predictions(cohort, masks, tmp_path / "moved")


def test_lengths_are_in_mm_and_the_tolerance_of_the_nsd_can_be(tmp_path):
    cohort, masks, truth, _, affine = volumes(tmp_path)
    save(masks / "a.nii.gz", np.roll(truth, 1, axis=0), affine)
    found = {
        mm: evaluate_predictions(
            cohort, masks, tmp_path / str(mm), settings=EvaluationSettings(nsd_mm=mm)
        )[0]
        for mm in (None, 0.4, 3.1)
    }
    values = {mm: case.score("foreground", "nsd").value for mm, case in found.items()}
    assert values[0.4] < values[3.1] == 1
    assert found[None].score("foreground", "avd").value % 0.75 == pytest.approx(0)
    plain = np.array(found[None].score("foreground", "hd95").value)
    assert plain <= 3.0


def test_without_a_pixel_size_lengths_are_pixels_and_no_nsd_in_mm_is_made_up(
    cohort, tmp_path
):
    for n in range(N):
        save(tmp_path / "masks" / f"case_{n}.png", square(n))
    settings = EvaluationSettings(nsd_mm=2.0)
    found = evaluate_predictions(
        cohort, tmp_path / "masks", tmp_path / "out", settings=settings
    )
    assert {case.unit for case in found} == {"px"}
    assert found[1].score("foreground", "nsd") is None
    assert found[1].score("foreground", "hd95").value == pytest.approx(1)
    assert any("have no NSD in mm" in said for said in found.facts.notices)


def test_several_classes_are_stated_or_found(cohort, tmp_path):
    masks = tmp_path / "masks"
    folder = tmp_path / "cohort" / "labels"
    for n in range(N):
        truth = square()
        truth[4:6, 4:6] = 2
        save(folder / f"case_{n}.png", truth)
        save(masks / f"case_{n}.png", np.where(truth == 2, 2, square(n)).astype("u1"))
    found = evaluate_predictions(cohort, masks, tmp_path / "a")
    assert found.facts.regions == ("label 1", "label 2")
    assert dices(found, "label 2") == [1.0] * N
    card = read_card("fairseg-race")
    found = evaluate_predictions(cohort, masks, tmp_path / "b", card=card)
    assert found.facts.regions == ("rim", "cup", "disc")
    assert found.facts.attributes == card.attributes
    named = ("background", "edge", "core")
    found = evaluate_predictions(
        cohort, masks, tmp_path / "c", classes=named, card=card
    )
    assert found.facts.regions == ("edge", "core")
    with pytest.raises(CohortError, match="name the background and at least one class"):
        evaluate_predictions(cohort, masks, tmp_path / "d", classes=("lesion",))


def test_labels_that_do_not_mean_the_same_are_refused():
    with pytest.raises(CohortError, match="one label each, and not the same: 1, 2"):
        found_meanings({0, 1}, {0, 2})
    with pytest.raises(CohortError, match="truth's labels are 1 and the masks' 2, 3"):
        found_meanings({0, 1}, {0, 2, 3})
    with pytest.raises(CohortError, match="neither the truth nor the masks"):
        found_meanings({0}, {0})
    assert found_meanings({0, 255}, {0, 1}).classes == ("background", "foreground")
    assert found_meanings({0, 1, 3}, {0, 1}).classes[-1] == "label 3"
    assert [r.name for r in found_meanings({0, 1, 3, 255}, {0, 1}).regions] == [
        "label 1",
        "label 3",
    ]


def test_what_is_not_annotated_counts_in_neither_mask(cohort, tmp_path):
    truth = square()
    truth[4:6, 4:6] = 2
    truth[9:] = 255
    for n in range(N):
        save(tmp_path / "cohort" / "labels" / f"case_{n}.png", truth)
        mask = np.where(truth == 255, 1, truth).astype(np.uint8)
        save(tmp_path / "masks" / f"case_{n}.png", mask)
    found = evaluate_predictions(cohort, tmp_path / "masks", tmp_path / "out")
    assert dices(found, "label 1") == [1.0] * N
    assert any("not annotated" in said for said in found.facts.notices)


def test_the_truth_itself_and_names_of_two_meanings_are_refused(cohort, tmp_path):
    labels = tmp_path / "cohort" / "labels"
    with pytest.raises(CohortError, match="the cohort's own labels"):
        evaluate_predictions(cohort, labels, tmp_path / "out")
    masks = tmp_path / "masks"
    save(masks / "a" / "case_0.png", square())
    save(masks / "b" / "case_0.png", square(1))
    with pytest.raises(CohortError, match="all called like one case"):
        find_predictions(masks, cohort.rows)
    (tmp_path / "none").mkdir()
    with pytest.raises(CohortError, match="no mask of any case among its 0 images"):
        find_predictions(tmp_path / "none", cohort.rows)
    with pytest.raises(CohortError, match="is no folder"):
        find_predictions(tmp_path / "nowhere", cohort.rows)


def test_a_column_names_the_masks(tmp_path):
    folder = tmp_path / "cohort"
    ids = ["a", "b", "c"]
    for n, name in enumerate(ids):
        save(folder / "labels" / f"{name}.png", square())
        save(folder / "theirs" / f"{n}.png", square(n))
    cohort = tabled(folder, ids, prediction=["theirs/0.png", "theirs/1.png", ""])
    found = evaluate_predictions(cohort, None, tmp_path / "out")
    assert [case.status for case in found] == ["scored", "scored", "no prediction"]
    assert dices(found)[:2] == pytest.approx([1, overlap(1)])
    assert found.facts.source == "predictions"


def test_masks_are_not_scored_where_a_network_would_be(cohort, tmp_path):
    settings = EvaluationSettings(scored_at="network")
    with pytest.raises(CohortError, match="leave out scored-at network"):
        evaluate_predictions(cohort, tmp_path, tmp_path / "out", settings=settings)


def many(folder):
    """Return a cohort of more cases than are written down at a time, and its masks."""
    ids = [f"case_{n}" for n in range(20)]
    for n, name in enumerate(ids):
        save(folder / "labels" / f"{name}.png", square() * (255 if n % 3 else 1))
        save(folder / "theirs" / f"{name}.png", square(n % 6))
    save(folder / "theirs" / "case_3.png", square(shape=(24, 32)))
    return tabled(folder, ids), folder / "theirs"


@pytest.mark.parametrize("classes", [None, ("background", "blob")])
@pytest.mark.parametrize("at", [3, 13])
def test_stopped_and_gone_on_with_they_end_the_same(tmp_path, classes, at):
    cohort, masks = many(tmp_path / "cohort")
    evaluate_predictions(cohort, masks, tmp_path / "whole", classes=classes)

    def stop(step):
        if step.message.startswith("scoring") and step.done == at:
            raise Cancelled

    out, seen = tmp_path / "out", []
    with pytest.raises(Cancelled):
        evaluate_predictions(cohort, masks, out, classes=classes, progress=stop)
    assert not (out / "cases.csv").exists()
    evaluate_predictions(cohort, masks, out, classes=classes, progress=seen.append)
    n_done = at // 8 * 8
    assert sum(s.message.startswith("scoring") for s in seen) == 21 - n_done
    assert files_of(out) == files_of(tmp_path / "whole")


def test_masks_that_were_replaced_since_are_another_evaluation(tmp_path):
    cohort, masks = many(tmp_path / "cohort")

    def stop(step):
        if step.message.startswith("scoring") and step.done == 10:
            raise Cancelled

    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        evaluate_predictions(cohort, masks, out, progress=stop)
    save(masks / "case_1.png", square(3)[:, ::-1].copy())
    with pytest.raises(ResumeError, match="was not finished, of another"):
        evaluate_predictions(cohort, masks, out)
    found = evaluate_predictions(cohort, masks, out, overwrite=True)
    assert evaluate_predictions(cohort, masks, out).facts == found.facts
    for further in ({"keep_whole": False}, {"classes": ("background", "blob")}):
        with pytest.raises(ResumeError, match="holds another evaluation"):
            evaluate_predictions(cohort, masks, out, **further)
