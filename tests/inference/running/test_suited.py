"""Which bundled model is for a picture: photographs first, none that is no better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.suited import suited_model, suited_to_files
from napari_dmoe.models.checkpoint import bundled_cards, bundled_names, load_checkpoint
from napari_dmoe.phantoms.skin.cohort import skin_case
from napari_dmoe.progress import Cancelled, Progress

SKIN, LESION = "skin-phantom", "skin-isic2017"
FUNDUS, RACE = "fundus-phantom", "fundus-race-phantom"


@pytest.fixture(scope="module")
def lesion() -> SpatialImage:
    """Return a picture that is like the images of two trainings."""
    return skin_case(0, 7).image


@pytest.fixture(scope="module")
def retina() -> SpatialImage:
    return SpatialImage.of(skimage.data.retina())


def test_the_cards_say_all_that_loaded_ones_do() -> None:
    cards = bundled_cards()
    assert tuple(cards) == bundled_names()
    for name, card in cards.items():
        loaded = load_checkpoint(name).card
        assert card.training_images == loaded.training_images is not None
        assert card.training.phantoms == loaded.training.phantoms
        assert (card.preprocessing, card.title) == (loaded.preprocessing, loaded.title)


@pytest.mark.parametrize("loaded", ["", FUNDUS, SKIN, LESION, "pelvis-phantom"])
def test_a_model_of_photographs_goes_before_those_of_phantoms(
    lesion: SpatialImage, loaded: str
) -> None:
    assert suited_model(lesion, instead_of=loaded) == LESION


def test_a_model_that_is_as_good_stays(retina: SpatialImage) -> None:
    assert suited_model(retina) == FUNDUS
    assert suited_model(retina, instead_of=LESION) == FUNDUS
    assert suited_model(retina, instead_of=RACE) == RACE


def test_no_phantoms_model_takes_the_place_of_one_that_finds_the_same(
    lesion: SpatialImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pictures in a row one may be unlike the photographs, and like phantoms."""
    cards = dict(bundled_cards())
    changed = {"training_images": cards[FUNDUS].training_images}
    cards[LESION] = cards[LESION].model_copy(update=changed)
    module = "napari_dmoe.inference.running.suited.bundled_cards"
    monkeypatch.setattr(module, lambda: cards)
    assert suited_model(lesion) == SKIN
    assert suited_model(lesion, instead_of=FUNDUS) == SKIN
    assert suited_model(lesion, instead_of=LESION) == ""


def test_what_no_training_had_is_for_no_model(lesion: SpatialImage) -> None:
    assert suited_model(SpatialImage.of(skimage.data.astronaut())) == ""
    grey = SpatialImage.of(np.asarray(lesion.data)[..., 1])
    assert suited_model(grey) == ""
    stack = np.stack([np.asarray(lesion.data)] * 2)
    assert suited_model(SpatialImage(stack, ("t", "y", "x", "c"))) == ""
    assert suited_model(SpatialImage(np.zeros((4, 8, 8)), ("z", "y", "x"))) == ""
    assert suited_model(SpatialImage(np.zeros((8,)), ("x",))) == ""


def test_it_can_be_stopped(lesion: SpatialImage) -> None:
    def stop(progress: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        suited_model(lesion, progress=stop)


def test_of_files_it_is_what_most_that_are_looked_at_are_for(
    tmp_path: Path, lesion: SpatialImage, retina: SpatialImage
) -> None:
    def saved(name: str, image: SpatialImage) -> Path:
        Image.fromarray(np.asarray(image.data)).save(tmp_path / name)
        return tmp_path / name

    skin = [saved(f"{number}.png", lesion) for number in range(7)]
    assert suited_to_files(skin, instead_of=FUNDUS) == LESION
    assert suited_to_files([*skin[:4], tmp_path / "scan.nii.gz"]) == LESION
    eye = saved("eye.png", retina)
    assert suited_to_files([skin[0], eye, skin[1]]) == LESION
    assert suited_to_files([eye, skin[0], eye]) == FUNDUS
    assert suited_to_files([skin[0], eye]) == ""
    assert suited_to_files([eye, skin[0], eye, *skin[1:5]]) == LESION  # 3 are read
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    assert suited_to_files([broken]) == ""
    assert suited_to_files([skin[0], broken, skin[1]]) == LESION
    assert suited_to_files([tmp_path / "missing.png"]) == ""
    assert suited_to_files([]) == ""
