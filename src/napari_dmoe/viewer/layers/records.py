"""A layer's record in words: how a result of this plugin came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from napari_dmoe.inference.results.provenance import DriverRecord, Provenance
from napari_dmoe.viewer.badges import badge

_SHORT_HASH = 12


def record_of(stated: Any) -> Provenance | None:
    """Return the record that a layer's metadata holds; None where it holds none."""
    if not isinstance(stated, Mapping):
        return None
    try:
        known = {key: value for key, value in stated.items() if key != "shows"}
        return Provenance.model_validate(known)
    except ValidationError:
        return None


def record_rows(stated: Any) -> list[tuple[str, str]]:
    """Return a layer's record as names and texts; none where it has no record."""
    record = record_of(stated)
    if record is None:
        return []
    model = record.model
    settings = {
        name: value
        for name, value in record.settings.items()
        if value is not None and name != "schema_version"
    }
    rows = [
        ("Shows", str(stated.get("shows", "mask"))),
        ("What if", badge(record)),
        ("Made", record.created.replace("T", " ").replace("+00:00", " UTC")),
        ("Model", model.title),
        ("File", model.file or "not saved yet"),
        ("SHA-256", f"{model.sha256[:_SHORT_HASH]}…" if model.sha256 else "none"),
        ("Driven by", "\n".join(map(_driver, record.drivers)) or "nothing"),
        ("Classes", ", ".join(record.classes)),
        ("Device", record.device),
        ("Image", _image(record)),
        ("Input", f"SHA-256 {record.image.input_sha256[:_SHORT_HASH]}…"),
        ("Settings", "\n".join(f"{name}: {value}" for name, value in settings.items())),
        ("Versions", "\n".join(f"{n} {v}" for n, v in record.versions.items())),
        ("Painted", "yes, after the run" if record.edited else "no"),
        ("Notices", "\n".join(_notices(record)) or "none"),
        ("Use", record.statement),
    ]
    return [(name, text) for name, text in rows if text]


def _driver(driver: DriverRecord) -> str:
    name = driver.attribute.replace("_", " ")
    if driver.between is not None:
        return f"{name}: {driver.value} (between routers {driver.routers})"
    if driver.value is not None:
        return f"{name}: {driver.value} (router {driver.routers[0]})"
    shares = ", ".join(
        f"{value} {weight:.0%} (router {router})"
        for value, weight, router in zip(
            driver.values, driver.weights, driver.routers, strict=True
        )
    )
    return f"{name}: unknown, mixed from {shares}"


def _image(record: Provenance) -> str:
    image = record.image
    sides = " × ".join(
        f"{name} {n}" for name, n in zip(image.axes, image.shape, strict=True)
    )
    return f"{sides}, {image.dtype}, {_pixel(record)}"


def _pixel(record: Provenance) -> str:
    """Say how large a pixel is, along the spatial axes in their order."""
    image = record.image
    if image.unit is None:
        return "pixel size unknown"
    sides = np.linalg.norm(np.array(image.affine)[:-1, :-1], axis=0)
    return f"{' × '.join(f'{side:.4g}' for side in sides)} {image.unit} a pixel"


def _notices(record: Provenance) -> tuple[str, ...]:
    of_model = record.model.notice
    return (of_model, *record.notices) if of_model else record.notices
