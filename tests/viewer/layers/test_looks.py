"""What each output looks like as a layer: name, colours, limits, what its record says.

Where the layers lie is the business of test_placement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from viewer_fakes import N_EXPERTS, make_segmentation
from what_if_fakes import FakeUncertainty

from napari_dmoe.inference.pictures.colours import EXPERT_COLOURS
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.what_if.steps import Swept
from napari_dmoe.inference.what_if.sweep_result import Reference, Sweep, SweptValue
from napari_dmoe.inference.what_if.verdict import Verdict, Yardstick
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.layers.look import (
    difference_layer,
    difference_to_plain,
    mask_layer,
    probability_layers,
)
from napari_dmoe.viewer.layers.placement import LayerData, placement, to_image
from napari_dmoe.viewer.routing.extras import Extras
from napari_dmoe.viewer.routing.map_layers import shown_map
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.what_if.noise.maps import noise_keys, noise_layers
from napari_dmoe.viewer.what_if.sweep.layers import sensitivity_layers, stack_layer

SEEN_THROUGH = "translucent_no_depth"
AFFINE_2D = {"scale": (0.5, 0.25), "translate": (3, 4), "rotate": 20, "shear": (0.1,)}


@pytest.fixture
def source() -> Image:
    return Image(
        np.zeros((12, 9)),
        name="retina",
        units=("um", "um"),
        metadata={"a": 1},
        **AFFINE_2D,
    )


@pytest.fixture
def result(source: Image) -> Segmentation:
    return make_segmentation(to_image(source), has_probabilities=True)


def a_layer(layer_data: LayerData) -> Any:
    data, arguments, kind = layer_data
    return (Labels if kind == "labels" else Image)(data, **arguments)


def rgba(layer: Any, values: Any) -> list[tuple[int, ...]]:
    """Return the colours of some labels, or of some shares of the largest value."""
    kind = np.uint8 if isinstance(layer, Labels) else np.float32
    mapped = 255 * np.asarray(layer.colormap.map(np.array(values, kind)))
    return [tuple(each) for each in mapped.round().astype(int).tolist()]


def looks(layer: Any) -> tuple[Any, ...]:
    return layer.name, layer.opacity, str(layer.blending), layer.visible


def shows(layer: Any) -> str:
    return layer.metadata["napari-dmoe"]["shows"]


def assert_measures(
    layer: Image, limits: tuple[float, float], interpolation_3d: str = "linear"
) -> None:
    """Each sample of a map is one flat box, and no colours of its own."""
    assert layer.contrast_limits == pytest.approx(limits)
    assert str(layer.interpolation2d) == "nearest"
    assert str(layer.interpolation3d) == interpolation_3d
    assert not layer.rgb


def test_a_mask_has_its_classes_colours(source: Image, result: Segmentation) -> None:
    layer = a_layer(mask_layer(source, result))
    assert looks(layer) == ("retina / mask", 0.5, SEEN_THROUGH, True)
    assert rgba(layer, (0, 1, 2, 3)) == [
        (0, 0, 0, 0),
        (86, 180, 233, 255),
        (240, 228, 66, 255),
        (0, 0, 0, 0),
    ]
    assert layer.features["class"].tolist() == ["background", "rim", "cup"]
    assert "shows" not in layer.metadata["napari-dmoe"]
    assert "a" not in layer.metadata


def test_a_probability_fades_in(source: Image, result: Segmentation) -> None:
    rim, cup = map(a_layer, probability_layers(source, result))
    assert looks(rim) == ("retina / probability of rim", 0.7, SEEN_THROUGH, True)
    assert shows(cup) == "probability of cup"
    assert cup.colormap.name == "dmoe class 2"
    assert rgba(cup, (0, 0.5, 1)) == [
        (240, 228, 66, 0),
        (240, 228, 66, 128),
        (240, 228, 66, 255),
    ]
    assert_measures(cup, (0, 1))


def test_a_difference_has_three_colours(source: Image, result: Segmentation) -> None:
    labels = np.zeros((12, 9), np.uint8)
    plain = a_layer(difference_layer(source, labels))
    assert looks(plain) == ("retina / difference", 0.5, SEEN_THROUGH, True)
    assert plain.metadata == {}
    words = ("the same", "a only", "b only", "another")
    named = difference_to_plain(source, result, labels, what="b", words=words)
    layer = a_layer(named)
    assert looks(layer) == ("retina / b", 0.9, SEEN_THROUGH, True)
    assert shows(layer) == "b, to the unchanged mask"
    assert layer.features["difference"].tolist() == list(words)
    for each in (plain, layer):
        assert rgba(each, (0, 1, 2, 3)) == [
            (0, 0, 0, 0),
            (21, 100, 196, 255),
            (169, 167, 0, 255),
            (92, 59, 105, 255),
        ]


@pytest.mark.parametrize(
    ("name", "title", "column", "first"),
    [
        ("dominant", "routing block 1", "expert", "0 (from 0), block 1"),
        ("pair", "expert pairs, block 1", "pair", "experts 0 + 1, block 1"),
    ],
)
def test_experts_and_pairs_have_colours_and_names(
    source: Image,
    result: Segmentation,
    name: Any,
    title: str,
    column: str,
    first: str,
) -> None:
    shown = shown_map(source, result, Overlay(name, 1), Extras())
    layer = a_layer(shown.layer_data)
    assert looks(layer) == (f"retina / {title}", 0.5, SEEN_THROUGH, True)
    assert layer.features[column][0] == first
    colours = rgba(layer, (0, 1, 2))
    assert colours == (
        [(*colour, 255) for colour in EXPERT_COLOURS[:3]]
        if name == "dominant"
        else [(187, 27, 27, 255), (130, 161, 237, 255), (159, 228, 63, 255)]
    )


@pytest.mark.parametrize(
    ("overlay", "title", "says", "ends"),
    [
        (
            Overlay("gate", 1, 2),
            "gate of expert 2, block 1",
            "gate of expert 2, block 1",
            [(160, 185, 68, 0), (160, 185, 68, 255)],
        ),
        (
            Overlay("entropy", 1),
            "entropy of the gates, block 1",
            "entropy of the gates, block 1",
            [(68, 1, 84, 255), (253, 231, 37, 255)],
        ),
        (
            Overlay("agreement", 1),
            "agreement of blocks, all blocks",
            "agreement of blocks, all blocks",
            [(68, 1, 84, 255), (253, 231, 37, 255)],
        ),
    ],
)
def test_a_measure_of_the_routing_has_its_ramp_and_limits(
    source: Image,
    result: Segmentation,
    overlay: Overlay,
    title: str,
    says: str,
    ends: list[tuple[int, ...]],
) -> None:
    layer = a_layer(shown_map(source, result, overlay, Extras()).layer_data)
    assert looks(layer) == (f"retina / {title}", 0.7, SEEN_THROUGH, True)
    assert shows(layer) == says
    assert rgba(layer, (0, 1)) == ends
    assert_measures(layer, (0, 1), "nearest")


def test_votes_have_as_many_steps_as_experts(
    source: Image, result: Segmentation
) -> None:
    extras = Extras()
    extras.votes[16, 0] = (np.ones((N_EXPERTS, 3, 3), np.uint8),) * 4
    shown = shown_map(source, result, Overlay("uncertainty", 1), extras)
    layer = a_layer(shown.layer_data)
    assert layer.name == "retina / routing uncertainty, block 1"
    assert_measures(layer, (0, np.log2(N_EXPERTS)), "nearest")


def test_noise_is_added_to_the_image_and_votes_are_hidden(
    source: Image, fundus_model: LoadedModel
) -> None:
    found = FakeUncertainty()(
        fundus_model,
        to_image(source),
        Patient(severity="suspect"),
        samples=16,
        seed=0,
        settings=None,
        progress=lambda progress: None,
        experts=False,
    )
    entropy, rim, cup = map(a_layer, noise_layers(source, found))
    assert looks(entropy) == ("retina / noise entropy", 0.7, "additive", True)
    assert shows(entropy) == "entropy of 16 noise samples, in bits"
    assert rgba(entropy, (0, 1)) == [(0, 0, 4, 255), (252, 255, 164, 255)]
    assert_measures(entropy, (0, np.log2(3)))
    assert looks(rim) == ("retina / votes for rim", 0.7, SEEN_THROUGH, True)
    assert shows(cup) == "votes for cup of 16 noise samples"
    assert cup.colormap.name == "dmoe votes 2"
    assert rgba(cup, (0, 1)) == [(240, 228, 66, 0), (240, 228, 66, 255)]
    assert_measures(cup, (0, 16))
    keys = noise_keys(found)
    assert [(key.title, key.ends) for key in keys] == [
        ("Disagreement of the runs: 0 where all agree", ("0", "1.58 bits")),
        ("Votes for rim", ("0", "16 votes")),
        ("Votes for cup", ("0", "16 votes")),
    ]
    assert (len(keys[0].ramp), keys[0].ramp[0], keys[0].ramp[-1]) == (
        *(16, (0, 0, 4)),
        (252, 255, 164),
    )
    assert keys[2].ramp == ((150, 148, 116), (240, 228, 66))


def a_sweep(result: Segmentation) -> Sweep:
    values = tuple(
        SweptValue(name, (name,), result, name == "suspect", (), None, (), 0)
        for name in ("healthy", "suspect", "glaucoma")
    )
    return Sweep(
        attributes=("severity",),
        titles=("Severity",),
        shape=(3,),
        values=values,
        reference=Reference("suspect", result.labels, 1, (), None),
        differs=np.zeros((12, 9), np.uint8),
        entropy=np.zeros((12, 9), np.float32),
        votes=np.zeros((3, 12, 9), np.uint8),
        regions=(),
        n_regions=0,
        verdict=Verdict((), Yardstick((), (), (1.0, 1.0), "suspect", 0), (), ()),
    )


def test_nothing_is_seen_where_a_sweep_changes_nothing(
    source: Image, result: Segmentation
) -> None:
    changes, entropy = map(a_layer, sensitivity_layers(source, a_sweep(result)))
    assert looks(changes) == ("retina / changes with severity", 0.7, SEEN_THROUGH, True)
    name = "vote entropy over severity"
    assert looks(entropy) == (f"retina / {name}", 0.7, SEEN_THROUGH, True)
    assert (shows(changes), shows(entropy)) == ("changes with severity", name)
    assert_measures(changes, (0, 2))
    assert_measures(entropy, (0, np.log2(3)))
    assert changes.colormap.name == "dmoe sensitivity"
    assert rgba(changes, (0, 1)) == [(0, 0, 4, 0), (252, 253, 191, 255)]


def test_the_masks_of_a_sweep_look_like_a_mask(
    source: Image, result: Segmentation
) -> None:
    steps = ("healthy", "suspect")
    made = stack_layer(source, Swept(a_sweep(result), steps, (result, result), 0, 0.0))
    layer = a_layer(made)
    assert looks(layer) == ("retina / sweep of severity", 0.5, SEEN_THROUGH, True)
    assert layer.data.shape == (2, 12, 9)
    assert shows(layer) == "healthy; suspect"
    assert rgba(layer, (1,)) == [(86, 180, 233, 255)]
    np.testing.assert_allclose(
        layer.data_to_world((1, 5, 2))[1:], source.data_to_world((5, 2))
    )


def outputs(source: Image, result: Segmentation) -> Iterator[LayerData]:
    yield mask_layer(source, result)
    yield from probability_layers(source, result)
    yield difference_to_plain(source, result, result.labels, what="b")
    yield difference_layer(source, result.labels)
    yield from sensitivity_layers(source, a_sweep(result))


def test_every_output_on_the_images_own_pixels_lies_where_these_do(
    source: Image, result: Segmentation
) -> None:
    wanted = placement(source, result.grid)
    for _, arguments, _ in outputs(source, result):
        for name, value in wanted.items():
            np.testing.assert_array_equal(arguments[name], value)
