"""Coarse to fine: a first pass finds the structure, a second sees a square around it.

The network marks bright samples, so that it is known where both passes have to look.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from stub_networks import thresholding_model
from stub_planes import SIDE, marking_model
from torch import Tensor

from napari_dmoe.imaging.focusing import Focus
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.running import plane_inputs
from napari_dmoe.inference.running.drivers import choose_routers
from napari_dmoe.inference.running.first_pass import of_everybody
from napari_dmoe.inference.running.many import Asked, segment_many
from napari_dmoe.inference.running.placing import is_placed_as, placement_on
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.volumes import FOR_PLANES
from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress

PLAIN = Patient()
FOCUS = {"margin": 0.5, "least": 0.1}


def spotted(
    shape: tuple[int, int], rows: slice, columns: slice, value: int = 255
) -> np.ndarray:
    """Return a dark picture with one bright spot."""
    picture = np.zeros(shape, np.uint8)
    picture[rows, columns] = value
    return picture


# A sample of the whole is 4 pixels, of the square 1.
SPOT = spotted((256, 256), slice(97, 127), slice(162, 191))


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(256, 256), (130, 256), (256, 130)])
def test_what_is_found_twice_lies_where_it_is_to_the_pixel(
    shape: tuple[int, int], fit: str
) -> None:
    height, width = (n // 2 for n in shape)
    picture = spotted(
        shape, slice(height + 7, height + 36), slice(width - 23, width + 6)
    )
    once = segment(marking_model(fit=fit), picture, PLAIN)
    twice = segment(marking_model(fit=fit, focus=FOCUS), picture, PLAIN)
    wrong = np.count_nonzero(twice.labels != (picture > 0))
    assert twice.labels.shape == shape
    assert wrong <= 2 * 30  # a pixel along two sides
    assert wrong < np.count_nonzero(once.labels != (picture > 0))


def test_labels_routing_and_record_lie_on_the_square() -> None:
    model = marking_model(focus=FOCUS)
    result = segment(model, SPOT, PLAIN)
    record = result.provenance
    (top, bottom), (left, right) = record.seen
    assert (bottom - top, right - left) == (64, 64)  # 8 samples found, 16 in all
    assert (top, left) == pytest.approx(((97 + 127) / 2 - 32, 176.5 - 32), abs=4)
    assert record.focus.model_dump() == {
        **FOCUS,
        "sure": 0,
        "searched": ((0, 256), (0, 256)),
        "found": True,
    }
    assert (record.fit, record.keep, record.fill) == ("pad", "all", False)
    tokens = result.routing.grids[0]
    assert tokens.step == (64 / 4, 64 / 4)
    assert tokens.start == pytest.approx((top + 7.5, left + 7.5))
    # The brightest tokens are those on the spot.
    bright = result.routing.gates[0][0, :, :, 1] > 0.5
    rows = tokens.start[0] + np.flatnonzero(bright.any(1)) * tokens.step[0]
    assert all(97 - 8 <= row <= 127 + 8 for row in rows)
    first, second = (seen[0, 0].numpy() for seen in model.network.seen)
    assert (first > 0.5).mean() == pytest.approx(900 / 256**2, rel=0.2)
    assert (second > 0.5).mean() == pytest.approx(870 / 64**2, rel=0.05)
    assert any("a second pass saw 64 x 64 pixels" in each for each in record.notices)


def test_outside_the_square_the_label_is_background() -> None:
    # The glare is as bright in the first pass, and out of sight in the second.
    picture = SPOT.copy()
    picture[:20, :20] = 255
    kept = marking_model(focus=FOCUS, keep="largest")
    labels = segment(kept, picture, PLAIN).labels
    assert not labels[:20, :20].any()
    assert labels[100:120, 165:185].all()
    both = segment(marking_model(focus=FOCUS), picture, PLAIN)
    assert both.labels[:15, :15].all()  # around all that was found


def test_where_nothing_is_found_the_mask_is_empty_and_it_says_so() -> None:
    picture = spotted((128, 128), slice(0, 4), slice(0, 4), 90)
    settings = InferenceSettings(probabilities=True)
    result = segment(marking_model(focus=FOCUS), picture, PLAIN, settings=settings)
    assert not result.labels.any()
    assert result.provenance.focus.found is False
    assert result.provenance.seen == ((0, 128), (0, 128))
    assert plane_inputs.NOTHING_FOUND in result.provenance.notices
    assert result.routing.gates[0].shape == (1, 4, 4, 2)
    assert replay(
        result.provenance, marking_model(), SpatialImage.from_array(picture)
    ).verdict == ("equal")


# Of a bright sample the network is sure by 1 / (1 + 1/e) = 0.73, of a dim one by less.
SURE = {**FOCUS, "sure": 0.7}
DIM = spotted((128, 128), slice(40, 60), slice(40, 60), 200)


def test_what_a_first_pass_is_not_sure_of_is_not_found() -> None:
    for focus, is_found in ((FOCUS, True), (SURE, False)):
        found = segment(marking_model(focus=focus), DIM, PLAIN)
        assert found.labels.any() == is_found == found.provenance.focus.found
        said = plane_inputs.NOTHING_SURE in found.provenance.notices
        assert said == (not is_found)
    assert segment(marking_model(focus=SURE), SPOT, PLAIN).labels.any()
    off = InferenceSettings(focus="off")
    assert segment(marking_model(focus=SURE), DIM, PLAIN, settings=off).labels.any()


def test_a_record_says_how_sure_it_had_to_be_and_a_replay_goes_by_it() -> None:
    image = SpatialImage.from_array(DIM)
    record = segment(marking_model(focus=SURE), image, PLAIN).provenance
    assert record.focus.sure == 0.7
    assert Provenance.model_validate_json(record.model_dump_json()) == record
    assert replay(record, marking_model(focus=FOCUS), image).verdict == "equal"
    assert not is_placed_as(
        record, marking_model(focus=FOCUS), image, InferenceSettings()
    )


def test_planes_that_it_is_not_sure_of_are_counted() -> None:
    planes = np.stack([spotted((128, 128), slice(40, 60), slice(40, 60)), DIM, 0 * DIM])
    planes[2, 0, 0] = 100
    stack = SpatialImage.from_array(planes, axes="zyx")
    result = segment(marking_model(focus=SURE), stack, PLAIN)
    assert [plane.any() for plane in result.labels] == [True, False, False]
    said = (
        "a first pass found nothing in 2 of 3 planes, or not surely enough (1): their "
        "masks are empty"
    )
    assert said in result.provenance.notices


def test_a_stack_is_seen_around_all_that_is_found_in_its_planes() -> None:
    planes = np.stack(
        [
            spotted((128, 128), slice(40, 60), slice(30, 50)),
            np.full((128, 128), 30, np.uint8),
            spotted((128, 128), slice(50, 70), slice(60, 80)),
        ]
    )
    planes[1, 0, 0] = 100
    stack = SpatialImage.from_array(planes, axes="zyx")
    result = segment(marking_model(focus=FOCUS), stack, PLAIN)
    assert not result.labels[1].any()
    for plane in (0, 2):
        wrong = np.count_nonzero(result.labels[plane] != (planes[plane] > 200))
        assert wrong <= 2 * 20 + 2
    (top, bottom), (left, right) = result.provenance.seen
    assert bottom - top == right - left == 100  # 50 columns found, and half around
    said = "a first pass found nothing in 1 of 3 planes: their masks are empty"
    assert said in result.provenance.notices


def test_a_long_stack_is_what_a_short_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = [spotted((64, 64), slice(i, i + 20), slice(20, 40)) for i in range(20, 25)]
    stack = SpatialImage.from_array(np.stack(planes), axes="zyx")
    kept = segment(marking_model(focus=FOCUS), stack, PLAIN)
    monkeypatch.setattr(plane_inputs, "KEPT_PLANES", 2)
    read = segment(marking_model(focus=FOCUS), stack, PLAIN)
    np.testing.assert_array_equal(kept.labels, read.labels)
    assert kept.provenance.image == read.provenance.image


def test_a_volume_stored_backwards_has_its_square_on_the_same_place() -> None:
    planes = np.stack([SPOT] * 2)
    ahead = SpatialImage.from_array(planes, axes="zyx")
    turned = SpatialImage(
        planes[:, ::-1], ("z", "y", "x"), np.diag([1.0, -1.0, 1.0, 1.0])
    )
    one, other = (
        segment(marking_model(focus=FOCUS), each, PLAIN) for each in (ahead, turned)
    )
    np.testing.assert_array_equal(one.labels, other.labels[:, ::-1])
    (a, b), _ = one.provenance.seen
    assert other.provenance.seen[0] == (256 - b, 256 - a)
    assert replay(other.provenance, marking_model(), turned).verdict == "equal"


def test_at_the_network_the_mask_has_the_samples_of_the_square() -> None:
    # The strip is 40 pixels high: a square of 64 is padded in its height.
    picture = spotted((40, 256), slice(6, 34), slice(96, 128))
    how = InferenceSettings(scored_at="network", probabilities=True)
    result = segment(marking_model(focus=FOCUS), picture, PLAIN, settings=how)
    shape = result.provenance.grid["shape"]
    assert shape == (40 / 64 * SIDE, SIDE)
    assert result.labels.shape == shape
    assert result.probabilities.shape == (2, *shape)
    assert result.labels.any()


class _Lazy:
    """Pixels that count how often they are read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels, self.n_read = pixels, 0
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, place: object) -> np.ndarray:
        read = self._pixels[place]
        self.n_read += read.size
        return read


