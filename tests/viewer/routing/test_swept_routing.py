"""A sweep's routing serves the maps of two values, where it was asked for alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from desk import Desk
from mapping import choose, compute, shown, words
from napari.components import ViewerModel

from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.routing import swept as swept_routing
from napari_dmoe.viewer.routing.extras import extras_of
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)
RACE = "Race"
NOT_RUN = "Needs a run for Asian and one for White."


class CountedRuns:
    """The real engine, and for whose race it ran."""

    def __init__(self) -> None:
        self.races: list[str | None] = []

    def __call__(self, loaded: object, image: object, patient: object, **how: object):
        self.races.append(patient.race)
        return engines.segment(loaded, image, patient, **how)


@pytest.fixture
def runs() -> CountedRuns:
    return CountedRuns()


@pytest.fixture
def models(
    models: dict[str, LoadedModel], tiny_network: Callable[..., object]
) -> dict[str, LoadedModel]:
    card = RECIPES["fundus-race-phantom"].card
    config = tiny_network(n_routers=card.n_routers).config
    return {"race": new_model("dmoe-vit", config, card), **models}


@pytest.fixture
def desk(make_desk: Callable[..., Desk], runs: CountedRuns) -> Desk:
    """Return a desk whose patient's image was segmented; race and severity drive."""
    desk = make_desk(ViewerModel(), segment=runs, ablate=ablate)
    desk.load("race")
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.segmenting.tab.patient.rerun_box.setChecked(False)
    desk.choose("race", "Black")
    desk.choose("severity", "suspect")
    desk.run()
    return desk


def sweep(desk: Desk, driver: str = RACE) -> None:
    section = desk.what_if.tab.sweep
    section.combo.setCurrentIndex(section.combo.findText(driver))
    desk.click(section.button)
    desk.wait_until_idle()
    desk.settle()


def missing(desk: Desk) -> str:
    """Choose the map of Asian against White; return which runs it needs."""
    choose(desk, "divergence")
    return words(desk.routing.tab.maps.missing)


def by_value(desk: Desk) -> dict[tuple[str, str], object]:
    session = session_of(desk.viewer)
    return extras_of(session.result_of(session.image)).by_value


def test_a_map_of_two_values_that_were_swept_needs_no_run(
    desk: Desk, runs: CountedRuns
) -> None:
    assert missing(desk) == NOT_RUN
    compute(desk)
    assert runs.races == ["Black", "Asian", "White"]
    single = shown(desk).data.copy()
    assert single.max() > 0
    desk.run()  # a new result knows nothing of them
    sweep(desk)
    assert missing(desk) == ""
    desk.viewer.layers["retina / sweep of race"].visible = False
    desk.click(desk.routing.tab.shown_box)
    np.testing.assert_allclose(shown(desk).data, single, atol=1e-5)
    assert len(runs.races) == 4


def test_results_after_a_sweep_are_served_too_and_for_any_value(desk: Desk) -> None:
    sweep(desk)
    desk.choose("race", "White")
    desk.run()
    desk.settle()
    assert missing(desk) == ""
    assert set(by_value(desk)) == {("race", "Asian"), ("race", "Black")}


def test_an_attribute_that_drives_nothing_changes_nothing(desk: Desk) -> None:
    sweep(desk)
    desk.type("age", "63")
    desk.run()
    desk.settle()
    assert missing(desk) == ""


@pytest.mark.parametrize("when", ["before the run", "after the run"])
def test_another_driver_is_not_mixed_up(desk: Desk, when: str) -> None:
    if when == "before the run":
        sweep(desk)
    desk.choose("severity", "glaucoma")
    if when == "before the run":
        desk.run()
        desk.settle()
    else:
        sweep(desk)
    assert by_value(desk) == {}
    assert missing(desk) == NOT_RUN


def test_an_unknown_driver_and_its_shares_are_not_mixed_up(desk: Desk) -> None:
    session = session_of(desk.viewer)
    desk.choose("severity", "Unknown")
    sweep(desk)
    assert missing(desk) == NOT_RUN  # the result is for suspect
    session.shares.state("severity", (0.0, 0.5, 0.5))
    desk.run()
    desk.settle()
    assert missing(desk) == NOT_RUN  # the sweep mixed by the card's shares
    sweep(desk)
    assert missing(desk) == ""


def test_a_changed_image_is_not_mixed_up(desk: Desk) -> None:
    desk.viewer.layers["retina"].data = 255 - PICTURE
    sweep(desk)
    assert by_value(desk) == {}
    desk.run()
    desk.settle()
    assert missing(desk) == ""
    desk.viewer.layers["retina"].data = PICTURE
    desk.run()
    desk.settle()
    assert missing(desk) == NOT_RUN


def test_other_settings_and_another_image_are_not_mixed_up(desk: Desk) -> None:
    sweep(desk)
    desk.change_settings(noise=True)
    desk.run()
    desk.settle()
    assert missing(desk) == NOT_RUN
    desk.change_settings(noise=False)
    desk.viewer.add_image(PICTURE, name="other", rgb=True)
    desk.choose("race", "Black")
    desk.choose("severity", "suspect")
    desk.run()
    desk.settle()
    assert missing(desk) == NOT_RUN


def test_another_model_is_not_mixed_up(
    desk: Desk, models: dict[str, LoadedModel], tiny_network: Callable[..., object]
) -> None:
    sweep(desk)
    card, config = models["race"].card, models["race"].config
    models["again"] = new_model("dmoe-vit", config, card)
    desk.load("again")
    desk.run()
    desk.settle()
    assert missing(desk) == NOT_RUN


def test_a_pair_of_drivers_serves_what_it_shares_with_the_result(desk: Desk) -> None:
    sweep(desk, "Race × Severity")
    assert set(by_value(desk)) == {
        *(("race", value) for value in ("Asian", "White")),
        *(("severity", value) for value in ("healthy", "glaucoma")),
    }
    assert by_value(desk)["race", "White"].values == ("White, suspect",)
    assert by_value(desk)["severity", "glaucoma"].values == ("Black, glaucoma",)
    assert missing(desk) == ""


def test_a_result_with_an_expert_muted_gets_nothing(desk: Desk) -> None:
    experts = desk.what_if.tab.experts
    experts.mute_boxes[1].click()
    desk.click(experts.run_button)
    desk.wait_until_idle()
    desk.viewer.layers.selection.active = desk.viewer.layers[
        "retina / what-if expert 1 muted"
    ]
    sweep(desk)
    session = session_of(desk.viewer)
    plain, muted = session.results_of(session.image)
    assert extras_of(muted).by_value == {}
    assert set(extras_of(plain).by_value) == {("race", "Asian"), ("race", "White")}


def test_routers_between_trained_values_serve_nothing(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel(), segment=engines.segment)
    desk.load("fundus")
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.choose("severity", "suspect")
    desk.run()
    sweep(desk, "Severity, with steps between")
    assert set(by_value(desk)) == {("severity", "healthy"), ("severity", "glaucoma")}


def test_routing_that_takes_much_memory_is_not_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swept_routing, "MOST_BYTES", 10)
    sweep(desk)
    assert missing(desk) == NOT_RUN


def test_plots_of_how_values_diverge_are_there_after_a_sweep(desk: Desk) -> None:
    sweep(desk)
    plots = desk.routing.tab.plots
    plots.attribute_combo.clear()
    desk.routing.plots.show()
    assert plots.attribute() == "race"
    assert not plots.apart_plot.isHidden()
