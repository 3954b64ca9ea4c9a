"""The earlier result comes back together with the patient that it was made for."""

from __future__ import annotations

import numpy as np
import pytest
from desk import Desk

from napari_dmoe.viewer.session.patients import EARLIER

pytestmark = pytest.mark.gui


def patient_of(desk: Desk) -> object:
    return desk.session.patient_of(desk.session.image)


def source(desk: Desk) -> str:
    return desk.session.source_of(desk.session.image, "severity")


def outdated(desk: Desk) -> bool:
    return not desk.segmenting.tab.result.outdated.isHidden()


@pytest.fixture
def twice(desk: Desk) -> Desk:
    """Return a desk whose image was segmented for two severities, one by itself."""
    desk.choose("severity", "healthy")
    desk.run()
    desk.choose("severity", "suspect")
    desk.wait_until_idle()
    desk.type("age", "50")  # which drives nothing
    assert len(desk.segment.calls) == 2
    return desk


def test_mask_and_patient_come_back_together_and_go_again(twice: Desk) -> None:
    previous = twice.segmenting.tab.result.previous_button
    suspect = twice.masks[0].data.copy()
    twice.click(previous)
    twice.settle()
    assert patient_of(twice).severity == "healthy"
    assert patient_of(twice).age == 50
    assert source(twice) == EARLIER
    assert not outdated(twice)
    combo = twice.segmenting.tab.patient.inputs["severity"].combo
    assert combo.currentText() == "healthy"
    assert (twice.masks[0].data != suspect).any()
    twice.click(previous)
    twice.wait_until_idle()
    assert patient_of(twice).severity == "suspect"
    assert not outdated(twice)
    np.testing.assert_array_equal(twice.masks[0].data, suspect)
    assert len(twice.segment.calls) == 2  # nothing was run for it


def test_a_value_that_was_unknown_is_unknown_again(desk: Desk) -> None:
    desk.run()
    desk.choose("severity", "healthy")
    desk.wait_until_idle()
    desk.click(desk.segmenting.tab.result.previous_button)
    desk.settle()
    assert patient_of(desk).severity is None
    assert not outdated(desk)
    assert len(desk.segment.calls) == 2


def test_the_same_run_again_leaves_the_earlier_result_as_it_is(twice: Desk) -> None:
    twice.run()
    twice.run()
    assert len(twice.segment.calls) == 4
    twice.click(twice.segmenting.tab.result.previous_button)
    twice.settle()
    assert patient_of(twice).severity == "healthy"
    assert not outdated(twice)
