"""Cards that state what no image and no network can be, and patches beyond memory."""

from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_dmoe.imaging import memory
from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.card_files import CardError, parse_card, read_card
from napari_dmoe.models.checkpoint import CheckpointError, load_checkpoint
from napari_dmoe.models.footprint import patch_bytes

formats = pytest.mark.formats
PELVIS = load_checkpoint("pelvis-phantom")
FIELDS = json.loads(PELVIS.card.model_dump_json())
DRIVER = FIELDS["attributes"][0]


def refused(fields: object, *causes: str) -> None:
    with pytest.raises(CardError) as caught:
        parse_card(json.dumps(fields), "my.json")
    message = str(caught.value)
    assert message.startswith("my.json is no ")
    assert len(message) < 600
    assert message.isprintable()
    for cause in (*causes,):
        assert cause in message


def driver(**changes: object) -> dict:
    return FIELDS | {"attributes": [DRIVER | changes]}


def prepared(**changes: object) -> dict:
    return FIELDS | {"preprocessing": FIELDS["preprocessing"] | changes}


@pytest.mark.parametrize(
    ("fields", "causes"),
    [
        pytest.param(
            prepared(window=[0, 5e-324]),
            ["preprocessing.window", "wide or more"],
            marks=formats("a card's window or spacing beyond any image"),
        ),
        (prepared(window=[1e8, 1e8 + 1]), ["preprocessing.window", "wide or more"]),
        (prepared(window=[-1e300, 1e300]), ["preprocessing.window", "within 1e+09"]),
        (prepared(spacing=[5e-324, 1, 1]), ["spacing", "0.001 to 1000 mm"]),
        (prepared(spacing=[1, 1, 1e5]), ["spacing", "0.001 to 1000 mm"]),
        (prepared(spacing=[-1, 1, 1]), ["spacing", "0.001 to 1000 mm"]),
        pytest.param(
            prepared(patch=[1024, 1024, 1024]),
            ["preprocessing.patch", "67,108,864 voxels at most"],
            marks=formats("a card's patch of more than 67 million voxels"),
        ),
        (prepared(patch=[10**30, 64, 64]), ["preprocessing.patch"]),
        (FIELDS | {"preprocessing": {"side": 10**6}}, ["side", "131072"]),
        pytest.param(
            FIELDS | {"classes": ["background", "target", "Target"]},
            ["classes must differ", "'Target' is there twice"],
            marks=formats("a card with two names that agree but for case"),
        ),
        (driver(values=["T1", "t1 ", "T3", "T4"]), ["values must differ"]),
        (FIELDS | {"attributes": [DRIVER, DRIVER]}, ["attributes must differ"]),
        (
            FIELDS
            | {
                "attributes": [DRIVER | {"name": n} for n in ("body_site", "Body site")]
            },
            ["attributes must differ"],
        ),
        (FIELDS | {"classes": [f"c{i}" for i in range(257)]}, ["classes", "256"]),
        (driver(values=[f"v{i}" for i in range(100_000)]), ["values", "1000"]),
        (driver(values=["T1", " ", "T3", "T4"]), ["values.1", "cannot be empty"]),
        (driver(values=["T1", "\x1b[2J", "T3", "T4"]), ["values.1", "'\\x1b'"]),
        (FIELDS | {"title": "a\u202eb"}, ["title", "'\\u202e'"]),
        (FIELDS | {"notice": "wipe \x1b[2J"}, ["notice", "'\\x1b'"]),
        (driver(frequencies=[1e308] * 4), ["frequencies"]),
        (driver(frequencies=[0, 0, 0, 0]), ["frequencies"]),
        (FIELDS | {"training": {"dice": {"target": 10**400}}}, ["training.dice"]),
    ],
)
def test_what_no_image_and_no_network_can_be_is_refused_by_field(
    fields: dict, causes: list[str]
) -> None:
    refused(fields, *causes)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('{"name": "a", "name": "b"}', "states name twice"),
        ('{"name": NaN}', "NaN is no number"),
        ('{"training": ' + "[" * 500 + "]" * 500 + "}", "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
@formats("JSON with a field twice, NaN, or nested without end")
def test_json_that_is_silently_something_else_is_refused(text: str, cause: str) -> None:
    with pytest.raises(CardError, match=cause):
        parse_card(text, "my.json")


def test_a_card_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_bytes(b" " * 9_000_000)
    with pytest.raises(CardError, match=r"big\.json is no card: it has more than 8 MB"):
        read_card(path)


FACTS = FIELDS["training_images"]
ODD = (None, True, "", "x", 0, -1, 5e-324, 1e308, -1e308, 10**400, [], {}, [[]], [0])


def places(value: object, at: tuple = ()) -> Iterator[tuple]:
    """Yield where something stands in JSON; of long lists, the first entries."""
    yield at
    if isinstance(value, dict):
        for key, own in value.items():
            yield from places(own, (*at, key))
    elif isinstance(value, list):
        for place, own in enumerate(value[:2]):
            yield from places(own, (*at, place))


def with_odd(value: object, at: tuple, odd: object) -> object:
    if not at:
        return odd
    changed = copy.copy(value)
    changed[at[0]] = with_odd(value[at[0]], at[1:], odd)
    return changed


def test_odd_facts_of_the_training_images_are_refused_or_can_be_compared_with() -> None:
    seen = {side: spread["mean"] for side, spread in FACTS["sets"][0]["sides"].items()}
    refusals = []
    for at in places(FACTS):
        for odd in ODD:
            fields = FIELDS | {"training_images": with_odd(FACTS, at, odd)}
            try:
                card = parse_card(json.dumps(fields), "my.json")
            except CardError as error:
                refusals.append(str(error))
                continue
            if card.training_images is not None:
                assert set(card.training_images.unlike(seen)) <= set(seen)
    assert len(refusals) > 300
    assert all("training_images" in each for each in refusals)


def test_facts_that_share_no_side_with_an_image_say_nothing() -> None:
    (first,) = FACTS["sets"]
    own = {"another": first["sides"]["brightness"]}
    facts = FACTS | {"sets": [first | {"sides": own}]}
    card = parse_card(json.dumps(FIELDS | {"training_images": facts}), "my.json")
    assert card.training_images.unlike({"brightness": (0.5,) * 7}) == ()


@formats("a card's top_k above the experts")
def test_more_experts_than_there_are_cannot_be_asked_for(
    tiny_checkpoint: Callable[..., Path],
) -> None:
    card = read_card("fairseg-race").model_copy(update={"top_k": 9})
    with pytest.raises(CheckpointError, match=r"has 4 experts, but .* best 9"):
        load_checkpoint(tiny_checkpoint(), card=card)
    card = card.model_copy(update={"top_k": 4})
    assert load_checkpoint(tiny_checkpoint(), card=card).config.top_k == 4


def with_patch(*patch: int) -> object:
    stated = PELVIS.preprocessing.model_copy(update={"patch": patch})
    return PELVIS.card.model_copy(update={"preprocessing": stated})


def volume(*shape: int) -> SpatialImage:
    values = np.random.default_rng(0).normal(0, 100, shape).astype(np.float32)
    affine = np.diag([4.0, 3.0, 3.0, 1.0])
    return SpatialImage(values, ("z", "y", "x"), affine, "mm")


@formats("a card's patch that needs more memory than there is")
def test_a_patch_beyond_memory_is_refused_when_loaded_and_when_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card, needed = with_patch(256, 256, 256), patch_bytes(PELVIS.config, (256,) * 3)
    assert 1.2e9 < needed < 3e9
    monkeypatch.setattr("napari_dmoe.models.footprint.installed_bytes", lambda: 10**9)
    with pytest.raises(CheckpointError, match=r"256 x 256 x 256 .* 'pelvis-phantom'"):
        load_checkpoint("pelvis-phantom", card)
    monkeypatch.setattr("napari_dmoe.models.footprint.installed_bytes", lambda: 10**15)
    loaded = load_checkpoint("pelvis-phantom", card)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    tracemalloc.start()
    with pytest.raises(NotEnoughMemory, match="the card's patch of 256 x 256 x 256"):
        segment(loaded, volume(64, 64, 64))
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_a_huge_patch_for_a_small_volume_is_refused_whatever_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**15)
    monkeypatch.setattr("napari_dmoe.models.footprint.installed_bytes", lambda: 10**15)
    loaded = load_checkpoint("pelvis-phantom", with_patch(384, 384, 384))
    with pytest.raises(NotEnoughMemory, match=r"GiB of memory for a volume of 20 x"):
        segment(loaded, volume(20, 30, 30))


def test_a_large_patch_is_taken_where_there_is_memory() -> None:
    loaded = load_checkpoint("pelvis-phantom", with_patch(64, 96, 96))
    assert segment(loaded, volume(20, 30, 30)).labels.shape == (20, 30, 30)


def test_a_spacing_that_makes_far_more_of_a_volume_is_refused() -> None:
    fine = VolumePreprocessing(spacing=(0.001, 0.001, 0.001))
    with pytest.raises(NotEnoughMemory, match=r"at the 0.001 x 0.001 x 0.001 mm"):
        prepare_volume(volume(20, 30, 30), fine)


def test_what_cards_may_state_stays_allowed() -> None:
    fields = driver(frequencies=[30, 10, 5, 0]) | {"notice": "one\ntwo"}
    fields["preprocessing"] = FIELDS["preprocessing"] | {
        "window": [0, 1e-5],
        "patch": [192, 192, 192],
        "spacing": [0.001, 5, 5],
    }
    card = parse_card(json.dumps(fields), "my.json")
    assert torch.tensor(card.attributes[0].prior).sum() == pytest.approx(1)
