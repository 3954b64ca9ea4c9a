"""Every map of the routing, chosen in the tab and seen on the image."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from desk import IMAGE, Desk
from mapping import FakeRuns, box, choose, compute, pick, shown, words
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from viewer_fakes import N_EXPERTS, SIDE

from napari_dmoe.inference.maps.measures import pair_names
from napari_dmoe.inference.maps.overlays import OVERLAYS
from napari_dmoe.inference.pictures.colours import EXPERT_COLOURS, GREY, over_grey
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.routing.on_images import routing_of

pytestmark = pytest.mark.gui


@pytest.fixture
def runs() -> FakeRuns:
    return FakeRuns()


@pytest.fixture
def mapped(make_desk: Callable[..., Desk], runs: FakeRuns) -> Desk:
    """Return a desk without a window, whose image was segmented."""
    desk = make_desk(
        ViewerModel(), uncertainty=runs.uncertainty, read_routing=runs.read_routing
    )
    desk.viewer.add_image(IMAGE, name="retina")
    desk.choose("severity", "suspect")
    desk.run()
    desk.settle()
    return desk


def test_opening_the_dock_imports_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, napari_dmoe.viewer.dock\n"
        "print(*(n for n in ('torch', 'matplotlib') if n in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_every_map_is_offered_with_its_help(mapped: Desk) -> None:
    combo = mapped.routing.tab.maps.map_combo
    titles = [combo.itemText(i) for i in range(combo.count())]
    assert titles == [kind.title for kind in OVERLAYS.values()]
    for name in ("pair", "entropy"):
        choose(mapped, name)
        assert words(mapped.routing.tab.maps.help) == OVERLAYS[name].help


def test_pairs_have_names_and_colours_of_their_own(mapped: Desk) -> None:
    choose(mapped, "pair")
    layer = shown(mapped)
    assert layer.name == "retina / expert pairs, block 3"
    assert layer.data.shape == (SIDE, SIDE)
    number = pair_names(N_EXPERTS).index("3 + 4")
    assert layer.data[0, 0] == number  # block 3, its first token shares with expert 4
    assert layer.get_status((0, 0))["value"].startswith(
        f"{number}; pair: experts 3 + 4"
    )
    every = np.arange(len(pair_names(N_EXPERTS)))
    assert len({tuple(colour) for colour in layer.colormap.map(every)}) == len(every)
    assert "experts 3 + 4 · 11%" in words(mapped.routing.tab.pairs)


def test_two_kinds_of_maps_share_a_layer_that_keeps_a_persons_name(
    mapped: Desk,
) -> None:
    choose(mapped, "gate")
    gates = shown(mapped)
    assert gates.name == "retina / gate of expert 3, block 3"
    choose(mapped, "agreement")
    assert shown(mapped) is gates
    assert gates.name == "retina / agreement of blocks, all blocks"
    gates.name = "mine"
    choose(mapped, "entropy")
    assert gates.name == "mine"


def test_colours_that_a_person_set_stay_until_another_kind_of_map(
    mapped: Desk,
) -> None:
    choose(mapped, "entropy")
    layer = shown(mapped)
    layer.colormap, layer.contrast_limits = "gray", (0, 0.5)
    mapped.routing.tab.block_slider.setValue(1)
    mapped.settle()
    assert shown(mapped) is layer
    assert "block 1" in layer.metadata["napari-dmoe"]["shows"]
    assert (layer.colormap.name, layer.contrast_limits) == ("gray", [0, 0.5])
    choose(mapped, "agreement")
    assert (layer.colormap.name, layer.contrast_limits) == ("viridis", [0, 1])


def test_the_legend_has_the_colours_that_are_seen(mapped: Desk) -> None:
    button = mapped.routing.tab.legend.buttons[3]

    def colour() -> tuple[int, ...]:
        return button.icon().pixmap(8, 8).toImage().pixelColor(3, 3).getRgb()[:3]

    assert colour() == EXPERT_COLOURS[3]
    mapped.click(mapped.routing.tab.shown_box)
    mapped.settle()
    assert colour() == over_grey(EXPERT_COLOURS[3], 0.5)
    shown(mapped).opacity = 0.25
    mapped.settle()
    assert colour() == over_grey(EXPERT_COLOURS[3], 0.25)
    choose(mapped, "gate")
    shown(mapped).opacity = 0.4
    mapped.settle()
    assert colour() == over_grey(EXPERT_COLOURS[3], 0.4)
    ramp = mapped.routing.tab.bar._strip.ramp
    assert ramp == (GREY, over_grey(EXPERT_COLOURS[3], 0.4))
    mapped.click(mapped.routing.tab.shown_box)
    mapped.settle()
    assert colour() == EXPERT_COLOURS[3]


def test_agreement_is_of_all_blocks(mapped: Desk) -> None:
    choose(mapped, "agreement")
    np.testing.assert_array_equal(shown(mapped).data, np.full((SIDE, SIDE), 0.25))
    assert "Of all blocks" in words(mapped.routing.tab.maps.note)


def test_divergence_runs_the_value_that_is_missing(mapped: Desk) -> None:
    choose(mapped, "divergence")
    maps = mapped.routing.tab.maps
    assert shown(mapped) is None
    assert "not biology" in words(maps.help)
    pick(mapped, maps.first_combo, "suspect")
    assert words(maps.missing) == "Needs a run for glaucoma."
    n_runs = len(mapped.segment.calls)
    compute(mapped)
    assert [p.severity for p in mapped.segment.calls[n_runs:]] == ["glaucoma"]
    assert mapped.status == "Computed the divergence of suspect and glaucoma."
    layer = shown(mapped)
    np.testing.assert_array_equal(layer.data, np.zeros((SIDE, SIDE)))  # fakes agree
    assert layer.metadata["napari-dmoe"]["shows"] == (
        "divergence of suspect and glaucoma, block 3"
    )
    assert maps.compute_button.isHidden()
    mapped.routing.tab.block_slider.setValue(1)
    assert len(mapped.segment.calls) == n_runs + 1


def test_a_mixture_has_its_values_already(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(ViewerModel())
    desk.viewer.add_image(IMAGE, name="retina")
    desk.run()
    choose(desk, "divergence")
    assert shown(desk) is not None
    assert len(desk.segment.calls) == 1


def test_uncertainty_is_computed_once_for_each_number_and_seed(
    mapped: Desk, runs: FakeRuns
) -> None:
    choose(mapped, "uncertainty")
    maps = mapped.routing.tab.maps
    assert words(maps.missing) == "Needs 16 runs with noise."
    maps.samples_spin.setValue(8)
    maps.seed_spin.setValue(3)
    mapped.settle()
    compute(mapped)
    name, options = runs.calls[0]
    assert (name, options["samples"], options["seed"]) == ("uncertainty", 8, 3)
    layer = shown(mapped)
    np.testing.assert_allclose(layer.data, np.ones((SIDE, SIDE)))
    np.testing.assert_allclose(layer.contrast_limits, (0, np.log2(N_EXPERTS)))
    maps.seed_spin.setValue(4)
    mapped.settle()
    assert shown(mapped) is None
    maps.seed_spin.setValue(3)
    mapped.settle()
    assert shown(mapped) is layer
    assert len(runs.calls) == 1


def test_the_chance_of_every_expert_comes_from_one_reading(
    mapped: Desk, runs: FakeRuns
) -> None:
    choose(mapped, "chance")
    compute(mapped)
    maps = mapped.routing.tab.maps
    for expert in (4, 3):
        pick(mapped, maps.expert_combo, str(expert))
        value = {4: 0.29, 3: 0.71}[expert]
        assert shown(mapped).data[0, 0] == pytest.approx(value)
    assert [name for name, _ in runs.calls] == ["chance"]


def test_a_new_result_forgets_what_was_run_for_the_old_one(
    mapped: Desk, runs: FakeRuns
) -> None:
    choose(mapped, "chance")
    compute(mapped)
    mapped.segmenting.tab.patient.rerun_box.setChecked(False)
    mapped.choose("severity", "healthy")
    mapped.run()
    mapped.settle()
    assert shown(mapped) is None
    assert not mapped.routing.tab.maps.compute_button.isHidden()


def test_a_changed_image_is_not_run_again_for_an_old_result(mapped: Desk) -> None:
    choose(mapped, "chance")
    mapped.viewer.layers["retina"].data = np.ones_like(IMAGE)
    mapped.settle()
    maps = mapped.routing.tab.maps
    assert "The image changed" in words(maps.missing)
    assert not maps.compute_button.isEnabled()


def test_a_stopped_run_leaves_the_map_as_it_was(mapped: Desk) -> None:
    choose(mapped, "divergence")
    mapped.segment.gate.clear()
    mapped.segment.started.clear()
    mapped.click(mapped.routing.tab.maps.compute_button)
    mapped.qtbot.waitUntil(mapped.segment.started.is_set)
    assert not mapped.routing.tab.maps.compute_button.isEnabled()
    mapped.segmenting.run.stop()
    mapped.wait_until_idle()
    mapped.settle()
    assert shown(mapped) is None
    assert mapped.routing.tab.maps.compute_button.isEnabled()


def test_the_cursor_reads_the_value_and_the_gates(mapped: Desk) -> None:
    read = routing_of(mapped.session)._layers.text_at
    mapped.click(mapped.routing.tab.shown_box)
    assert read((0, 0)) == "expert 3 0.71 | expert 4 0.29, block 3"
    choose(mapped, "pair")
    assert read((0, 0)).startswith("experts 3 + 4 · expert 3 0.71")
    choose(mapped, "entropy")
    assert read((0, 0)).startswith("entropy of the gates 0.87 bits · expert 3 0.71")
    choose(mapped, "agreement")
    assert read((11, 8)) == "agreement of blocks 0.25 · expert 3 1.00, block 3"


def test_a_click_in_the_legend_singles_an_expert_out_and_again_lets_it_go(
    mapped: Desk,
) -> None:
    tab = mapped.routing.tab
    assert [b.text() for b in tab.legend.buttons][3:] == [
        "3 · 97%",
        "4 · 3%",
    ]
    mapped.qtbot.keyClick(tab.legend.buttons[4], Qt.Key.Key_Space)
    mapped.settle()
    assert shown(mapped).metadata["napari-dmoe"]["shows"] == "gate of expert 4, block 3"
    assert tab.legend.buttons[4].isChecked()
    mapped.click(tab.legend.buttons[3])
    mapped.settle()
    assert shown(mapped).data[0, 0] == pytest.approx(0.71)
    mapped.click(tab.legend.buttons[3])
    mapped.settle()
    assert tab.maps.map_combo.currentText() == "Dominant expert"
    assert not any(button.isChecked() for button in tab.legend.buttons)


@pytest.mark.parametrize("axes", [("t", "y", "x"), ("y", "t", "x")])
def test_maps_lie_on_a_stack_whatever_its_order(
    make_desk: Callable[..., Desk], axes: tuple[str, ...]
) -> None:
    desk = make_desk(ViewerModel())
    desk.viewer.add_image(np.zeros((12, 9, 7)), name="retina", axis_labels=axes)
    desk.run()
    sizes = tuple(
        n if a == "t" else SIDE for a, n in zip(axes, (12, 9, 7), strict=True)
    )
    for name in ("pair", "divergence", "agreement", "entropy"):
        choose(desk, name)
        assert shown(desk).data.shape == sizes
        np.testing.assert_allclose(box(shown(desk)), box(desk.masks[0]))


def test_stages_of_a_volume_cannot_agree_and_their_other_maps_are_blocks(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
) -> None:
    models["volume"] = volume_model
    desk = make_desk(ViewerModel())
    desk.load("volume")
    desk.viewer.add_image(np.zeros((6, 12, 9)), name="retina")
    desk.run()
    desk.settle()
    combo = desk.routing.tab.maps.map_combo
    place = combo.findText(OVERLAYS["agreement"].title)
    assert not combo.model().item(place).isEnabled()
    assert "stages" in combo.model().item(place).toolTip()
    choose(desk, "pair")
    assert shown(desk).data.shape == (SIDE,) * 3
    np.testing.assert_allclose(box(shown(desk)), box(desk.masks[0]))
