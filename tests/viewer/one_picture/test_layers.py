"""Volumes, frames, files and what a tuned model draws: seen with their image alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import browsing
import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel
from patients import NAMES, SHAPE, Ward, pixels_of, seen
from tuning_desk import BETTER, DRAWN, TuningDesk

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.names import SEEN

pytestmark = pytest.mark.gui


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_volumes_are_seen_alone_however_they_are_displayed(
    make_desk: Callable[..., Desk], volume_model: LoadedModel, ndisplay: int
) -> None:
    ward = Ward(make_desk(ViewerModel()))
    ward.desk.session.set_model(volume_model)
    ward.viewer.dims.ndisplay = ndisplay
    for name in NAMES:
        ward.viewer.add_image(pixels_of(name, (6, *SHAPE)), name=name)
        ward.viewer.add_labels(np.ones((6, *SHAPE), np.uint8), name=f"{name} labels")
        ward.desk.settle()
    for name in (*NAMES, *reversed(NAMES)):
        ward.choose(name)
        ward.desk.settle()
        ward.see_only(name)
        assert seen(ward.viewer) == [name, f"{name} labels"]
        ward.viewer.dims.ndisplay = 5 - ward.viewer.dims.ndisplay
        ward.desk.settle()
        ward.see_only(name)
    assert ward.seen_at_once == []


def test_what_the_tuned_model_draws_is_looked_at_on_its_own_image(
    make_tuning: Callable[..., TuningDesk],
) -> None:
    tuning = make_tuning()
    viewer, ward = tuning.viewer, Ward(tuning.desk)
    viewer.layers.clear()
    for name in ("ann", "ben"):
        viewer.add_image(pixels_of(name), name=name, metadata=DRAWN)
        tuning.know(name)
        tuning.paint(name)
    tuning.open()
    tuning.done(*BETTER)
    outcome = tuning.tab.outcome
    place = outcome.case_combo.findText("ann")
    ward.see_only("ben")
    outcome.look_requested.emit(place, True)
    ward.see_only("ann")
    ward.desk.wait_until_idle()
    ward.see_only("ann")
    assert any("changed by tuning" in name for name in seen(viewer))
    outcome.look_requested.emit(place, True)
    ward.choose("ben")
    ward.desk.wait_until_idle()
    ward.see_only("ben")
    assert ward.seen_at_once == []


def test_frames_of_what_a_model_sees_are_seen_with_their_image(ward: Ward) -> None:
    loaded = ward.desk.session.model
    how = loaded.preprocessing.fitted("crop")
    card = loaded.card.model_copy(update={"preprocessing": how})
    ward.desk.session.set_model(replace(loaded, card=card))
    for name in (*NAMES, *NAMES):
        ward.choose(name)
        ward.desk.wait_until_idle()
        ward.see_only(name)
        assert f"{name} / {SEEN}" in seen(ward.viewer)


def test_who_goes_through_files_sees_one_patient_at_a_time(
    desk: Desk, tmp_path: Path
) -> None:
    """More than stay open: some leave while others come, and some come again."""
    ward = Ward(desk)
    browsing.fill(desk, tmp_path)
    places = [*range(browsing.N), 3, 0, 5, 11]
    for place in places:
        desk.session.pictures.open(place)
        browsing.wait(desk)
        name = f"im{place:02}"
        ward.see_only(name)
        assert len(seen(desk.viewer)) == 2  # with its mask
    assert ward.seen_at_once == []
