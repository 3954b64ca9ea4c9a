"""What a card says of its images is what they were, whatever the recipe says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from training_cases import CARD, CONFIG, PLAIN, square, squares, tiny_model

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_files import card_names, read_card
from napari_dmoe.models.checkpoint import LoadedModel, bundled_names, load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.guarding.guard import phantom_guard
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.starting.new_model import train_new, untrained
from napari_dmoe.training.starting.recipe_files import read_recipe
from napari_dmoe.training.starting.recipes import RECIPES, Recipe

ONE = PLAIN.model_copy(update={"epochs": 1, "hold_out": "none"})
CLAIMS = ("photograph", "made-up", "made up", "synthetic", "phantom", "invented")
FUNDUS = Recipe(
    "dmoe-vit",
    CONFIG,
    RECIPES["fundus-phantom"].card.model_copy(
        update={"architecture": "dmoe-vit", "preprocessing": CARD.preprocessing}
    ),
    ONE,
)


def drawn(kind: str | None, n: int = 4, first: int = 0) -> list[Case]:
    """Return squares that pass for phantoms."""
    return [replace(case, phantom=kind) for case in squares(n, first=first)]


def trained(cases: Sequence[Case], recipe: Recipe = FUNDUS, **how: str) -> ModelCard:
    return train_new(recipe, cases, **how).loaded.card


def fundus_model(tmp_path: Path) -> LoadedModel:
    """Return a tiny model that was trained on nothing but phantoms, from its file."""
    model = train_new(FUNDUS, drawn("fundus")).loaded
    save_checkpoint(tmp_path / "fundus.safetensors", model)
    return load_checkpoint(tmp_path / "fundus.safetensors")


def test_phantoms_of_the_recipes_kind_make_the_recipes_card() -> None:
    card, recipe = trained(drawn("fundus")), FUNDUS.card
    for name in ("name", "title", "notice", "data_licence", "intended_use", "modality"):
        assert getattr(card, name) == getattr(recipe, name)
    assert card.training.data == recipe.training.data
    assert card.training.note == recipe.training.note
    assert card.training.phantoms == "fundus"
    assert phantom_guard(card) is not None


def test_a_recipe_claims_nothing_of_other_images() -> None:
    fitted = train_new(FUNDUS, squares(4))
    card = fitted.loaded.card
    assert card.training.data == "4 cases; what the images are is not stated"
    assert (card.name, card.title) == ("fundus", "Rim and cup, driven by severity")
    assert card.notice is card.training.note is card.training.phantoms is None
    assert card.data_licence is card.weights_licence is card.modality is None
    assert card.intended_use == "Research only, never a clinical decision."
    assert phantom_guard(card) is None
    text = card.model_copy(update={"training_images": None}).model_dump_json()
    text = text.replace('"phantoms":null', "")
    assert not [claim for claim in CLAIMS if claim in text]
    assert any("is of another training" in notice for notice in fitted.notices)


def test_the_table_and_what_is_stated_are_told(tmp_path: Path) -> None:
    table = write_cohort(tmp_path / "cohort", squares(4))
    table = table.rename(table.with_name("metadata.csv"))
    card = trained(read_cohort(table), data="  ISIC 2017,\n CC0 ")
    assert card.training.data == "4 cases of metadata.csv; stated: ISIC 2017, CC0"
    card = trained(read_cohort(table))
    assert card.training.data == (
        "4 cases of metadata.csv; what the images are is not stated"
    )


def test_a_mixture_says_both_with_numbers() -> None:
    card = trained(drawn("fundus", 3) + squares(2, first=9), data="clinic A")
    assert card.training.data == (
        "5 cases: 3 fundus phantoms, which are made up, and 2 others; stated: clinic A"
    )
    assert card.notice == "Trained in part on made-up images: 3 fundus phantoms."
    assert card.training.phantoms is None
    assert phantom_guard(card) is None


def test_phantoms_of_two_kinds_are_not_made_up_in_part() -> None:
    card = trained(drawn("fundus", 2) + drawn("fundus-race", 2, 2))
    assert card.notice.startswith("Trained on made-up images: what the attributes")
    assert card.training.data == (
        "4 cases: 2 fundus phantoms and 2 fundus-race phantoms, which are made up"
    )
    assert card.training.phantoms is None


def test_altered_phantoms_do_not_follow_the_recipes_rule() -> None:
    cases = [replace(drawn("fundus", 1)[0], is_altered=True), *drawn("fundus", 3, 1)]
    card = trained(cases)
    assert card.training.data == (
        "4 cases: 4 fundus phantoms (1 with other labels or attributes than were "
        "drawn), which are made up"
    )
    assert card.notice.startswith("Trained on made-up images")
    assert card.training.note is card.training.phantoms is card.data_licence is None
    assert phantom_guard(card) is None


def test_one_picture_among_phantoms_is_told_in_the_singular() -> None:
    data = trained(drawn("fundus", 3) + squares(1, first=9)).training.data
    assert ", and 1 other; what the images are is not stated" in data


@pytest.mark.parametrize("name", ["title", "modality", "intended_use"])
def test_a_recipe_that_calls_other_images_made_up_is_not_believed(name: str) -> None:
    own = CARD.model_copy(update={name: "a skin Phantom"})
    card = trained(squares(4), Recipe("dmoe-vit", CONFIG, own, ONE))
    assert card.title == "Rim and cup, driven by severity"
    assert "hantom" not in f"{card.modality} {card.intended_use}"
    card = trained(drawn("fundus"), Recipe("dmoe-vit", CONFIG, own, ONE))
    assert getattr(card, name) == "a skin Phantom"


def test_phantoms_of_another_kind_are_called_by_theirs() -> None:
    card = trained(drawn("fundus-race"))
    assert card.training.data == "4 cases: 4 fundus-race phantoms, which are made up"
    assert card.notice.startswith("Trained on made-up images")
    assert "circular" not in card.notice
    assert card.training.phantoms == "fundus-race"
    assert phantom_guard(card).name == "fundus-race"


@pytest.mark.parametrize("name", card_names())
def test_a_published_card_claims_nothing_of_a_model_trained_here(name: str) -> None:
    card = read_card(name)
    small = card.model_copy(
        update={
            "attributes": CARD.attributes,
            "classes": CARD.classes,
            "preprocessing": CARD.preprocessing,
            "dims": 2,
            "architecture": None,
        }
    )
    found = trained(squares(4), Recipe("dmoe-vit", CONFIG, small, ONE))
    assert found.citation is found.data_licence is found.weights_licence is None
    assert found.name == "rim-cup-by-severity"
    assert found.title == "Rim and cup, driven by severity"
    assert found.training.data == "4 cases; what the images are is not stated"
    assert found.training.n_cases == 4


def test_what_a_recipes_file_states_of_a_training_is_not_taken(tmp_path: Path) -> None:
    facts = load_checkpoint("skin-phantom").facts()
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"card": facts["card"], "config": facts["config"]}))
    recipe = read_recipe(str(path))
    small = recipe.card.model_copy(
        update={
            "attributes": CARD.attributes,
            "classes": CARD.classes,
            "preprocessing": CARD.preprocessing,
        }
    )
    card = trained(squares(4), Recipe("dmoe-vit", CONFIG, small, ONE))
    assert card.training.n_cases == 4
    assert card.training.n_per_value == {
        "severity": {"healthy": 0, "suspect": 4, "glaucoma": 0}
    }
    assert card.training.data.startswith("4 cases;")
    assert card.training_images is None
    assert card.notice is None


def test_a_card_that_tells_of_no_training_keeps_its_own_words() -> None:
    own = CARD.model_copy(update={"modality": "our camera", "intended_use": "ours"})
    card = trained(squares(4), Recipe("dmoe-vit", CONFIG, own, ONE))
    assert (card.name, card.title, card.modality) == ("tiny", "Tiny", "our camera")
    assert card.intended_use == "ours"


@pytest.mark.parametrize("mode", ["single-router", "no-moe"])
def test_baselines_say_that_they_are(mode: str) -> None:
    card = trained(squares(4), mode=mode)
    words = {"single-router": "single router", "no-moe": "no MoE"}[mode]
    assert card.name == f"fundus-{mode}"
    assert card.title == f"Rim and cup ({words})"


@pytest.mark.parametrize("data", ["a\x1b[2Jb", "x" * 501])
def test_what_no_card_can_hold_is_refused_as_a_statement(data: str) -> None:
    with pytest.raises(TrainingError, match="what is stated of the images"):
        trained(squares(4), data=data)


def test_a_model_that_began_from_photographs_is_no_phantom_model() -> None:
    model = untrained(FUNDUS)
    model = replace(model, notices=("began from the ImageNet weights of a.npz",))
    card = fit(model, drawn("fundus"), settings=ONE).loaded.card
    assert card.training.data == (
        "4 cases: 4 fundus phantoms, which are made up; begun from the ImageNet "
        "weights of a.npz"
    )
    assert card.training.phantoms is None
    assert card.notice.startswith("Trained on made-up images")


# Training further


def test_tuned_on_others_a_phantom_model_says_both(tmp_path: Path) -> None:
    start = fundus_model(tmp_path)
    card = fit(start, squares(2), settings=ONE).loaded.card
    assert card.training.data == (
        "synthetic fundi drawn by napari-dmoe phantoms; then fine-tuned on 2 further "
        "cases, which are not known to be made up"
    )
    assert card.notice == (
        "First trained on made-up images, in which what the attributes change is "
        "invented, then fine-tuned on 2 further cases."
    )
    assert card.training.note.startswith("Of its first training: The differences")
    assert card.training.phantoms is card.data_licence is card.weights_licence is None
    assert card.title == "Fundus (phantom-trained), driven by severity, fine-tuned"
    assert phantom_guard(card) is None
    again = replace(start, card=card)
    card = fit(again, drawn("fundus", 3, 5), settings=ONE, data="x").loaded.card
    assert card.training.data.endswith(
        "; then fine-tuned on 3 further cases, fundus phantoms (stated: x)"
    )
    assert card.notice.endswith("then fine-tuned on 5 further cases.")
    assert card.title.count("fine-tuned") == 1


def test_tuned_on_phantoms_of_its_kind_it_stays_a_phantom_model(tmp_path: Path) -> None:
    start = fundus_model(tmp_path)
    card = fit(start, drawn("fundus", 2, 7), settings=ONE).loaded.card
    assert card.training.data.endswith(
        "; no photograph; then fine-tuned on 2 further cases, fundus phantoms"
    )
    assert card.training.phantoms == "fundus"
    assert card.notice == start.card.notice


def test_a_model_of_real_images_says_of_phantoms_that_came_later() -> None:
    start = train_new(FUNDUS, squares(4)).loaded
    card = fit(start, drawn("fundus", 2, 7), settings=ONE).loaded.card
    assert card.notice == "Fine-tuned on made-up images, too: 2 fundus phantoms."
    assert card.training.phantoms is None


def test_phantoms_that_came_later_are_added_up() -> None:
    card = train_new(FUNDUS, squares(4)).loaded.card
    for kind, n in (("fundus", 2), ("skin", 1), ("fundus", 3)):
        start = replace(tiny_model(), card=card)
        card = fit(start, drawn(kind, n, 7), settings=ONE).loaded.card
    assert card.notice == (
        "Fine-tuned on made-up images, too: 5 fundus phantoms and 1 skin phantom."
    )


def test_licences_are_those_of_the_model_before_it_saw_other_images() -> None:
    stated = {"data_licence": "CC BY-NC 4.0", "weights_licence": None}
    card = train_new(FUNDUS, squares(4)).loaded.card.model_copy(update=stated)
    for _ in range(2):
        start = replace(tiny_model(), card=card)
        card = fit(start, squares(2), settings=ONE).loaded.card
        assert card.data_licence == "before it was fine-tuned: CC BY-NC 4.0"
        assert card.weights_licence is None


def test_altered_phantoms_make_a_phantom_model_one_of_both(tmp_path: Path) -> None:
    cases = [replace(case, is_altered=True) for case in drawn("fundus", 2, 7)]
    card = fit(fundus_model(tmp_path), cases, settings=ONE).loaded.card
    assert card.training.data.endswith(
        "fine-tuned on 2 further cases, fundus phantoms (2 with other labels or "
        "attributes than were drawn)"
    )
    assert card.training.note.startswith("Of its first training: ")
    assert card.training.phantoms is card.data_licence is None


def test_a_model_tuned_before_cards_could_say_so_is_told_by_its_notice() -> None:
    old = RECIPES["fundus-phantom"].card
    told = f"{old.training.data}; then fine-tuned on 5 further cases"
    facts = {"data": told, "phantoms": None, "n_cases": 9}
    card = old.model_copy(update={"training": old.training.model_copy(update=facts)})
    own = {"preprocessing": CARD.preprocessing}
    start = replace(tiny_model(), card=card.model_copy(update=own))
    card = fit(start, squares(2), settings=ONE).loaded.card
    assert card.notice.endswith("then fine-tuned on 7 further cases.")
    assert "no photograph" not in card.training.data


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_models_are_known_by_their_hash(name: str, tmp_path: Path) -> None:
    source = load_checkpoint(name)
    kind = name.removesuffix("-phantom")
    assert source.card.training.phantoms == (None if kind == name else kind)
    folder = Path(load_checkpoint.__code__.co_filename).parent / "bundled"
    path = tmp_path / "renamed.safetensors"
    path.write_bytes((folder / f"{name}.safetensors").read_bytes())
    assert phantom_guard(load_checkpoint(path).card) == phantom_guard(source.card)
    other = source.card.model_copy(update={"training": FUNDUS.card.training})
    assert load_checkpoint(path, other).card.training == other.training


# Rehearsed cases


def test_rehearsed_cases_count_once_however_often(tmp_path: Path) -> None:
    model, cases = fundus_model(tmp_path), squares(2)
    card = fit(model, cases, settings=ONE).loaded.card
    assert card.training.n_cases == 6
    for _ in range(2):
        fitted = fit(
            replace(model, card=card),
            [*squares(1, "glaucoma", 20), *cases],
            settings=ONE,
            rehearsed=2,
        )
        card = fitted.loaded.card
        assert fitted.n_cases == 3
    assert card.training.n_cases == 8
    assert card.training.n_per_value == {
        "severity": {"healthy": 0, "suspect": 6, "glaucoma": 2}
    }
    assert card.attributes[0].frequencies == (0, 0.75, 0.25)
    assert card.training.data.count("on 1 further case,") == 2


def test_rehearsing_alone_adds_nothing(tmp_path: Path) -> None:
    model = fundus_model(tmp_path)
    cases = drawn("fundus", 2)
    before = model.card.training
    after = fit(model, cases, settings=ONE, rehearsed=2).loaded.card.training
    for name in ("data", "n_cases", "n_per_value", "phantoms"):
        assert getattr(after, name) == getattr(before, name)


def test_records_repeat_what_is_true_of_the_model() -> None:
    loaded, case = train_new(FUNDUS, squares(4)).loaded, square(9)
    record = segment(loaded, case.image, case.patient).provenance.model
    assert record.notice is None
    assert record.title == "Rim and cup, driven by severity"
    loaded = train_new(FUNDUS, drawn("fundus")).loaded
    record = segment(loaded, case.image, case.patient).provenance.model
    assert record.notice == FUNDUS.card.notice