def test_a_picture_is_read_once() -> None:
    lazy = _Lazy(SPOT)
    segment(marking_model(focus=FOCUS), SpatialImage(lazy, ("y", "x"), np.eye(3)))
    assert lazy.n_read == SPOT.size


# ---- what is compared sees the same square


class Driven(torch.nn.Module):
    """Marks what is brighter than a threshold that the router decides."""

    def __init__(self, marking: torch.nn.Module) -> None:
        super().__init__()
        self.config = marking.config.model_copy(update={"n_routers": 2})
        self._marking = marking
        self.told: list[list[float]] = []
        """Share of the first value's router, of each row of each pass so far."""

    def forward(
        self,
        x: Tensor,
        category: Tensor,
        noise: object = None,
        experts: object = None,
    ) -> object:
        is_shared = category.is_floating_point()
        first = category[:, :1] if is_shared else (category[:, :1] == 0).float()
        self.told.append(first[:, 0].tolist())
        threshold = (0.7 - 0.4 * first)[..., None, None]  # 0.3 for the first value
        out = self._marking(x, None)
        scores = torch.cat([threshold.expand_as(x[:, :1]), x[:, :1]], 1)
        return replace(out, logits=scores)


SEX = CardAttribute(name="sex", values=("female", "male"), frequencies=(0.25, 0.75))
MAN, WOMAN = Patient(sex="male"), Patient(sex="female")
ONE = InferenceSettings(batch=1)


