"""A second pass, the parts that stay and holes: chosen under Advanced, and recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from desk import Desk
from stub_planes import marking_model

from napari_dmoe.imaging.focusing import Focus
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.names import SEEN
from napari_dmoe.viewer.layers.records import record_rows

pytestmark = pytest.mark.gui


def stating(loaded: LoadedModel, **stated: object) -> LoadedModel:
    how = loaded.preprocessing.model_copy(update=stated)
    return replace(loaded, card=loaded.card.model_copy(update={"preprocessing": how}))


@pytest.fixture
def ready(desk: Desk, fundus_model: LoadedModel) -> Desk:
    """Return a desk with a picture and a model whose card asks for a second pass."""
    focus = Focus(margin=0.5, least=0.4)
    desk.session.set_model(stating(fundus_model, focus=focus, keep="largest"))
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    image = desk.viewer.add_image(pixels, name="eye", rgb=True)
    desk.session.choose_image(image)
    desk.settle()
    return desk


def test_advanced_chooses_passes_parts_and_holes(ready: Desk) -> None:
    inputs = ready.segmenting.tab.settings.inputs
    assert inputs["focus"].choices == ("card", "on", "off")
    assert inputs["keep"].choices == ("card", "all", "largest")
    assert inputs["fill"].choices == ("card", "on", "off")
    inputs["focus"].value, inputs["keep"].value, inputs["fill"].value = (
        "off",
        "all",
        "on",
    )
    ready.settle()
    asked = ready.session.settings
    assert (asked.focus, asked.keep, asked.fill) == ("off", "all", "on")


def test_a_record_says_where_the_second_pass_looked() -> None:
    picture = np.zeros((128, 128), np.uint8)
    picture[40:60, 50:70] = 255
    picture[48:52, 58:62] = 0
    model = marking_model(
        focus={"margin": 0.5, "least": 0.1}, keep="largest", fill=True
    )
    record = segment(model, picture).provenance
    rows = dict(record_rows(record.model_dump(mode="json")))
    assert rows["Second pass"] == "y 30 to 69, x 40 to 79"
    assert (rows["Parts kept"], rows["Holes"]) == ("largest", "filled")
    empty = segment(model, np.full((64, 64), 9, np.uint8)).provenance
    said = dict(record_rows(empty.model_dump(mode="json")))["Second pass"]
    assert said == "none, as the first one found nothing"
    plain = segment(marking_model(), picture).provenance
    rows = dict(record_rows(plain.model_dump(mode="json")))
    assert not {"Second pass", "Parts kept", "Holes"} & set(rows)


def test_no_frame_is_drawn_before_it_is_known_where_it_looks(ready: Desk) -> None:
    seen = [layer for layer in ready.viewer.layers if SEEN in layer.name]
    assert not [layer for layer in seen if layer.visible]


def test_the_card_says_it_in_the_dock(ready: Desk) -> None:
    from napari_dmoe.viewer.segment.model.view import _rows

    said = _rows(ready.session.model)["Mask"]
    assert said == (
        "a second pass sees a square around what the first one finds; the largest part "
        "is kept"
    )
