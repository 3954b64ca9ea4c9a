"""Values of an attribute that no training case had, as the card tells them."""

from __future__ import annotations

from typing import Any

import pytest

from napari_dmoe.models.card import CardAttribute, ModelCard, TrainingFacts

SEX = CardAttribute(name="sex", values=("female", "male"), n_routers=5)


def card_of(
    counts: Any = None, *, frequencies: Any = None, **attribute: Any
) -> ModelCard:
    stated = SEX.model_copy(update={"frequencies": frequencies, **attribute})
    return ModelCard(
        name="some",
        title="Some",
        attributes=(stated,),
        classes=("background", "lesion"),
        training=TrainingFacts(n_per_value=None if counts is None else {"sex": counts}),
    )


@pytest.mark.parametrize(
    ("counts", "frequencies", "untrained"),
    [
        (None, None, ()),
        (None, (0.5, 0.5), ()),
        (None, (1.0, 0.0), ("male",)),
        ({"female": 3, "male": 0}, None, ("male",)),
        ({"female": 3}, None, ("male",)),
        ({"Female": 3, "MALE ": 2}, None, ()),
        ({"female": 0, "male": 0}, None, ("female", "male")),
        # All that is stated is that nobody was male.
        ({"male": 0}, None, ("male",)),
        # Counts are what happened; shares may be those of another population.
        ({"female": 3, "male": 1}, (1.0, 0.0), ()),
        ({}, None, ()),
    ],
)
def test_untrained_values_follow_from_counts_else_from_frequencies(
    counts: Any, frequencies: Any, untrained: tuple[str, ...]
) -> None:
    assert card_of(counts, frequencies=frequencies).untrained("sex") == untrained


def test_spare_routers_and_other_attributes_are_no_values() -> None:
    card = card_of({"female": 3, "male": 4})
    assert card.attributes[0].routers == 5
    assert card.untrained("sex") == ()
    assert card.untrained("age") == ()


def test_counts_are_found_however_the_attribute_is_spelt() -> None:
    site = CardAttribute(name="body_site", values=("face", "back"))
    facts = TrainingFacts(n_per_value={"Body site": {"Face": 2}})
    card = card_of().model_copy(update={"attributes": (site,), "training": facts})
    assert card.counts("body_site") == {"face": 2}
    assert card.untrained("body_site") == ("back",)


@pytest.mark.parametrize(
    ("counts", "frequencies", "shares"),
    [
        (None, None, (0.5, 0.5)),
        ({"female": 3, "male": 0}, None, (1.0, 0.0)),
        ({"male": 0}, None, (1.0, 0.0)),
        # Where nothing is trained, nothing can be left out.
        ({"female": 0, "male": 0}, None, (0.5, 0.5)),
        # Stated shares stand.
        ({"female": 3, "male": 0}, (0.5, 0.5), (0.5, 0.5)),
    ],
)
def test_a_mixture_gives_nothing_to_values_known_to_be_untrained(
    counts: Any, frequencies: Any, shares: tuple[float, ...]
) -> None:
    assert card_of(counts, frequencies=frequencies).shares("sex") == shares


@pytest.mark.parametrize("name", ["sex", "Sex", "gender", " SEX "])
@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"F": 40, "M": 0}, {"female": 40, "male": 0}),
        ({"woman": 40}, {"female": 40}),
        ({"F": 30, "female": 10, "nobody knows": 5}, {"female": 40}),
    ],
)
def test_counts_are_found_as_tables_spell_them(
    name: str, counts: dict[str, int], expected: dict[str, int]
) -> None:
    card = card_of().model_copy(
        update={"training": TrainingFacts(n_per_value={name: counts})}
    )
    assert card.counts("sex") == expected
    assert card.untrained("sex") == ("male",)