def driven(**stated: object) -> LoadedModel:
    """Return a model that marks more for women than for men."""
    model = marking_model(**({"focus": FOCUS} | stated))
    card = model.card.model_copy(update={"attributes": (SEX,)})
    return LoadedModel(Driven(model.module), card, model.architecture)


@pytest.fixture
def halo() -> SpatialImage:
    """Return a spot that fades: how far it is marked depends on the threshold."""
    y, x = np.mgrid[:200, :200]
    far = np.hypot(y - 90, x - 120)
    return SpatialImage.from_array((255 * np.clip(1 - far / 50, 0, 1)).astype("u1"))


def test_the_first_pass_takes_the_mean_of_the_routers(halo: SpatialImage) -> None:
    model = driven()
    assert of_everybody(model).categories == ((0.25, 0.75),)
    segment(model, halo, MAN)
    assert model.network.told == [[0.25], [0.0]]


def test_all_that_is_compared_sees_the_square_of_a_single_run(
    halo: SpatialImage,
) -> None:
    woman, man = (segment(driven(), halo, each, settings=ONE) for each in (WOMAN, MAN))
    seen = woman.provenance.seen
    assert man.provenance.seen == seen
    assert np.count_nonzero(woman.labels) > 1.5 * np.count_nonzero(man.labels)
    swept = sweep(driven(), halo, attribute="sex", patient=MAN, settings=ONE)
    for value, alone in zip(swept.values, (woman, man), strict=True):
        np.testing.assert_array_equal(value.labels, alone.labels)
        assert value.result.provenance.seen == seen
        input_sha256 = value.result.provenance.image.input_sha256
        assert input_sha256 == alone.provenance.image.input_sha256
    mixed = segment(driven(), halo, PLAIN, settings=ONE)
    assert mixed.provenance.seen == seen
    np.testing.assert_array_equal(mixed.by_value["female"], woman.labels)
    np.testing.assert_array_equal(mixed.by_value["male"], man.labels)
    noisy = uncertainty(driven(), halo, MAN, samples=3, settings=ONE)
    assert noisy.provenance.seen == seen
    without = ablate(driven(), halo, MAN, mute=[(None, 1)], settings=ONE)
    assert without.result.provenance.seen == without.plain.provenance.seen == seen


