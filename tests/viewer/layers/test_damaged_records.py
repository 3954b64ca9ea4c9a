"""A good mask opens without its bad record, and that is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from places import DATA

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.layers.opening import mask_layers


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    image = SpatialImage.from_array(pixels, axes="yx", spacing=(0.5, 0.5), unit="mm")
    loaded = load_checkpoint(DATA / "vit2d_race3.pth", card="fairseg-race")
    result = segment(loaded, image, Patient())
    folder = tmp_path_factory.mktemp("saved")
    return save_segmentation(folder, "eye", result, image).labels


def opened(path: Path) -> tuple[Any, dict[str, Any], list[str]]:
    n_before = len(notification_manager.records)
    ((data, arguments, _),) = mask_layers(path)
    said = [str(each) for each in notification_manager.records[n_before:]]
    return data, arguments, [text for text in said if path.name in text]


def test_a_good_record_opens_with_its_mask_and_without_a_word(saved: Path) -> None:
    _, arguments, said = opened(saved)
    assert METADATA_KEY in arguments["metadata"]
    assert said == []


def damages(record: dict[str, Any]) -> dict[str, bytes]:
    image = record["image"]
    volume = image | {"axes": ["z", "y", "x"], "shape": [3, 40, 50]}
    volume["affine"] = np.eye(4).tolist()
    other = image | {"axes": ["t", "y"], "affine": [[1, 0], [0, 1]]}
    return {
        "is no JSON": b'{"created": ',
        "deep": b"[" * 99_999,
        "there is no such field": json.dumps(record | {"colour": 1}).encode(),
        "image.shape must be": json.dumps(
            record | {"image": image | {"shape": [40]}}
        ).encode(),
        "grid must have 2 or 3 axes": json.dumps(record | {"image": other}).encode(),
        "text": b"\xff\xfe\x00",
    }


@pytest.mark.formats("a damaged record beside a good mask")
def test_a_good_mask_opens_without_its_damaged_record(saved: Path) -> None:
    beside = saved.with_suffix(".json")
    whole = beside.read_bytes()
    good, _, _ = opened(saved)
    try:
        for reason, content in damages(json.loads(whole)).items():
            beside.write_bytes(content)
            data, arguments, said = opened(saved)
            np.testing.assert_array_equal(data, good)
            assert METADATA_KEY not in arguments["metadata"]
            (notice,) = said
            assert f"{saved.name} is opened without its record: " in notice
            assert reason in notice
            assert notice.isprintable()
    finally:
        beside.write_bytes(whole)


def test_no_record_is_no_damage(saved: Path, tmp_path: Path) -> None:
    alone = tmp_path / saved.name
    alone.write_bytes(saved.read_bytes())
    _, arguments, said = opened(alone)
    assert METADATA_KEY not in arguments["metadata"]
    assert said == []
