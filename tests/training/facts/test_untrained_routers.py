"""Cases count for the router that learnt from them, and for no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from training_cases import PLAIN, square, squares, tiny_model

from napari_dmoe.models.card import CardAttribute, TrainingFacts
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.starting.modes import in_mode
from napari_dmoe.training.starting.new_routers import (
    add_attribute,
    add_value,
    nearest_value,
)

ONCE = PLAIN.model_copy(update={"epochs": 1, "device": "cpu"})
LEFT = "began, as routers of it are not trained here and never were"


def stating(
    counts: dict[str, dict[str, int]] | None = None,
    frequencies: tuple[float, ...] | None = None,
) -> LoadedModel:
    """Return a model whose card says this of its training."""
    loaded = tiny_model()
    (severity,) = loaded.card.attributes
    update: dict[str, Any] = {
        "training": TrainingFacts(n_cases=8, n_per_value=counts),
        "attributes": (severity.model_copy(update={"frequencies": frequencies}),),
    }
    return replace(loaded, card=loaded.card.model_copy(update=update), sha256="0" * 64)


def tuned(loaded: LoadedModel, train: str, severity: str = "suspect") -> Any:
    settings = ONCE.model_copy(update={"train": train})
    return fit(loaded, squares(4, severity), settings=settings)


@pytest.mark.parametrize(
    ("train", "counted"),
    [("everything", 4), ("routers,decoder", 4), ("router.1", 4), ("decoder", 0),
     ("experts", 0), ("encoder,decoder", 0)],
)  # fmt: skip
def test_cases_of_a_router_that_is_not_trained_do_not_make_it_a_trained_one(
    train: str, counted: int
) -> None:
    start = stating({"severity": {"healthy": 8, "suspect": 0, "glaucoma": 0}})
    fitted = tuned(start, train)
    card = fitted.loaded.card
    assert card.counts("severity") == {"healthy": 8, "suspect": counted, "glaucoma": 0}
    never = ("glaucoma",) if counted else ("suspect", "glaucoma")
    assert card.untrained("severity") == never
    assert card.training.n_cases == 12
    told = f"severity suspect: its router stays as it {LEFT}"
    assert (told in fitted.notices) == (not counted)
    row = fitted.loaded.network.moe.router_weight[1]
    is_same = torch.equal(row, start.network.moe.router_weight[1])
    assert is_same == (not counted)


def test_cases_of_a_router_that_was_trained_before_count_whatever_is_trained() -> None:
    start = stating({"severity": {"healthy": 4, "suspect": 4, "glaucoma": 0}})
    fitted = tuned(start, "decoder")
    assert fitted.loaded.card.counts("severity")["suspect"] == 8
    assert not any(LEFT in notice for notice in fitted.notices)


def test_a_new_model_of_which_no_router_is_trained_says_so() -> None:
    fitted = tuned(tiny_model(), "decoder")
    assert fitted.loaded.card.untrained("severity") == (
        "healthy",
        "suspect",
        "glaucoma",
    )


def test_a_new_value_and_attribute_are_untrained_if_something_else_is_trained() -> None:
    wide = add_value(
        stating({"severity": {"healthy": 4, "suspect": 4, "glaucoma": 4}}),
        "severity",
        "absolute",
    )
    sex = CardAttribute(name="sex", values=("female", "male"))
    wide = add_attribute(wide, sex)
    cases = [square(i, "absolute", sex=sex.values[i % 2]) for i in range(4)]
    settings = ONCE.model_copy(update={"train": "decoder"})
    card = fit(wide, cases, settings=settings).loaded.card
    assert card.untrained("severity") == ("absolute",)
    assert card.untrained("sex") == ("female", "male")


@pytest.mark.parametrize("spelt", ["Severity", "disease severity"])
def test_counts_that_somebody_wrote_are_gone_on_with(spelt: str) -> None:
    start = stating({spelt: {"Healthy": 8, "SUSPECT": 0, "not graded": 2}})
    card = tuned(start, "everything").loaded.card
    assert card.counts("severity") == {"healthy": 8, "suspect": 4, "glaucoma": 0}
    wide = add_value(start, "severity", "absolute").card
    assert wide.untrained("severity") == ("suspect", "glaucoma", "absolute")
    assert wide.counts("severity")["healthy"] == 8


def test_a_value_without_a_share_is_trained_once_it_had_cases() -> None:
    start = stating(frequencies=(1, 0, 0))
    assert start.card.untrained("severity") == ("suspect", "glaucoma")
    card = tuned(start, "everything").loaded.card
    assert card.untrained("severity") == ("glaucoma",)
    assert card.shares("severity") == (0.5, 0.5, 0)
    same = tuned(start, "everything", "healthy").loaded.card
    assert same.attributes[0].frequencies == (1, 0, 0)
    wide = add_value(start, "severity", "absolute")
    card = tuned(wide, "everything", "absolute").loaded.card
    assert card.untrained("severity") == ("suspect", "glaucoma")


def test_a_new_value_begins_as_those_that_were_trained() -> None:
    start = stating({"severity": {"healthy": 4, "suspect": 0, "glaucoma": 4}})
    rows = start.network.moe.router_weight
    wide = add_value(start, "severity", "absolute").network.moe.router_weight
    assert torch.equal(wide[3], rows[[0, 2]].mean(0))
    only = stating({"severity": {"healthy": 0, "suspect": 0, "glaucoma": 4}})
    assert nearest_value(only, "severity", squares(2)) == "glaucoma"
    none = stating({"severity": dict.fromkeys(("healthy", "suspect", "glaucoma"), 0)})
    assert nearest_value(none, "severity", squares(2)) in none.card.attributes[0].values


def test_a_single_router_is_the_mean_of_those_that_were_trained() -> None:
    start = stating({"severity": {"healthy": 4, "suspect": 0, "glaucoma": 4}})
    (row,) = in_mode(start, "single-router").network.moe.router_weight
    assert torch.equal(row, start.network.moe.router_weight[[0, 2]].mean(0))
    (row,) = in_mode(tiny_model(), "single-router").network.moe.router_weight
    assert torch.equal(row, tiny_model().network.moe.router_weight.mean(0))


def test_an_attribute_that_drives_the_model_under_another_name_is_none_to_add() -> None:
    loaded = add_attribute(
        tiny_model(), CardAttribute(name="sex", values=("female", "male"))
    )
    again = CardAttribute(name="Gender", values=("a", "b"))
    with pytest.raises(TrainingError, match="drives the model already"):
        add_attribute(loaded, again)
    with pytest.raises(TrainingError, match="knows sex 'F' already"):
        add_value(loaded, "sex", "F")
