"""Pictures that are not square: what is found lies where it is, and nothing is cut.

The network marks bright samples, so that it is known where its mask has to lie.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from stub_planes import SIDE, TOKENS, marking_model

from napari_dmoe.imaging.appearance import Appearance, appearance
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.pictures.result_pictures import result_pictures
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.running import likeness
from napari_dmoe.inference.running.placing import is_placed_as, placement_on
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

SHAPES = {
    "landscape": (90, 201),
    "portrait": (201, 90),
    "odd": (77, 131),
    "square": (96, 96),
}
PLAIN = Patient()


def marked(shape: tuple[int, int], corner: str) -> np.ndarray:
    """Return a dark picture with one bright corner, a fifth of each side or more."""
    picture = np.zeros(shape, np.uint8)
    height, width = (max(1, n // 5) for n in shape)
    rows = slice(0, height) if "top" in corner else slice(shape[0] - height, None)
    columns = slice(0, width) if "left" in corner else slice(shape[1] - width, None)
    picture[rows, columns] = 255
    return picture


@pytest.mark.parametrize("corner", ["top left", "top right", "bottom left", "bottom"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_mask_lies_on_what_was_marked(name: str, corner: str) -> None:
    picture = marked(SHAPES[name], corner)
    result = segment(marking_model(), picture, PLAIN)
    assert result.labels.shape == picture.shape
    # One sample of the network is as many pixels; the edge may lie within it.
    reach = max(picture.shape) / SIDE
    rows, columns = np.nonzero(picture)
    found_rows, found_columns = np.nonzero(result.labels)
    assert found_rows.min() == pytest.approx(rows.min(), abs=reach)
    assert found_rows.max() == pytest.approx(rows.max(), abs=reach)
    assert found_columns.min() == pytest.approx(columns.min(), abs=reach)
    assert found_columns.max() == pytest.approx(columns.max(), abs=reach)
    # A corner that is touched is found to the very edge.
    is_first = "top" in corner, "left" in corner
    assert result.labels[tuple(0 if first else -1 for first in is_first)] == 1


@pytest.mark.parametrize("across", [0, 1])
def test_a_picture_two_pixels_wide_is_marked_where_it_is_bright(across: int) -> None:
    picture = np.zeros((150, 2), np.uint8)
    picture[40:90] = 255
    picture = picture if across else picture.T
    labels = segment(marking_model(), picture, PLAIN).labels
    assert labels.shape == picture.shape
    along = labels if across else labels.T
    np.testing.assert_array_equal(along[:, 0], along[:, 1])
    found = np.flatnonzero(along[:, 0])
    assert (found[0], found[-1]) == pytest.approx((40, 89), abs=150 / SIDE)
    assert np.array_equal(found, np.arange(found[0], found[-1] + 1))


def test_what_is_padded_never_becomes_a_mask() -> None:
    bright = np.full((60, 200), 255, np.uint8)
    settings = InferenceSettings(scored_at="network", probabilities=True)
    model = marking_model()
    result = segment(model, bright, PLAIN, settings=settings)
    assert model.network.seen[0].shape[-2:] == (SIDE, SIDE)
    assert result.labels.shape == (19, 64)  # 60 / 200 of the side, and no padding
    assert result.probabilities.shape == (2, 19, 64)
    assert result.provenance.grid["shape"] == (19, 64)


def test_tokens_in_the_padding_are_no_part_of_the_routing() -> None:
    # Twice as wide as high: of 4 rows of tokens the middle two are the picture.
    picture = np.zeros((80, 160), np.uint8)
    picture[:, 80:] = 255
    maps = segment(marking_model(), picture, PLAIN).routing
    assert maps.gates[0].shape == (1, 2, TOKENS, 2)
    assert maps.grids[0].shape == (2, TOKENS)
    # A token is 16 samples of 2.5 pixels: its middle lies at 19.5, and so on.
    assert maps.grids[0].start == pytest.approx((19.5, 19.5))
    assert maps.grids[0].step == pytest.approx((40, 40))
    np.testing.assert_allclose(maps.gates[0][0, :, :, 1], [[0, 0, 1, 1]] * 2, atol=0.05)


def test_every_plane_of_a_stack_is_placed_alike() -> None:
    planes = np.stack([marked((50, 90), c) for c in ("top left", "bottom right")])
    image = SpatialImage.from_array(planes, axes="zyx")
    stack = segment(marking_model(), image, PLAIN)
    alone = [
        segment(marking_model(), SpatialImage.from_array(p), PLAIN) for p in planes
    ]
    np.testing.assert_array_equal(stack.labels, np.stack([a.labels for a in alone]))
    np.testing.assert_array_equal(
        stack.routing.gates[0], np.stack([a.routing.gates[0] for a in alone], 1)
    )


def test_a_volume_stored_backwards_is_padded_as_the_one_forwards() -> None:
    planes = np.stack([marked((51, 90), "top left")] * 2)
    ahead = SpatialImage.from_array(planes, axes="zyx")
    turned = SpatialImage(
        planes[:, ::-1], ("z", "y", "x"), np.diag([1.0, -1.0, 1.0, 1.0])
    )
    one, other = (segment(marking_model(), each, PLAIN) for each in (ahead, turned))
    np.testing.assert_array_equal(one.labels, other.labels[:, ::-1])
    assert one.routing.grids[0].shape == other.routing.grids[0].shape


@pytest.mark.parametrize(
    ("card", "asked", "fit", "seen"),
    [
        ("pad", "card", "pad", ((0, 40), (0, 100))),
        ("crop", "card", "crop", ((0, 40), (30, 70))),
        ("stretch", "card", "stretch", ((0, 40), (0, 100))),
        ("crop", "pad", "pad", ((0, 40), (0, 100))),
        ("pad", "crop", "crop", ((0, 40), (30, 70))),
        ("pad", "stretch", "stretch", ((0, 40), (0, 100))),
    ],
)
def test_a_person_may_choose_another_fit_and_the_record_says_so(
    card: str, asked: str, fit: str, seen: object
) -> None:
    image = SpatialImage.from_array(marked((40, 100), "top left"))
    model, settings = marking_model(fit=card), InferenceSettings(fit=asked)
    result = segment(model, image, PLAIN, settings=settings)
    record = Provenance.model_validate_json(result.provenance.model_dump_json())
    assert (record.fit, record.seen) == (fit, seen)
    assert record.settings["fit"] == asked
    assert placement_on(model, image, settings).fit == fit
    again = replay(record, model, image)
    assert (again.verdict, again.differences) == ("equal", ())


def test_a_crop_is_told_and_a_whole_picture_is_not() -> None:
    picture = marked((40, 100), "top left")
    cropped = segment(marking_model(fit="crop"), picture, PLAIN).provenance.notices
    assert (
        "the middle 40 x 40 pixels are seen: 60 % of the picture is not, and its label "
        "is background"
    ) in cropped
    whole = segment(marking_model(), picture, PLAIN).provenance.notices
    assert not any("seen" in notice for notice in whole)


def older(record: Provenance) -> Provenance:
    """Return a record as versions wrote it that knew no fit."""
    stated = json.loads(record.model_dump_json())
    del stated["fit"], stated["settings"]["fit"]
    return Provenance.model_validate(stated)


@pytest.mark.parametrize("was", ["crop", "stretch"])
def test_an_older_record_is_replayed_as_its_model_then_saw_the_picture(
    was: str,
) -> None:
    image = SpatialImage.from_array(marked((40, 101), "top left"))
    record = older(segment(marking_model(fit=was), image, PLAIN).provenance)
    again = replay(record, marking_model(fit="pad"), image)
    assert (again.verdict, again.differences) == ("equal", ())
    assert again.result.provenance.fit == was


def test_an_older_record_of_a_stated_crop_keeps_its_size() -> None:
    model = marking_model(fit="crop", crop=32)
    image = SpatialImage.from_array(marked((40, 101), "top left"))
    record = older(segment(model, image, PLAIN).provenance)
    assert record.seen == ((4, 36), (34, 66))
    assert replay(record, model, image).differences == ()


def test_a_bundled_model_replays_what_it_cropped_before_it_padded() -> None:
    loaded = load_checkpoint("fundus-phantom")
    how = loaded.preprocessing.fitted("crop")
    before = replace(loaded, card=loaded.card.model_copy(update={"preprocessing": how}))
    pixels = np.random.default_rng(0).integers(0, 255, (90, 150, 3), np.uint8)
    image = SpatialImage.from_array(pixels, axes="yxc")
    first = segment(before, image, Patient(severity="suspect"))
    again = replay(older(first.provenance), loaded, image)
    assert (again.verdict, again.differences) == ("equal", ())
    now = segment(loaded, image, Patient(severity="suspect"))
    assert now.provenance.image.input_sha256 != first.provenance.image.input_sha256


def test_masks_of_another_fit_are_not_taken_for_this_run() -> None:
    image = SpatialImage.from_array(marked((40, 100), "top left"))
    settings = InferenceSettings()
    cropped = segment(marking_model(fit="crop"), image, PLAIN).provenance
    for record in (cropped, older(cropped)):
        assert not is_placed_as(record, marking_model(fit="pad"), image, settings)
        assert is_placed_as(record, marking_model(fit="crop"), image, settings)
    square = SpatialImage.from_array(marked((40, 40), "top left"))
    cropped = segment(marking_model(fit="crop"), square, PLAIN).provenance
    assert is_placed_as(older(cropped), marking_model(fit="pad"), square, settings)


def test_pictures_of_a_padded_result_have_the_size_of_the_image() -> None:
    image = SpatialImage.from_array(marked((40, 101), "top left"))
    pictures = result_pictures(image, segment(marking_model(), image, PLAIN))
    assert pictures.mask.shape == (40, 101, 3)
    assert [each.shape for each in pictures.experts] == [(40, 101, 3)]


@pytest.fixture(scope="module")
def skin() -> LoadedModel:
    return load_checkpoint("skin-phantom")


@pytest.fixture
def wide() -> SpatialImage:
    pixels = np.random.default_rng(1).integers(0, 255, (60, 110, 3), np.uint8)
    return SpatialImage.from_array(pixels, axes="yxc")


def test_sweeps_noise_and_mixtures_see_the_picture_as_a_run_does(
    skin: LoadedModel, wide: SpatialImage
) -> None:
    known = Patient(sex="male", age=55)
    plain = segment(skin, wide, known)
    swept = sweep(skin, wide, attribute="sex", patient=known)
    noisy = uncertainty(skin, wide, known, samples=2)
    mixed = segment(skin, wide, Patient(), settings=InferenceSettings(batch=1))
    grids = plain.routing.grids
    tokens = skin.config.grid
    assert grids[0].shape == (round(60 / 110 * tokens), tokens)
    for other in (swept.values[1].result, mixed):
        assert other.labels.shape == (60, 110)
        assert other.routing.grids == grids
        assert other.provenance.fit == "pad"
    assert (swept.values[1].labels == plain.labels).mean() >= 0.9999
    assert all(mask.shape == (60, 110) for mask in mixed.by_value.values())
    assert noisy.labels.shape == (60, 110)
    assert noisy.token_grids == grids
    assert noisy.provenance.fit == "pad"
    for gates in plain.routing.gates:
        np.testing.assert_allclose(gates.sum(-1), 1, atol=1e-5)


def test_what_is_padded_does_not_make_an_image_unlike(
    skin: LoadedModel, wide: SpatialImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def looked(image: torch.Tensor) -> Appearance:
        seen.append(image)
        return appearance(image)

    monkeypatch.setattr(likeness, "appearance", looked)
    segment(skin, wide, Patient(sex="male", age=55))
    assert seen[0].shape == (3, 70, 128)
