"""Recipes, configs and ImageNet weights that cannot be: one line, nothing made."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagenet_arrays import DEPTH, Arrays, jax_arrays
from training_cases import tiny_model

from napari_dmoe.imaging import memory
from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.models.checkpoint import CheckpointError
from napari_dmoe.models.imagenet import imagenet_config, start_from_imagenet
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.starting.new_model import untrained
from napari_dmoe.training.starting.recipe_files import read_recipe
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.training.tasks.task import TrainingTask, read_settings, settings_of

formats = pytest.mark.formats
PELVIS, FUNDUS = RECIPES["pelvis-phantom"], RECIPES["fundus-race-phantom"]


def stated(name: str = "fundus-race-phantom", **changes: object) -> dict[str, Any]:
    recipe = RECIPES[name]
    parts = {
        "config": json.loads(recipe.config.model_dump_json()),
        "card": json.loads(recipe.card.model_dump_json()),
        "settings": json.loads(recipe.settings.model_dump_json()),
    }
    return copy.deepcopy(parts | changes)


def shaped(**changes: object) -> dict[str, Any]:
    recipe = stated()
    recipe["config"] |= changes
    return recipe


@pytest.mark.parametrize(
    ("recipe", "cause"),
    [
        pytest.param(
            stated(architecture="resnet"),
            "there is no architecture 'resnet': use dmoe-vit",
            marks=formats("a recipe of an unknown architecture"),
        ),
        (stated(architecture=["x"]), "no architecture"),
        (stated(architecture="dmoe-unet3d"), "the shape is that of dmoe-vit"),
        pytest.param(
            shaped(width=0),
            "width cannot be 0: it must be above 0",
            marks=formats("a recipe of width 0, or whose heads do not divide it"),
        ),
        (shaped(depth=0), "depth cannot be 0"),
        (shaped(depth=10**9), "depth cannot be 1000000000"),
        (shaped(n_heads=7), "7 attention heads do not divide a width of 128"),
        (shaped(n_experts=0), "6 routers need experts"),
        (shaped(decoder_widths=[0, 1, 1, 1]), "decoder_widths.0 cannot be 0"),
        (shaped(n_classes=2), "2 classes, but the card 'fundus-race-phantom' states 3"),
        (shaped(n_routers=4), "4 routers, but"),
        (shaped(top_k=9), "the best 9"),
        (shaped(n_heads="many"), "n_heads cannot be 'many'"),
        (stated(config=[1]), "config must be an object"),
        (stated(settings=[1]), "settings must be an object"),
        (stated(settings={"self": 1}), "self: there is no such field"),
        (stated(settings={"steps_per_epoch": 10**6, "batch": 10**6}), "at most"),
        (stated(card=7), "card must be a card"),
        (stated(card="none"), "there is no card 'none'"),
        (stated(card={"name": "x"}), "title"),
        (stated("pelvis-phantom", config={"feature_size": 0}), "feature_size cannot"),
        ([stated()], "expected an object with card"),
    ],
)
def test_recipes_that_cannot_be_are_refused_in_one_line(
    tmp_path: Path, recipe: object, cause: str
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(recipe))
    with pytest.raises(TrainingError) as caught:
        read_recipe(str(path))
    message = str(caught.value)
    assert message.startswith("r.json is no recipe: ")
    assert cause in message
    for foreign in ("Input should", "validation error", "pydantic", "\n"):
        assert foreign not in message


@pytest.mark.parametrize("text", ["[" * 100_000, '{"card": 1, "card": 2}', "\xff", ""])
@formats("a recipe or config that is no JSON, or nested without end")
def test_text_that_is_no_recipe_and_no_settings_is_refused(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(TrainingError, match=r"r\.json"):
        read_recipe(str(path))
    with pytest.raises(TrainingError, match=r"r\.json"):
        read_settings(path)


@formats("a recipe whose network needs more memory than there is")
def test_a_network_beyond_memory_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(shaped(width=32768, mlp_width=65536, depth=8)))
    recipe = read_recipe(str(path))
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**33)
    with pytest.raises(NotEnoughMemory, match=r"weights of the new model need \d+\."):
        untrained(recipe)


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"self": 1}, "there is no setting 'self'"),
        ({"name": "x"}, "there is no setting 'name'"),
        ({"batch": 0}, "batch cannot be 0"),
        ({"batch": [[1]]}, "batch cannot be a list"),
        ({"seed": 10**30}, "seed cannot be"),
        ({"steps_per_epoch": 10**12}, "steps_per_epoch cannot be"),
        ({"augmentation": "x" * 9999}, "there is no augmentation"),
        ({"unlabelled": 10**20}, "unlabelled cannot be"),
    ],
)
@pytest.mark.parametrize("preset", [None, "published"])
def test_settings_that_cannot_be_are_refused_by_name(
    settings: dict[str, Any], cause: str, preset: str | None
) -> None:
    task = TrainingTask(
        kind="train", cohort=Path(), output=Path("o"), settings=settings, preset=preset
    )
    with pytest.raises(TrainingError, match=cause) as caught:
        settings_of(task, FUNDUS.settings)
    assert len(str(caught.value)) < 400


QUERY = "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel"
KERNEL, POSITIONS = "embedding/kernel", "Transformer/posembed_input/pos_embedding"
Change = Callable[[Arrays], object]


def put(name: str, how: Callable[[Any], object]) -> Change:
    return lambda arrays: arrays.update({name: np.asarray(how(arrays[name]))})


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(
            put(KERNEL, lambda a: a.astype("i4")),
            "embedding/kernel holds int32, where floats are expected",
            marks=formats("ImageNet weights (`.npz`) of another shape or type"),
        ),
        (put(POSITIONS, lambda a: a.astype("U")), "holds <U32"),
        (put(KERNEL, lambda a: a.reshape(-1)), "embedding/kernel has 1 axes, where 4"),
        (put(KERNEL, lambda a: np.float32(1)), "embedding/kernel has 0 axes"),
        (put(KERNEL, lambda a: a[..., :0]), "embedding/kernel is empty"),
        (put(QUERY, lambda a: a[..., 0]), f"{QUERY} has 2 axes"),
        (put(QUERY, lambda a: a.repeat(2, 1)[:, :3]), "3 attention heads do not"),
        (put(POSITIONS, lambda a: a[0]), "does not fit"),
        (put(POSITIONS, lambda a: a[:, :3]), "2 positions are no square grid"),
        (lambda a: a.pop(QUERY), f"{QUERY} is missing"),
        (put(KERNEL, lambda a: a.astype("f8") * 1e300), "holds no finite numbers"),
        (put(KERNEL, lambda a: a * np.nan), "holds no finite numbers"),
    ],
)
def test_imagenet_weights_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, change: Change, cause: str
) -> None:
    arrays, path = jax_arrays(), tmp_path / "bad.npz"
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(CheckpointError) as caught:
        start_from_imagenet(_model(path), path)
    message = str(caught.value)
    assert "bad.npz" in message
    assert cause in message
    assert "\n" not in message


def _model(path: Path) -> Any:
    from napari_dmoe.models.card_files import read_card
    from napari_dmoe.models.checkpoint import new_model

    small = {"decoder_entry": 8, "decoder_widths": (8, 8, 4, 4), "expert_width": 16}
    config = imagenet_config(path, n_classes=3, n_routers=3, n_experts=4, **small)
    assert config.depth <= DEPTH
    return new_model("dmoe-vit", config, read_card("fairseg-race"))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'shape': (1,), }",
        "(" * 3000,
        "\x00",
    ],
)
@formats("ImageNet weights whose headers claim what is not there, and objects")
def test_a_header_is_not_believed(tmp_path: Path, header: str) -> None:
    path = tmp_path / "liar.npz"
    text = header.encode("latin-1") + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(4)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("embedding/kernel.npy", content)
    with pytest.raises(CheckpointError, match=r"liar\.npz"):
        start_from_imagenet(tiny_model(), path)


def test_damage_anywhere_in_imagenet_weights_is_one_error(tmp_path: Path) -> None:
    buffer, path = io.BytesIO(), tmp_path / "damaged.npz"
    np.savez_compressed(buffer, **jax_arrays())
    whole = buffer.getvalue()
    for place in range(0, len(whole), len(whole) // 40):
        content = bytearray(whole)
        content[place : place + 3] = b"\xff\x00\x7f"
        path.write_bytes(content if place % 2 else content[:place])
        with pytest.raises(CheckpointError, match=r"damaged\.npz"):
            imagenet_config(path, n_heads=5)
