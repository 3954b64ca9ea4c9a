"""Cards say how large each class was in the cases of a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training_cases import (
    CARD,
    CUBE_CARD,
    PLAIN,
    cube,
    square,
    squares,
    tiny_model,
)

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.class_spans import ClassSpan
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.facts.span_facts import spans_of
from napari_dmoe.training.loop.fit import fit

ONCE = PLAIN.model_copy(update={"epochs": 1})


def without_cup(case: Case) -> Case:
    """Return a case whose cup is labelled as rim."""
    labels = np.minimum(np.asarray(case.labels.data), 1)
    return replace(case, labels=SpatialImage.from_array(labels, axes="yx"))


def test_the_least_and_the_most_are_of_the_cases_that_show_a_class() -> None:
    cases = [*squares(3), without_cup(square(9))]
    spans = {s.name: s for s in spans_of(read_pool(cases, CARD), CARD.classes)}
    assert list(spans) == ["disc", "rim", "cup"]
    whole, core = 18 * 18 / 1024, 8 * 8 / 1024
    assert (spans["disc"].n, spans["cup"].n) == (4, 3)
    assert spans["disc"].least == spans["disc"].most == pytest.approx(whole, 1e-3)
    assert spans["cup"].most == pytest.approx(core, 1e-3)
    rim = spans["rim"]
    assert (rim.least, rim.most) == pytest.approx((whole - core, whole), 1e-3)
    assert spans["disc"].least_filled == pytest.approx(3 / np.pi, 1e-2)  # a square
    assert rim.least_filled < spans["disc"].least_filled


def test_volumes_are_in_ml_where_their_spacing_is_known() -> None:
    sides = np.diag([2.0, 1.0, 5.0, 1.0])
    known = [
        replace(
            case,
            image=SpatialImage(case.image.data, case.image.axes, sides, "mm"),
            labels=SpatialImage(case.labels.data, case.labels.axes, sides, "mm"),
        )
        for case in (cube(1), cube(2))
    ]
    (span,) = spans_of(read_pool(known, CUBE_CARD), CUBE_CARD.classes)
    assert span.most_ml == pytest.approx(14**3 * 10 / 1000, 1e-3)
    (span,) = spans_of(read_pool([known[0], cube(3)], CUBE_CARD), CUBE_CARD.classes)
    assert span.most_ml is None
    assert span.most == pytest.approx(14**3 / (40 * 40 * 70), 1e-3)


def test_cases_of_which_a_part_is_annotated_say_nothing() -> None:
    some = Annotation(unlabelled=0)
    pool = read_pool(squares(3), CARD, annotation=some)
    assert spans_of(pool, CARD.classes) == ()


def test_a_trained_model_states_them_and_a_tuned_one_widens_them(tmp_path) -> None:
    trained = fit(tiny_model(), squares(4), settings=ONCE).loaded
    spans = trained.card.training.class_spans
    assert spans is not None
    assert [span.n for span in spans] == [4, 4, 4]
    save_checkpoint(tmp_path / "trained.safetensors", trained)
    again = load_checkpoint(tmp_path / "trained.safetensors")
    assert again.card.training.class_spans == spans
    tuned = fit(again, [without_cup(square(9))], settings=ONCE).loaded
    rim = next(s for s in tuned.card.training.class_spans or () if s.name == "rim")
    assert rim.n == 5
    assert rim.most > spans[1].most


def test_a_model_that_was_trained_unknown_to_its_card_states_none(tmp_path) -> None:
    save_checkpoint(tmp_path / "old.safetensors", tiny_model())
    old = load_checkpoint(tmp_path / "old.safetensors")
    assert fit(old, squares(4), settings=ONCE).loaded.card.training.class_spans is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"least": 0.5, "most": 0.2}, "more than the most"),
        ({"least_ml": 3.0}, "needs both volumes"),
    ],
)
def test_spans_that_cannot_be_are_refused(change: dict, said: str) -> None:
    facts = {"name": "cup", "n": 20, "least": 0.1, "most": 0.2}
    with pytest.raises(ValueError, match=said):
        ClassSpan(**facts | change)


def test_near_the_whole_picture_there_is_room_for_a_margin() -> None:
    span = ClassSpan(name="lesion", n=100, least=0.1, most=0.9)
    assert not span.is_size_far(0.94)
    assert span.is_size_far(0.96)
    assert not span.is_size_far(0.08)
    assert span.is_size_far(0.07)
