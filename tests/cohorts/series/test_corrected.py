"""A corrected mask in its series: what is written, what stays, what is refused."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from series_runs import SHAPE, draw, draw_mask, rectangle, rows_of

from napari_dmoe.cohorts.series import corrected
from napari_dmoe.cohorts.series.corrected import (
    CorrectionError,
    save_correction,
)
from napari_dmoe.cohorts.series.finished import read_finished
from napari_dmoe.cohorts.series.listing import Entry
from napari_dmoe.cohorts.series.segmenting import segment_series
from napari_dmoe.imaging.disk.claims import FolderError, FolderTaken, claimed
from napari_dmoe.imaging.disk.states import state_of
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.nifti import read_record
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient

Net = Any


@pytest.fixture
def net(tiny_checkpoint: Callable[..., Path]) -> Net:
    return load_checkpoint(tiny_checkpoint(3, 3), "fairseg-race")


@pytest.fixture
def out(tmp_path: Path, net: Net) -> Path:
    """Return the folder of a series of two images, the first with a truth."""
    images = [draw(tmp_path / "in" / f"{n}.png", seed=ord(n)) for n in "ab"]
    truth = draw_mask(tmp_path / "truth" / "a.png", rectangle(slice(0, 8), label=2))
    patient, further = Patient(race="Black", age=50), {"dx": "nv"}
    entries = [
        Entry("a", images[0], patient, labels=truth, further=further),
        Entry("b", images[1], patient, further=further),
    ]
    segment_series(net, entries, tmp_path / "out")
    return tmp_path / "out"


def test_mask_record_and_row_are_brought_up_to_date(out: Path) -> None:
    before, was = rows_of(out), recorded(out / "a.labels.tif")
    mask = rectangle(slice(2, 12), label=2)
    opened = state_of(out / "a.labels.tif")
    new = save_correction(out, "a", mask, opened=opened)
    found = read_labels(out / "a.labels.tif")
    assert (found.data == mask).all()
    record = recorded(out / "a.labels.tif")
    assert record == was.model_copy(update={"edited": True})
    rows = rows_of(out)
    assert rows["b"] == before["b"]
    assert list(rows["a"]) == list(before["a"])
    same = ("id", "file", "race", "age", "model", "labels", "truth", "source", "dx")
    assert all(rows["a"][name] == before["a"][name] for name in same)
    assert rows["a"]["status"] == "corrected"
    assert rows["a"]["outcome"] == f"corrected by hand; {before['a']['outcome']}"
    assert rows["a"]["cup (px)"] == str(10 * SHAPE[1])
    assert rows["a"]["rim (px)"] == "0"
    assert rows["a"]["cup Dice"] == f"{2 * 6 / (10 + 8):.4f}"
    assert rows["a"]["rim Dice"] == ""
    assert rows["a"]["headline"].startswith(("cup 240 px", "Implausible"))
    assert dict(new.cells) == rows["a"]
    assert (new.status, new.mask) == ("corrected", out / "a.labels.tif")


def test_what_became_of_an_image_is_shown_without_its_patient(
    tmp_path: Path, net: Net
) -> None:
    image = draw(tmp_path / "a.png")
    further = {"lesion_id": "L17"}
    entry = Entry("a", image, Patient(race="Black", age=57.25), further=further)
    (done,) = segment_series(net, [entry], tmp_path / "out")
    assert (done.row()["lesion_id"], done.row()["age"]) == ("L17", "57.25")
    record = (tmp_path / "out" / "a.labels.json").read_text()
    for text in (record, repr(done)):
        assert "L17" not in text
        assert "57.25" not in text


def test_a_mask_that_is_as_it_was_made_is_no_corrected_one(out: Path) -> None:
    made, before = read_labels(out / "a.labels.tif").data, rows_of(out)
    save_correction(out, "a", rectangle())
    assert recorded(out / "a.labels.tif").edited
    new = save_correction(out / "segment.csv", "a", made)
    assert (new.status, recorded(out / "a.labels.tif").edited) == ("segmented", False)
    assert rows_of(out) == before


def test_axes_in_another_order_are_put_right(out: Path) -> None:
    mask = rectangle(slice(2, 12), label=2)
    save_correction(out, "a", mask.T, axes=("x", "y"))
    assert (read_labels(out / "a.labels.tif").data == mask).all()


def test_what_was_changed_meanwhile_is_not_written_over(out: Path) -> None:
    opened = state_of(out / "a.labels.tif")
    save_correction(out, "a", rectangle(slice(0, 1)))
    before = contents(out)
    with pytest.raises(CorrectionError, match="changed on the disk since"):
        save_correction(out, "a", rectangle(), opened=opened)
    assert contents(out) == before


def test_a_running_series_is_not_written_into(out: Path) -> None:
    before, ready, over = contents(out), threading.Event(), threading.Event()

    def series() -> None:
        with claimed(out):
            ready.set()
            over.wait(30)

    other = threading.Thread(target=series)
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(FolderTaken, match="another run"):
            save_correction(out, "a", rectangle())
    finally:
        over.set()
        other.join()
    assert contents(out) == before
    save_correction(out, "a", rectangle())


def test_a_write_protected_mask_stays(out: Path) -> None:
    (out / "a.labels.tif").chmod(0o444)
    before = contents(out)
    with pytest.raises(CorrectionError, match=r"a\.labels\.tif is write-protected"):
        save_correction(out, "a", rectangle())
    assert contents(out) == before


@pytest.mark.skipif(os.name == "nt", reason="folders have no such modes")
@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes everywhere"
)
def test_a_write_protected_folder_is_refused(out: Path) -> None:
    out.chmod(0o555)
    try:
        with pytest.raises(FolderError):
            save_correction(out, "a", rectangle())
    finally:
        out.chmod(0o755)


def test_a_full_disk_leaves_everything(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(out)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(corrected.ResultWriter, "_write_samples", full)
    with pytest.raises(OSError, match="No space"):
        save_correction(out, "a", rectangle())
    assert contents(out) == before


@pytest.mark.parametrize(
    ("name", "labels", "why"),
    [
        ("z", rectangle(), "has no image called z"),
        ("a", rectangle(label=3), "label 3, but the model has classes 0 to 2"),
        ("a", rectangle(shape=(5, 5)), r"has \(5, 5\) pixels"),
        ("a", np.zeros((2, *SHAPE), np.uint8), "the correction has the axes"),
    ],
)
def test_what_fits_no_mask_is_refused(
    out: Path, name: str, labels: np.ndarray, why: str
) -> None:
    before = contents(out)
    with pytest.raises(CorrectionError, match=why):
        save_correction(out, name, labels)
    assert contents(out) == before


def test_an_image_that_is_gone_does_not_stop_a_correction(
    out: Path, tmp_path: Path
) -> None:
    (tmp_path / "in" / "a.png").unlink()
    (tmp_path / "truth" / "a.png").unlink()
    save_correction(out, "a", rectangle(slice(0, 8), label=2))
    row = rows_of(out)["a"]
    assert row["cup (px)"] == str(8 * SHAPE[1])
    assert row["cup Dice"] == ""  # that of before would be another mask's
    assert "the truth is not used: it is not there any more" in row["outcome"]


def test_a_mask_or_record_that_is_gone_is_told(out: Path) -> None:
    (out / "a.labels.json").unlink()
    with pytest.raises(CorrectionError, match="the record of the mask of a is not"):
        save_correction(out, "a", rectangle())
    (out / "b.labels.tif").unlink()
    with pytest.raises(CorrectionError, match="the mask of b is not there"):
        save_correction(out, "b", rectangle())


def test_a_table_of_an_earlier_version_becomes_one_of_now(out: Path) -> None:
    (out / "segment.csv").write_text(
        "image,file,headline,outcome,labels,rim (px),cup (px)\n"
        "a,a.png,rim 3 px,segmented,a.labels.tif,3,4\n"
        "b,b.png,,damaged,,,\n"
    )
    save_correction(out, "a", rectangle(slice(0, 2), label=2))
    rows = rows_of(out)
    assert list(rows["a"])[:4] == ["id", "image", "file", "status"]
    assert rows["a"]["status"] == "corrected"
    assert rows["a"]["cup (px)"] == str(2 * SHAPE[1])
    assert rows["a"]["record"] == "a.labels.json"
    assert (rows["b"]["status"], rows["b"]["outcome"]) == ("failed", "damaged")
    assert [row.status for row in read_finished(out).rows] == ["corrected", "failed"]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


def test_a_volume_keeps_its_place_and_its_header_says_the_record(
    tmp_path: Path, data_folder: Path
) -> None:
    net = load_checkpoint(data_folder / "unet3d_stage5.pth", "prostate-tstage")
    voxels = np.random.default_rng(0).random((64, 32, 34)).astype(np.float32)
    affine = np.diag([-2.0, 1.5, 3.0, 1.0])  # x runs to the right, x first in the file
    affine[:3, 3] = (5, -7, 11)
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "ct.nii.gz")
    entry = Entry("ct", tmp_path / "ct.nii.gz", Patient(severity="T2"))
    segment_series(net, [entry], tmp_path / "out")
    path, was = (
        tmp_path / "out" / "ct.labels.nii.gz",
        read_image(tmp_path / "ct.nii.gz"),
    )
    record = recorded(path)
    sizes = dict(zip(was.axes, was.data.shape, strict=True))
    mask = np.zeros([sizes[axis] for axis in record.axes], np.uint8)
    mask[3:9, 2:5, 1:4] = 1
    save_correction(tmp_path / "out", "ct", mask)
    stored = nib.load(path)
    assert stored.shape == voxels.shape
    assert np.allclose(stored.affine, affine)
    again = read_labels(path)
    values = np.transpose(again.data, [again.axes.index(axis) for axis in record.axes])
    assert (values == mask).all()
    assert json.loads(read_record(path))["edited"] is True
    assert recorded(path).edited
    row = rows_of(tmp_path / "out")["ct"]
    assert float(row["target (mL)"]) == pytest.approx(6 * 3 * 3 * 9 / 1000)


def test_a_stack_is_corrected_whole(tmp_path: Path, net: Net) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", stack, metadata={"axes": "TYX"})
    entry = Entry("s", tmp_path / "s.tif", Patient(race="Black"))
    segment_series(net, [entry], tmp_path / "out")
    mask = np.zeros((3, *SHAPE), np.uint8)
    mask[1, 2:5] = 2
    new = save_correction(tmp_path / "out", "s", mask)
    assert (read_labels(tmp_path / "out" / "s.labels.tif").data == mask).all()
    assert new.headline.endswith("of 3 planes")
    assert not [name for name in new.cells if "(px)" in name]
    with pytest.raises(CorrectionError, match="the correction has the axes"):
        save_correction(tmp_path / "out", "s", mask[0])
