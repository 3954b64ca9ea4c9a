"""What models are called where a person reads of them."""

from __future__ import annotations

import pytest

from napari_dmoe.models.checkpoint import bundled_names, load_checkpoint
from napari_dmoe.models.titles import bundled_titles, subject_of
from napari_dmoe.training.starting.recipes import RECIPES


def test_every_bundled_model_has_a_title_that_its_card_and_recipe_say_too() -> None:
    titles = bundled_titles()
    assert tuple(sorted(titles)) == bundled_names()
    for name, title in titles.items():
        card = load_checkpoint(name).card
        assert (card.name, card.title) == (name, title)
        of_phantoms = name.endswith(
            "-phantom"
        )  # others are named once they are trained
        assert not of_phantoms or RECIPES[name].card.title == title
        assert name not in title


def test_a_card_that_is_asked_for_keeps_its_own_title() -> None:
    card = load_checkpoint("fundus-phantom").card.model_copy(update={"title": "Mine"})
    assert load_checkpoint("fundus-phantom", card).card.title == "Mine"


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Fundus (phantom-trained), driven by severity", "Fundus"),
        ("FairSeg, driven by race", "FairSeg"),
        ("Prostate CT target, driven by T stage", "Prostate CT target"),
        ("Mine", "Mine"),
        (", odd", ", odd"),
    ],
)
def test_the_subject_leaves_out_how_a_model_was_trained(
    title: str, subject: str
) -> None:
    assert subject_of(title) == subject