@pytest.mark.parametrize("batch", [1, 8])
def test_images_that_share_batches_come_out_as_by_themselves(batch: int) -> None:
    how = InferenceSettings(
        batch=batch, focus="on", keep="largest", fill="on", probabilities=True
    )
    model = driven(focus=None)
    pictures = [
        SPOT,
        spotted((90, 140), slice(30, 50), slice(100, 130)),
        spotted((60, 60), slice(0, 6), slice(0, 6), 90),
        np.stack([SPOT, spotted((256, 256), slice(20, 60), slice(30, 50))]),
    ]
    axes = ("yx", "yx", "yx", "zyx")
    images = [
        SpatialImage.from_array(each, axes=named)
        for each, named in zip(pictures, axes, strict=True)
    ]
    patients = MAN, PLAIN, WOMAN, PLAIN
    asked = [
        Asked(image, (choose_routers(model, patient, how),))
        for image, patient in zip(images, patients, strict=True)
    ]
    found = list(segment_many(model, asked, how))
    for (mine,), image, patient in zip(found, images, patients, strict=True):
        alone = segment(model, image, patient, settings=how)
        np.testing.assert_array_equal(mine.labels, alone.labels)
        np.testing.assert_array_equal(mine.probabilities, alone.probabilities)
        left_out = {"created", "threads"}  # which a busy machine decides
        assert mine.provenance.model_dump(exclude=left_out) == (
            alone.provenance.model_dump(exclude=left_out)
        )


def test_a_bundled_model_gives_a_value_of_a_sweep_the_mask_that_it_has_alone() -> None:
    model = load_checkpoint("skin-phantom")
    rng = np.random.default_rng(2)
    pixels = np.repeat(np.repeat(rng.integers(60, 200, (8, 11, 3)), 12, 0), 12, 1)
    image = SpatialImage.from_array(pixels.astype(np.uint8), axes="yxc")
    how = InferenceSettings(batch=1, focus="on", keep="largest", fill="on")
    alone = segment(model, image, Patient(sex="male", age=50), settings=how)
    patient = Patient(sex="female", age=50)
    swept = sweep(model, image, attribute="sex", patient=patient, settings=how)
    male = swept.values[1]
    np.testing.assert_array_equal(male.labels, alone.labels)
    assert male.result.provenance.seen == alone.provenance.seen
    again = replay(male.result.provenance, model, image)
    assert (again.verdict, again.differences) == ("equal", ())


# ---- what is made of the mask


RING = SPOT.copy()
RING[105:115, 170:180] = 0
RING[10:30, 10:30] = 255


def test_parts_and_holes_are_as_the_card_says_and_the_record_tells() -> None:
    model = marking_model(keep="largest", fill=True)
    how = InferenceSettings(probabilities=True)
    result = segment(model, RING, PLAIN, settings=how)
    plain = segment(marking_model(), RING, PLAIN, settings=how)
    assert plain.labels[110, 175] == 0
    assert plain.labels[20, 20] == 1
    assert result.labels[110, 175] == 1
    assert result.labels[20, 20] == 0
    np.testing.assert_array_equal(result.probabilities, plain.probabilities)
    record = result.provenance
    assert (record.keep, record.fill, record.focus) == ("largest", True, None)
    said = " ".join(record.notices)
    assert "only the largest part of the mask is kept: 1 other part of" in said
    assert "were filled" in said
    assert "the probabilities are as the network gives them" in said
    assert not any("probabilities are as" in each for each in plain.provenance.notices)


