"""Pictures that are not square in a training: what is padded teaches nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_cases import CARD, CONFIG, PLAIN, square

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.appearance import appearance
from napari_dmoe.imaging.preprocessing import Preprocessing, prepare, standardised
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.patient import Patient
from napari_dmoe.training.augmentation.settings import (
    AugmentSettings,
    FullerAugmentSettings,
    PublishedAugmentSettings,
)
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.pool import PlanePool, part_of, read_pool
from napari_dmoe.training.facts.image_facts import appearances
from napari_dmoe.training.loop.absent import filled
from napari_dmoe.training.loop.fit import fit

HOW = Preprocessing(fit="pad", side=32, resize="half-pixel", standardise=True)
PADDED = CARD.model_copy(update={"preprocessing": HOW})


def model() -> LoadedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_model("dmoe-vit", CONFIG, PADDED)


def wide(number: int, labels: np.ndarray | None = None) -> Case:
    """Return a picture twice as wide as high, a square of it labelled."""
    case = square(number)
    pixels = np.tile(np.asarray(case.image.data), (1, 2))
    if labels is None:
        labels = np.tile(np.asarray(case.labels.data), (1, 2))
    return replace(
        case,
        image=SpatialImage(pixels, ("y", "x")),
        labels=SpatialImage(labels, ("y", "x")),
    )


@pytest.fixture
def pool() -> PlanePool:
    return read_pool([wide(0), square(1)], PADDED)


def test_labels_lie_where_the_picture_lies_and_padding_has_none(
    pool: PlanePool,
) -> None:
    assert pool.pictures == ((slice(8, 24), slice(0, 32)), ())
    assert (pool.labels[0][:8] == IGNORED).all()
    assert (pool.labels[0][24:] == IGNORED).all()
    assert (pool.labels[0][8:24] != IGNORED).all()
    assert (pool.labels[1] != IGNORED).all()
    # Each sample is the mean of two pixels, and takes the label of the second.
    truth = np.asarray(wide(0).labels.data)[1::2, 1::2]
    np.testing.assert_array_equal(pool.labels[0][8:24], truth)


def test_a_case_is_trained_on_as_a_run_sees_it(pool: PlanePool) -> None:
    seen = prepare(wide(0).image, HOW).tensor
    given, _ = pool.plain(torch.tensor([0]))
    # A pool holds 8 bits.
    torch.testing.assert_close(given[0, :1], seen, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        AugmentSettings(rotation=0, zoom=1, shift=0, light=0, colour=0, noise=0),
        AugmentSettings(rotation=30, zoom=1.2, shift=0.1),
        PublishedAugmentSettings(quarter_turns=1),
        PublishedAugmentSettings(quarter_turns=0, rotations=1),
        FullerAugmentSettings(),
    ],
    ids=["none", "phantoms", "quarter turns", "rotated", "fuller"],
)
def test_padding_stays_without_labels_however_a_batch_is_varied(
    pool: PlanePool, settings: object
) -> None:
    generator = torch.Generator().manual_seed(3)
    images, labels = pool.varied(torch.tensor([0, 1]), settings, generator)
    assert labels.dtype == torch.uint8
    assert set(labels[0].unique().tolist()) <= {0, 1, 2, IGNORED}
    share = (labels[0] == IGNORED).float().mean()
    assert 0.2 < share <= 0.65
    assert not (labels[1] == IGNORED).any()
    # Standardised over what is shown alone.
    shown = images[0][:, labels[0] != IGNORED]
    torch.testing.assert_close(shown.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(shown.std(1), torch.ones(3), atol=1e-3, rtol=0)


def test_squares_alone_are_read_as_before() -> None:
    cases = [square(0), square(1)]
    cropped = CARD.model_copy(update={"preprocessing": HOW.fitted("crop")})
    padded, before = read_pool(cases, PADDED), read_pool(cases, cropped)
    assert padded.pictures == ()
    torch.testing.assert_close(padded.images, before.images, rtol=0, atol=0)
    for one, other in zip(
        padded.plain(torch.tensor([0, 1])),
        before.plain(torch.tensor([0, 1])),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    expected = standardised(before.images[:1].float() / 255)
    torch.testing.assert_close(padded.plain(torch.tensor([0]))[0], expected)


def test_a_part_of_a_pool_keeps_where_its_pictures_lie(pool: PlanePool) -> None:
    assert part_of(pool, [1]).pictures == ((),)
    assert part_of(pool, [0]).shown(0) == (slice(8, 24), slice(0, 32))


def test_a_card_tells_what_pictures_look_like_without_padding(
    pool: PlanePool,
) -> None:
    expected = appearance(pool.images[0][:, 8:24].float() / 255)
    assert appearances(pool)[0] == expected


def test_padding_does_not_count_as_not_annotated() -> None:
    """A picture that is all rim and cup lacks a background, and is whole."""
    labels = np.ones((32, 64), np.uint8)
    labels[10:20, 10:20] = 2
    read = read_pool([wide(0, labels)], PADDED)
    found = filled(replace(model(), sha256="0" * 64), read, None, PLAIN)
    assert found.notices == ()
    torch.testing.assert_close(found.pool.labels, read.labels)


def test_kept_background_is_not_taught_in_the_padding() -> None:
    labels = np.full((32, 64), 9, np.uint8)
    labels[10:20, 10:20] = 1
    labels[20:24, 10:20] = 2
    from napari_dmoe.training.cases.annotation import Annotation

    read = read_pool([wide(0, labels)], PADDED, annotation=Annotation(unlabelled=9))
    found = filled(replace(model(), sha256="0" * 64), read, None, PLAIN)
    assert "no case shows any background" in found.notices[0]
    assert (found.pool.labels[0][:8] == IGNORED).all()
    assert (found.pool.labels[0][24:] == IGNORED).all()


def test_a_model_is_trained_on_wide_pictures_and_segments_them_whole() -> None:
    fitted = fit(model(), [wide(i) for i in range(4)], settings=PLAIN)
    assert fitted.loaded.card.preprocessing.fit == "pad"
    result = segment(fitted.loaded, wide(9).image, Patient(severity="suspect"))
    assert result.labels.shape == (32, 64)
    assert result.provenance.fit == "pad"
