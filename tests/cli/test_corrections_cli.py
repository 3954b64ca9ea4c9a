"""Masks that somebody has corrected: no run writes over them without saying so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_runs import run
from series_runs import draw, draw_mask, rectangle, rows_of

from napari_dmoe.cohorts.series.corrected import save_correction
from napari_dmoe.imaging.files import read_labels
from napari_dmoe.inference.results.sidecars import recorded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate("abc"):
        draw(tmp_path / "in" / f"{name}.png", seed=number)
    return tmp_path / "in"


def corrected(out: Path, name: str = "b") -> np.ndarray:
    """Correct a mask, and return it."""
    mask = rectangle(slice(3, 9), label=2)
    save_correction(out, name, mask)
    return mask


def state_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


def test_a_second_run_refuses_a_corrected_mask(
    folder: Path, tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", folder, *race_net, "-o", out]
    assert run(*how)[0] == 0
    corrected(out)
    before = state_of(out)
    code, said, err = run(*how)
    assert (code, said) == (2, "")
    assert "b.labels.tif was changed after its run: --resume would keep it" in err
    assert state_of(out) == before


def test_overwrite_sets_a_corrected_mask_aside_and_says_so(
    folder: Path, tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", folder, *race_net, "-o", out]
    assert run(*how)[0] == 0
    made = (out / "b.labels.tif").read_bytes()
    mask = corrected(out)
    code, said, _ = run(*how, "--overwrite")
    assert code == 0
    row = rows_of(out)["b"]
    assert row["status"] == "segmented"
    assert "called b.earlier.labels.tif now" in row["outcome"]
    assert "called b.earlier.labels.tif now" in said
    assert (out / "b.labels.tif").read_bytes() == made
    assert (read_labels(out / "b.earlier.labels.tif").data == mask).all()
    assert recorded(out / "b.earlier.labels.tif").edited
    assert not list(out.glob("a.earlier*"))  # nobody had corrected that one


@pytest.mark.parametrize("by", ["here", "another program"])
def test_resume_keeps_a_corrected_mask(
    folder: Path, tmp_path: Path, race_net: list[object], by: str
) -> None:
    out, truth = tmp_path / "out", tmp_path / "truth"
    draw_mask(truth / "b.png", rectangle(slice(3, 12), label=2))
    how = ["segment", folder, *race_net, "-o", out]
    assert run(*how)[0] == 0
    if by == "here":
        corrected(out)
    else:
        mask = rectangle(slice(3, 9), label=2)
        tifffile.imwrite(out / "b.labels.tif", mask, metadata={"axes": "YX"})
    (out / "c.labels.tif").unlink()
    before = state_of(out)
    code, said, _ = run(*how, "--resume", "--truth", truth)
    assert code == 0
    assert "2 of 3 masks were there already, and are kept, 1 of them corrected" in said
    rows, after = rows_of(out), state_of(out)
    assert [rows[n]["status"] for n in "abc"] == ["kept", "corrected", "segmented"]
    assert rows["b"]["outcome"].startswith("corrected by hand; segmented for race")
    assert rows["b"]["cup (px)"] == "144"
    assert rows["b"]["cup Dice"] == f"{2 * 6 / (6 + 9):.4f}"
    for name in ("b.labels.tif", "b.labels.json", "a.labels.tif"):
        assert after[name] == before[name]


def test_resume_for_another_patient_sets_a_corrected_mask_aside(
    folder: Path, tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", folder, *race_net, "-o", out]
    assert run(*how)[0] == 0
    mask = corrected(out)
    assert run(*how, "--resume", "--race", "Asian")[0] == 0
    row = rows_of(out)["b"]
    assert (row["status"], row["race"]) == ("segmented", "Asian")
    assert "called b.earlier.labels.tif now" in row["outcome"]
    assert (read_labels(out / "b.earlier.labels.tif").data == mask).all()


def test_resume_does_a_changed_image_again_and_the_others_not(
    folder: Path, tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", folder, *race_net, "-o", out]
    assert run(*how)[0] == 0
    draw(folder / "b.png", seed=9)  # exported anew, say
    before = state_of(out)
    assert run(*how)[0] == 2
    assert state_of(out) == before
    code, said, err = run(*how, "--resume")
    assert (code, err) == (0, "")
    assert "2 of 3 masks were there already" in said
    row = rows_of(out)["b"]
    assert (row["status"], row["labels"]) == ("segmented", "b.labels.tif")
    assert "called b.earlier.labels.tif now" in row["outcome"]
    assert state_of(out)["b.earlier.labels.tif"] == before["b.labels.tif"]


def test_resume_leaves_what_is_no_result_and_fails_that_row_alone(
    folder: Path, tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.labels.tif").write_bytes(b"drawn by somebody")
    code, _, err = run("segment", folder, *race_net, "-o", out, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert (out / "b.labels.tif").read_bytes() == b"drawn by somebody"
    rows = rows_of(out)
    assert [rows[n]["status"] for n in "abc"] == ["segmented", "failed", "segmented"]
    assert "no result of napari-dmoe" in rows["b"]["outcome"]


def test_a_corrected_mask_s_run_can_be_replayed(
    folder: Path, tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    assert run("segment", folder, *race_net, "-o", out)[0] == 0
    corrected(out)
    record = out / "b.labels.json"
    code, said, _ = run("replay", record, folder / "b.png", *race_net)
    assert (code, "rebuilt bit for bit" in said) == (0, True)
    case = tmp_path / "b.dmoe-case"
    assert run("case", out / "b.labels.tif", case)[0] == 0
    assert run("replay", case, folder / "b.png", *race_net)[0] == 0


def test_columns_that_a_person_has_added_stay(
    folder: Path, tmp_path: Path, race_net: list[object]
) -> None:
    out = tmp_path / "out"
    how = ["segment", folder, *race_net, "-o", out]
    assert run(*how)[0] == 0
    table = out / "segment.csv"
    head, *lines = table.read_text().splitlines()
    noted = [f"{head},seen by", *(f"{line},anna" for line in lines)]
    table.write_text("\n".join(noted))
    corrected(out)
    assert [row["seen by"] for row in rows_of(out).values()] == ["anna"] * 3
    assert run(*how, "--resume")[0] == 0
    rows = rows_of(out)
    assert [row["seen by"] for row in rows.values()] == ["anna"] * 3
    assert rows["b"]["status"] == "corrected"