def test_masks_of_each_value_are_treated_like_the_mixture() -> None:
    result = segment(driven(keep="largest", fill=True), RING, PLAIN)
    for mask in (result.labels, *result.by_value.values()):
        assert mask[110, 175] == 1
        assert mask[20, 20] == 0


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({}, (True, "largest", True)),
        ({"focus": "off"}, (False, "largest", True)),
        ({"keep": "all"}, (True, "all", True)),
        ({"fill": "off"}, (True, "largest", False)),
        ({"focus": "on", "keep": "largest", "fill": "on"}, (True, "largest", True)),
    ],
)
def test_a_person_may_choose_otherwise_and_a_replay_makes_it_again(
    asked: dict[str, str], made: tuple[bool, str, bool]
) -> None:
    image, how = SpatialImage.from_array(RING), InferenceSettings(**asked)
    model = marking_model(
        focus={"margin": 0.2, "least": 0.2}, keep="largest", fill=True
    )
    result = segment(model, image, PLAIN, settings=how)
    text = result.provenance.model_dump_json()
    record = Provenance.model_validate_json(text)
    assert (record.focus is not None, record.keep, record.fill) == made
    assert is_placed_as(record, model, image, how)
    # Whatever the card says by now.
    for other in (model, marking_model(), marking_model(focus={"margin": 2})):
        again = replay(record, other, image)
        assert (again.verdict, again.differences) == ("equal", ())
    is_alike = made == (False, "all", False)
    assert is_placed_as(record, marking_model(), image, InferenceSettings()) == is_alike


def test_an_older_record_is_replayed_in_one_pass_with_every_part() -> None:
    image = SpatialImage.from_array(RING)
    stated = json.loads(
        segment(marking_model(), image, PLAIN).provenance.model_dump_json()
    )
    for name in ("focus", "keep", "fill"):
        del stated[name], stated["settings"][name]
    record = Provenance.model_validate(stated)
    model = marking_model(focus=FOCUS, keep="largest", fill=True)
    again = replay(record, model, image)
    assert (again.verdict, again.differences) == ("equal", ())
    assert not is_placed_as(record, model, image, InferenceSettings())
    assert is_placed_as(record, marking_model(), image, InferenceSettings())


def test_without_these_fields_a_card_is_what_it_was() -> None:
    stated = marking_model().card.preprocessing
    assert (stated.focus, stated.keep, stated.fill) == (None, "all", False)
    assert stated.mask_words == ""
    every = load_checkpoint("skin-phantom").preprocessing
    assert (every.focus, every.keep, every.fill) == (None, "all", False)


def test_before_a_run_only_what_the_first_pass_sees_is_known() -> None:
    image = SpatialImage.from_array(SPOT)
    how = InferenceSettings(focus="on")
    assert placement_on(marking_model(), image, how).unseen == 0


def test_the_default_square_is_taken_where_the_card_states_none() -> None:
    how = InferenceSettings(focus="on")
    record = segment(marking_model(), SPOT, PLAIN, settings=how).provenance
    assert (record.focus.margin, record.focus.least) == (Focus().margin, Focus().least)


def test_a_3d_model_says_that_it_knows_none_of_it() -> None:
    volume = SpatialImage.from_array(np.zeros((32, 32, 64), np.float32), axes="zyx")
    for asked, is_said in (({"keep": "largest"}, True), ({"keep": "all"}, False)):
        how = InferenceSettings(**asked)
        record = segment(
            thresholding_model(), volume, Patient(severity="T2"), settings=how
        ).provenance
        assert (FOR_PLANES in record.notices) == is_said
        assert record.keep is None


@pytest.mark.parametrize("n_planes", [1, 11])
def test_progress_counts_both_passes(n_planes: int) -> None:
    stack = SpatialImage.from_array(np.stack([SPOT] * n_planes), axes="zyx")
    steps: list[Progress] = []
    segment(marking_model(focus=FOCUS), stack, PLAIN, progress=steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    kinds = [kind for kind, _ in steps[0].plan]
    assert kinds == ["preparing", "running", "preparing", "running", "restoring"]
    assert len({step.plan for step in steps}) == 1
    assert any("first pass" in step.message for step in steps)
    assert sum(share for _, share in steps[0].plan) == pytest.approx(1)
