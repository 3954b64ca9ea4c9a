"""A stroke that is undone is no correction: the list of what to train on says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tuning_desk import TuningDesk

from napari_dmoe.viewer.fine_tune.pairs import Bond
from napari_dmoe.viewer.layers import measuring
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.ui import measuring as aside

pytestmark = pytest.mark.gui


@pytest.fixture(params=["small", "large"])
def drawn(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    make_tuning: Callable[..., TuningDesk],
) -> TuningDesk:
    """Return a desk that shows what the model drew, as large as it is compared."""
    if request.param == "large":
        for module in (measuring, aside, results):
            monkeypatch.setattr(module, "AT_ONCE", 0)
    tuning = make_tuning()
    tuning.know()
    tuning.desk.run()
    tuning.open()
    return tuning


def bond(tuning: TuningDesk) -> Bond:
    (pair,) = tuning.tuner.pairs._pairs
    return pair.bond


def test_a_stroke_that_is_undone_no_longer_counts_as_painted(drawn: TuningDesk) -> None:
    drawn.wait(lambda: bond(drawn) is Bond.UNTOUCHED)
    (mask,) = drawn.desk.masks
    mask.paint((9, 8), 1)
    drawn.wait(lambda: bond(drawn) is Bond.CORRECTED)
    mask.undo()
    drawn.wait(lambda: bond(drawn) is Bond.UNTOUCHED)
    summary = drawn.desk.segmenting.tab.result.summary
    drawn.wait(lambda: "painted" not in summary.text())


def test_what_is_undone_since_start_is_no_change(drawn: TuningDesk) -> None:
    drawn.paint()
    labels = drawn.viewer.layers["retina labels"]
    drawn.wait(drawn.tab.foot.button.isEnabled)
    drawn.start()
    said = drawn.tab.pairs.changes.text
    drawn.wait(lambda: drawn.tuner._changes._at_start.get(labels) is not None)
    labels.paint((9, 7), 1)
    assert "Painted since Start: “retina labels”" in said()
    labels.undo()
    drawn.wait(lambda: "Painted" not in said())
    labels.redo()
    drawn.wait(lambda: "Painted" in said())


def test_the_list_counts_again_when_a_stroke_is_undone(drawn: TuningDesk) -> None:
    drawn.paint()
    labels = drawn.viewer.layers["retina labels"]

    def annotated() -> str:
        pairs = drawn.tuner.pairs._pairs
        return next((p.annotated for p in pairs if p.labels() is labels), "")

    drawn.wait(lambda: "rim" in annotated())
    before = annotated()
    labels.paint((9, 7), 2)
    drawn.wait(lambda: annotated() != before)
    labels.undo()
    drawn.wait(lambda: annotated() == before)
