"""Shares of unknown values that a person states in the What if tab."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel

from napari_dmoe.viewer import engines
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.session.shares import restated

pytestmark = pytest.mark.gui

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    desk = make_desk(ViewerModel(), segment=engines.segment)
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.wait_until_idle()
    desk.segmenting.tab.patient.rerun_box.click()
    return desk


def boxes_of(desk: Desk) -> list[float]:
    return [box.value() for box in desk.what_if.tab.priors.boxes["severity"]]


def test_the_cards_shares_are_shown_first(desk: Desk) -> None:
    assert boxes_of(desk) == pytest.approx([33.3, 33.3, 33.3], abs=0.1)
    assert not desk.what_if.tab.priors.reset_button.isEnabled()


def test_the_typed_share_stands_and_the_others_share_the_rest(desk: Desk) -> None:
    section = desk.what_if.tab.priors
    section.boxes["severity"][0].setValue(90)
    assert boxes_of(desk) == [90, 5, 5]
    section.boxes["severity"][1].setValue(8)
    assert boxes_of(desk) == pytest.approx([87.2, 8, 4.8], abs=0.05)
    assert section.total.text() == "Severity: 100 % in all"
    section.boxes["severity"][2].setValue(100)
    assert boxes_of(desk) == [0, 0, 100]
    section.boxes["severity"][2].setValue(40)
    assert boxes_of(desk) == [30, 30, 40]


@pytest.mark.parametrize(
    ("shares", "place", "share", "wanted"),
    [
        ((0.6, 0.4), 0, 0.9, (0.9, 0.1)),
        ((0.2, 0.3, 0.5), 2, 0.0, (0.4, 0.6, 0.0)),
        ((1.0, 0.0, 0.0), 0, 0.5, (0.5, 0.25, 0.25)),
        ((1.0,), 0, 0.3, (1.0,)),
    ],
)
def test_shares_sum_to_one(
    shares: tuple[float, ...], place: int, share: float, wanted: tuple[float, ...]
) -> None:
    assert restated(shares, place, share) == pytest.approx(wanted)


def test_stated_shares_are_used_and_said(desk: Desk) -> None:
    section = desk.what_if.tab.priors
    section.boxes["severity"][2].setValue(100)
    assert boxes_of(desk) == [0, 0, 100]
    assert "severity are used" in section.note.text()
    mixture = desk.segmenting.tab.patient.mixture_label.text()
    assert "glaucoma 1, as you stated" in mixture
    desk.run()
    result = session_of(desk.viewer).result_of(desk.viewer.layers["retina"])
    (driver,) = result.segmentation.provenance.drivers
    assert driver.weights == (0, 0, 1)
    assert driver.prior == "given"


def test_other_shares_make_the_result_outdated_and_reset_ends_it(desk: Desk) -> None:
    desk.run()
    outdated = desk.segmenting.tab.result.outdated
    section = desk.what_if.tab.priors
    section.boxes["severity"][0].setValue(90)
    desk.qtbot.waitUntil(lambda: "weights of unknown values" in outdated.text())
    desk.click(section.reset_button)
    desk.qtbot.waitUntil(lambda: outdated.text() == "")
    assert boxes_of(desk) == pytest.approx([33.3, 33.3, 33.3], abs=0.1)


def test_a_known_driver_does_not_depend_on_shares(desk: Desk) -> None:
    desk.choose("severity", "suspect")
    desk.run()
    desk.what_if.tab.priors.boxes["severity"][0].setValue(90)
    assert desk.segmenting.tab.result.outdated.text() == ""


def test_another_model_brings_its_own(desk: Desk) -> None:
    desk.what_if.tab.priors.boxes["severity"][0].setValue(90)
    desk.load("age")
    assert list(desk.what_if.tab.priors.boxes) == ["age"]
    assert session_of(desk.viewer).shares.by_driver == {}


def test_experts_and_noise_mix_by_the_same_shares(
    make_desk: Callable[..., Desk],
) -> None:
    asked: list[tuple[str, object]] = []

    def engine(name: str) -> Callable[..., object]:
        def run(*_: object, priors: object = None, **__: object) -> object:
            asked.append((name, priors))
            raise ValueError("only asked")

        return run

    desk = make_desk(
        ViewerModel(),
        segment=engines.segment,
        ablate=engine("ablate"),
        uncertainty=engine("uncertainty"),
    )
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.wait_until_idle()
    desk.segmenting.tab.patient.rerun_box.click()
    desk.what_if.tab.priors.boxes["severity"][0].setValue(0)
    desk.click(desk.what_if.tab.experts.effects_button)
    desk.wait_until_idle()
    desk.click(desk.what_if.tab.noise.run_button)
    desk.wait_until_idle()
    assert [name for name, _ in asked] == ["ablate", "uncertainty"]
    for _, priors in asked:
        assert priors["severity"] == pytest.approx((0, 0.5, 0.5))
