"""What is written in the card editor, as JSON, and where faults are shown."""

from __future__ import annotations

import numpy as np
import pytest
from places import DATA

from napari_dmoe.imaging.foreground import Foreground
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.running.seen_plane import seen_plane
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_faults import faults_of_card
from napari_dmoe.models.card_files import card_names, read_card
from napari_dmoe.models.checkpoint import LoadedModel, bundled_cards, load_checkpoint
from napari_dmoe.progress import silent
from napari_dmoe.viewer.segment.card.draft import place_of, stated
from napari_dmoe.viewer.segment.card.fields import texts_of

PLAIN = VolumePreprocessing(patch=(32, 32, 64), window=(-100, 200.5))
CARDS = {name: read_card(name) for name in card_names()} | dict(bundled_cards())

CARDS["prostate-tstage"] = CARDS["prostate-tstage"].model_copy(
    update={"preprocessing": PLAIN}
)


def written(card: ModelCard, **texts: str) -> tuple[dict, dict[str, str]]:
    """Return what a card states with other texts in some fields."""
    known = card.model_dump(mode="json")
    return stated(texts_of(known, card.dims) | texts, known, card.dims)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_comes_back_as_it_was(name: str) -> None:
    fields, faults = written(CARDS[name])
    assert faults == {}
    assert ModelCard.model_validate(fields) == CARDS[name]


def test_a_foreground_comes_back_as_it_was() -> None:
    card = CARDS["prostate-tstage"].model_copy(
        update={
            "preprocessing": VolumePreprocessing(
                orientation="RAS",
                standardise=True,
                spacing=(2.5, 1, 1),
                foreground=Foreground(above=-400.5, crop=True, margin=3),
            )
        }
    )
    fields, faults = written(card)
    assert faults == {}
    assert ModelCard.model_validate(fields) == card


def test_values_edges_and_spacing_are_read() -> None:
    fields, faults = written(
        CARDS["prostate-tstage"],
        **{
            "attributes.0.name": "age",
            "attributes.0.values": " young \n\nmiddle\nold",
            "attributes.0.edges": "40; 60",
            "attributes.0.unit": "years",
            "attributes.0.frequencies": "0.5 0.3, 0.2",
            "preprocessing.spacing": "4 × 1.5 × 1.5",
            "preprocessing.window": "",
        },
    )
    assert faults == {}
    card = ModelCard.model_validate(fields)
    assert card.attributes[0].values == ("young", "middle", "old")
    assert card.attributes[0].edges == (40, 60)
    assert card.attributes[0].frequencies == (0.5, 0.3, 0.2)
    assert card.preprocessing.spacing == (4, 1.5, 1.5)
    assert card.preprocessing.window is None


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("title", " ", "nothing is written"),
        ("name", "generic", "choose another"),
        ("classes", "", "nothing is written"),
        ("preprocessing.spacing", "1, one, 1", "“one” is no number"),
        ("attributes.0.values", "", "nothing is written"),
    ],
)
def test_what_cannot_be_read_is_said_at_its_field(
    key: str, text: str, said: str
) -> None:
    _, faults = written(CARDS["prostate-tstage"], **{key: text})
    assert list(faults) == [key]
    assert said in faults[key]


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("classes", "background\ntarget\nbladder", "tell 2 classes apart"),
        ("classes", "a\na", "there twice"),
        ("attributes.0.n_routers", "", "weights hold 5 routers"),
        ("attributes.0.frequencies", "0.5", "needs 4 frequencies"),
        ("attributes.0.values", "T1\nT1\nT2", "there twice"),
        ("attributes.0.edges", "3, 2", "rising edges"),
        ("attributes.0.n_routers", "1", "1 routers for"),
        ("preprocessing.patch", "32, 32, 33", "multiples of 32"),
        ("preprocessing.patch", "32, 32", "is missing"),
        ("preprocessing.spacing", "0, 1, 1", "0.001 to 1000 mm"),
        ("preprocessing.orientation", "RAX", "one letter of each"),
        ("preprocessing.window", "5, 1", "a window rises"),
        ("preprocessing.foreground.margin", "-2", "at least 0"),
    ],
)
def test_each_rule_is_said_in_words_beside_its_field(
    prostate: LoadedModel, key: str, text: str, said: str
) -> None:
    more = {"preprocessing.foreground.crop": "yes"} if "foreground" in key else {}
    fields, unread = written(prostate.card, **{key: text}, **more)
    assert unread == {}
    _, faults = faults_of_card(fields, prostate)
    texts = texts_of(prostate.card.model_dump(mode="json"), 3) | {"attributes": ""}
    told = {place_of(at, words, texts): words for at, words in faults.items()}
    place = "attributes" if "weights" in said else key
    if key == "classes" and "twice" in said:
        place = ""  # it is a rule of the card as a whole
    assert list(told) == [place]
    assert said in told[place]


@pytest.fixture(scope="module")
def prostate() -> LoadedModel:
    card = CARDS["prostate-tstage"]
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


def test_a_card_that_fits_has_no_fault(prostate: LoadedModel) -> None:
    card, faults = faults_of_card(prostate.card.model_dump(mode="json"), prostate)
    assert (card, faults) == (prostate.card, {})


def test_planes_are_shown_as_the_network_sees_them() -> None:
    data = np.zeros((20, 10, 10), np.uint8)
    data[7] = 255
    image = SpatialImage(data, ("t", "y", "x"))
    how = Preprocessing(side=32, fit="stretch")
    for at, grey in (({"t": 7}, 255), ({"t": 6}, 0)):
        seen = seen_plane(image, how, n_channels=3, at=at, progress=silent)
        assert seen.picture.shape == (32, 32, 3)
        assert (seen.picture == grey).all()
    assert "32 × 32 pixels" in seen.words


def test_volumes_are_shown_across_the_networks_first_axis() -> None:
    data = np.zeros((8, 10, 12), np.float32)
    data[:, :, 9] = 1
    data[0, :, 9] = 0.5
    image = SpatialImage(data, ("z", "y", "x"), np.eye(4), "mm")
    how = VolumePreprocessing(orientation="RAS", window=(0, 1))
    seen = seen_plane(image, how, n_channels=1, at={"x": 9}, progress=silent)
    assert seen.picture.shape == (10, 8, 3)  # to the front, and to the head
    assert (seen.picture[:, 0] == 128).all()
    assert (seen.picture[:, 1:] == 255).all()
    assert "plane 10 of 12 along x; 12 × 10 × 8 voxels" in seen.words


def test_a_volume_of_unknown_voxel_size_is_shown_as_it_is_which_is_said() -> None:
    image = SpatialImage(np.arange(64.0).reshape(4, 4, 4), ("z", "y", "x"))
    how = VolumePreprocessing(spacing=(2, 2, 2))
    seen = seen_plane(image, how, n_channels=1, progress=silent)
    assert seen.picture.shape == (4, 4, 3)
    assert any("voxel size is not known" in each for each in seen.notices)
