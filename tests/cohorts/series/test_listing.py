"""Which pictures of a folder are images to segment, and that the rest is told."""

from __future__ import annotations

import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_dmoe.cohorts.series.listing import entries_of
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient

PHOTO = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
MASK = (np.indices((20, 24)).sum(0) > 20).astype(np.uint8) * 255

formats = pytest.mark.formats


@pytest.fixture
def record(race_model: LoadedModel) -> str:
    """Return the record of a run."""
    image = SpatialImage.from_array(PHOTO, axes="yxc")
    return segment(race_model, image, Patient()).provenance.model_dump_json()


def photos(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        iio.imwrite(folder / name, PHOTO)


def masks(folder: Path, *names: str) -> None:
    for name in names:
        iio.imwrite(folder / name, MASK)


def names_in(folder: Path) -> list[str]:
    return [entry.path.name for entry in entries_of(folder)]


def notice_of(folder: Path) -> str:
    (notice,) = entries_of(folder).notices
    return notice


def test_an_ordinary_folder_has_nothing_to_tell(tmp_path: Path) -> None:
    photos(tmp_path, "b.png", "a.jpg", "c 1.tif")
    (tmp_path / "metadata.csv").write_text("x")
    (tmp_path / "Thumbs.db").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "notes").mkdir()
    listing = entries_of(tmp_path)
    assert [entry.name for entry in listing] == ["a", "b", "c 1"]
    assert listing.notices == ()


@formats("results of an earlier run in a folder of images")
def test_a_rerun_in_place_takes_none_of_its_own_files(tmp_path: Path) -> None:
    photos(tmp_path, "eye.png", "eye.sweep.png", "eye.mask.png", "eye.block0.png")
    floats = np.random.default_rng(1).random((20, 24), dtype=np.float32)
    arrays = {
        "eye.labels.tif": MASK // 255,
        "eye.routing.tif": floats,
        "eye.routing-0.tif": floats,
        "eye.probabilities.tif": floats,
        "eye.sensitivity.tif": floats,
        "eye.differs.tif": MASK // 255,
        "eye.0-Asian.labels.tif": MASK // 255,
        "eye.replay.labels.tif": MASK // 255,
    }
    for name, data in arrays.items():
        write_tiff(tmp_path / name, data, axes="yx")
        (tmp_path / name).with_suffix(".json").write_text("{}")
    (tmp_path / "segment.csv").write_text("image,outcome\n")
    assert names_in(tmp_path) == ["eye.png"]
    assert notice_of(tmp_path).startswith("11 left out, results of earlier runs: eye.0")


