"""What the Routing tab says of a result, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from viewer_fakes import N_BLOCKS, N_EXPERTS, make_outcome, make_segmentation

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.pictures.colours import GREY, expert_colours
from napari_dmoe.inference.results.provenance import ControlRecord
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.routing.extras import extras_of
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.routing.state import RoutingState, routing_state
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.results import Result

TWO = Overlay("divergence", attribute="severity", values=("healthy", "glaucoma"))


def made_on(
    viewer: ViewerModel, value: str | None = "suspect", **changes: object
) -> Result:
    image = viewer.add_image(np.zeros((12, 9)), name="retina")
    made = replace(make_segmentation(to_image(image), value=value), **changes)
    return results.show(viewer, image, make_outcome(made))


def state_of(result: Result, overlay: Overlay) -> RoutingState:
    return routing_state(result, overlay, is_shown=True)


def with_experts(made: Segmentation, expert: int) -> Segmentation:
    """Return the same result with every token of every block at one expert."""
    gates = [np.zeros_like(block) for block in made.routing.gates]
    for block in gates:
        block[..., expert] = 1
    return replace(made, routing=replace(made.routing, gates=tuple(gates)))


def test_a_mask_of_changed_experts_is_called_so(viewer: ViewerModel) -> None:
    plain = made_on(viewer)
    assert state_of(plain, Overlay()).departures == ""
    control = ControlRecord(pin=((None, 3),))
    record = plain.segmentation.provenance.model_copy(update={"experts": control})
    pinned = made_on(viewer, provenance=record)
    said = state_of(pinned, Overlay()).departures
    assert said == "Model changed: expert 3 pinned in all blocks."


def test_two_values_are_told_apart_block_by_block(viewer: ViewerModel) -> None:
    lacking = state_of(made_on(viewer), TWO)
    assert "Mean by" not in lacking.note
    assert lacking.key is None  # there is nothing that a bar would explain
    result = made_on(viewer, value=None)
    made, extras = result.segmentation, extras_of(result)
    for value, expert in (("healthy", 0), ("glaucoma", 1)):
        routing = with_experts(made, expert).routing
        extras.by_value["severity", value] = routing
    last = extras.by_value["severity", "glaucoma"].gates[2]
    last[...] = extras.by_value["severity", "healthy"].gates[2]
    state = state_of(result, TWO)
    expected = "Mean by block: 0: 1.00 · 1: 1.00 · 2: 0.00"
    assert expected in state.note
    assert "bits; most in block 0." in state.note
    assert state.key.ends == ("0", "1 bit")


def test_the_bar_has_the_colours_of_the_map(viewer: ViewerModel) -> None:
    result = made_on(viewer)
    gate = state_of(result, Overlay("gate", block=0, expert=2)).key
    whole = expert_colours(N_EXPERTS)[2]  # where the gate is 0, the image is seen
    assert (gate.ramp, gate.ends) == ((GREY, whole), ("0", "1"))
    entropy = state_of(result, Overlay("entropy", block=0)).key
    assert entropy.ends == ("0", "1 bit")
    assert entropy.limits == (0, 1)
    assert len(entropy.ramp) == 9
    assert (entropy.ramp[0], entropy.ramp[-1]) == ((68, 1, 84), (253, 231, 37))
    assert state_of(result, Overlay("dominant", block=0)).key is None


def test_an_expert_without_a_token_is_said_to_have_none(viewer: ViewerModel) -> None:
    result = made_on(viewer)
    said = state_of(result, Overlay("gate", block=0, expert=N_EXPERTS - 1)).note
    assert said == f"Expert {N_EXPERTS - 1} works nowhere here, so nothing is seen."
    assert state_of(result, Overlay("gate", block=0, expert=0)).note == ""


@pytest.mark.parametrize(("sides", "expected"), [((4, 2, 1, 1), 0), ((3,) * 4, 3)])
def test_the_finest_block_is_shown_at_first(
    viewer: ViewerModel, sides: tuple[int, ...], expected: int
) -> None:
    made = made_on(viewer).segmentation
    assert len(sides) == N_BLOCKS
    routing = replace(
        made.routing,
        gates=tuple(np.full((1, n, n, N_EXPERTS), 0.2, np.float32) for n in sides),
        grids=tuple(Grid.identity((12, 9)).resize((n, n), "half-pixel") for n in sides),
    )
    assert state_of(made_on(viewer, routing=routing), Overlay()).overlay.block == (
        expected
    )