def test_results_are_known_without_their_record(tmp_path: Path) -> None:
    photos(tmp_path, "eye.png")
    write_tiff(tmp_path / "gone.labels.tif", MASK // 255, axes="yx")
    write_tiff(tmp_path / "gone.routing.tif", MASK.astype(np.float32), axes="yx")
    assert names_in(tmp_path) == ["eye.png"]


def test_a_photograph_that_is_only_called_like_a_result_is_an_image(
    tmp_path: Path,
) -> None:
    photos(tmp_path, "bottle.labels.tif", "road.mask.png")
    assert names_in(tmp_path) == ["bottle.labels.tif", "road.mask.png"]
    assert entries_of(tmp_path).notices == ()


@formats("`._X.jpg` and hidden files, as a Mac leaves them")
def test_what_a_mac_leaves_behind_is_no_image(tmp_path: Path) -> None:
    photos(tmp_path, "a.jpg", "__MACOSX/._a.jpg")
    (tmp_path / "._a.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (tmp_path / ".hidden.png").write_bytes(b"")
    assert names_in(tmp_path) == ["a.jpg"]
    assert notice_of(tmp_path) == (
        "2 left out, hidden, as systems leave them behind: ._a.jpg, .hidden.png"
    )


@formats("folders, pipes and broken links named like images")
def test_what_is_no_file_is_told_by_what_it_is(tmp_path: Path) -> None:
    photos(tmp_path, "a.png")
    (tmp_path / "case.png").mkdir()
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "linked.png").symlink_to(tmp_path / "a.png")
    assert names_in(tmp_path) == ["a.png", "linked.png"]
    assert entries_of(tmp_path).notices == (
        "1 left out, folders, though named like images: case.png",
        "2 left out, links that lead nowhere: lost.png, round.png",
        "1 left out, no files, but pipes or devices: pipe.tif",
    )


def test_a_file_that_cannot_be_read_stays_in_the_list(tmp_path: Path) -> None:
    photos(tmp_path, "a.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.tif").write_text("no image")
    assert names_in(tmp_path) == ["a.png", "empty.png", "text.tif"]


@formats("masks and superpixels beside their images, by their names")
@pytest.mark.parametrize(
    "added",
    [
        "_superpixels.png", "_segmentation.png", "_Segmentation.PNG", "_mask.png",
        "-mask.png", "_mask_1.png", ".mask.png", " mask.png", "_seg.png", "_label.png",
        "_labels.png", "_GT.bmp", "_lesion.bmp", "_attribute_globules.png",
        ".jpg_mask.png", "_thumbnail.jpg", "_overlay.jpg",
    ],
)  # fmt: skip
def test_pictures_that_belong_to_an_image_are_no_cases(
    tmp_path: Path, added: str
) -> None:
    photos(tmp_path, "ISIC_0000000.jpg", "ISIC_0000001.jpg", f"ISIC_0000000{added}")
    assert names_in(tmp_path) == ["ISIC_0000000.jpg", "ISIC_0000001.jpg"]
    told = "1 left out, masks or other views of images beside them: ISIC_0000000"
    assert notice_of(tmp_path).startswith(told)


def test_a_mask_s_name_may_begin_with_the_word(tmp_path: Path) -> None:
    photos(tmp_path, "1.png", "mask_1.png")
    assert names_in(tmp_path) == ["1.png"]


def test_a_word_for_masks_without_its_image_is_only_a_name(tmp_path: Path) -> None:
    photos(tmp_path, "anna_mask.jpg", "prob.jpg", "label 1.png", "x_2.png", "x.png")
    assert len(names_in(tmp_path)) == 5


@formats("a mask that is named like its image, beside it")
def test_masks_are_known_by_their_few_values(tmp_path: Path) -> None:
    photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    masks(tmp_path, "a.png", "b_expert2.png")
    iio.imwrite(tmp_path / "c.png", np.stack([MASK, MASK, MASK // 5], -1))
    assert names_in(tmp_path) == ["a.jpg", "b.jpg", "c.jpg"]
    assert notice_of(tmp_path).endswith("a.png, b_expert2.png, c.png")


@formats("X.jpg and X.png, both photographs")
def test_images_of_one_name_keep_apart_by_their_suffix(tmp_path: Path) -> None:
    photos(tmp_path, "X.jpg", "X.png", "Y.png", "X_2.png")
    listing = entries_of(tmp_path)
    assert [entry.name for entry in listing] == ["X.jpg", "X.png", "X_2", "Y"]
    assert [entry.path.name for entry in listing[:2]] == ["X.jpg", "X.png"]


def test_two_drawings_of_one_name_are_both_images(tmp_path: Path) -> None:
    masks(tmp_path, "X.bmp", "X.png")
    assert [entry.name for entry in entries_of(tmp_path)] == ["X.bmp", "X.png"]


@formats("GIF, WebP, MGZ and others in a folder")
def test_images_of_other_kinds_are_told(tmp_path: Path) -> None:
    photos(tmp_path, "a.png")
    for name in ("b.gif", "c.webp", "d.svs", "e.mgz"):
        (tmp_path / name).write_bytes(b"x")
    assert notice_of(tmp_path) == (
        "4 left out, of kinds that are not read: b.gif, c.webp, d.svs, ..."
    )


@formats("a folder of folders of images")
def test_a_folder_of_folders_says_where_its_images_are(tmp_path: Path) -> None:
    photos(tmp_path, "part_1/a.png", "part_2/b.png")
    with pytest.raises(ValueError, match=r"holds no image and no cohort\.csv; 2 left"):
        entries_of(tmp_path)
    photos(tmp_path, "c.png")
    assert notice_of(tmp_path) == (
        "2 left out, in folders, which are not looked into: part_1, part_2"
    )


def test_an_output_folder_inside_is_nothing_to_tell(tmp_path: Path) -> None:
    photos(tmp_path, "a.png", "out/a.sweep.png")
    (tmp_path / "out/a.sweep.json").write_text("{}")
    write_tiff(tmp_path / "out/a.labels.tif", MASK // 255, axes="yx")
    (tmp_path / "out/a.labels.json").write_text("{}")
    assert entries_of(tmp_path).notices == ()


def test_only_results_are_no_images(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.labels.tif", MASK // 255, axes="yx")
    with pytest.raises(ValueError, match=r"holds no image .* results of earlier runs"):
        entries_of(tmp_path)


def test_a_file_that_is_asked_for_is_taken_whatever_it_is_called(
    tmp_path: Path,
) -> None:
    masks(tmp_path, "._a_mask.png")
    assert [each.path.name for each in entries_of(tmp_path / "._a_mask.png")] == [
        "._a_mask.png"
    ]


@formats("file names in another encoding, or with control codes")
@pytest.mark.skipif(os.name == "nt", reason="names there are Unicode")
def test_names_that_cannot_be_printed_are_listed_and_read(tmp_path: Path) -> None:
    photos(tmp_path, "a.png", "b.tif", "c.bmp")
    folder = os.fsencode(tmp_path)
    for old, new in ((b"a.png", b"M\xfc.png"), (b"b.tif", b"\x1b[31m\xe9.tif")):
        os.rename(folder + b"/" + old, folder + b"/" + new)  # noqa: PTH104
    listing = entries_of(tmp_path)
    assert {e.name for e in listing} == {"M\udcfc", "\x1b[31m\udce9", "c"}
    from napari_dmoe.imaging.files import read_image

    for entry in listing:
        assert read_image(entry.path).data.shape == (20, 24, 3)


@formats("masks of ours under another name")
@pytest.mark.parametrize("name", ["mine.tif", "mine.nii.gz", "mine.nii"])
def test_a_mask_is_known_by_its_record_whatever_it_is_called(
    tmp_path: Path, record: str, name: str
) -> None:
    photos(tmp_path, "eye.png")
    if name.endswith(".tif"):
        write_tiff(tmp_path / name, MASK // 255, axes="yx")
        (tmp_path / "mine.json").write_text(record)
    else:  # its record travels in the header
        cube = SpatialImage.from_array(np.zeros((4, 5, 6), np.uint8), axes="zyx")
        write_nifti(tmp_path / name, cube, record=record)
    assert names_in(tmp_path) == ["eye.png"]
    assert notice_of(tmp_path).startswith("1 left out, results of earlier runs: mine.")


def test_an_image_beside_a_record_of_another_file_is_an_image(
    tmp_path: Path, record: str
) -> None:
    photos(tmp_path, "eye.tif", "eye.png")
    (tmp_path / "eye.json").write_text(record)
    photos(tmp_path, "skin.tif")
    (tmp_path / "skin.json").write_text("{}")
    assert names_in(tmp_path) == ["eye.png", "eye.tif", "skin.tif"]
