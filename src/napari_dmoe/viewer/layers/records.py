"""A layer's record, and what it says in words: how a result came about.

It is read from the metadata that whoever makes a layer wrote there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
from napari.layers import Image, Labels, Layer
from pydantic import ValidationError

from napari_dmoe.inference.results import provenance
from napari_dmoe.inference.results.provenance import METADATA_KEY, Provenance
from napari_dmoe.viewer.layers.undecided import is_undecided

_SHORT_HASH = 12

Kind = tuple[str, ...]
"""What sort of result a record describes; empty for the model as it is, run once."""


def layer_record(layer: Layer | None) -> Provenance | None:
    """Return a layer's record; None where it has none."""
    return None if layer is None else record_of(layer.metadata.get(METADATA_KEY))


def record_of(stated: Any) -> Provenance | None:
    """Return the record that a layer's metadata holds; None where it holds none."""
    if not isinstance(stated, Mapping):
        return None
    try:
        known = {key: value for key, value in stated.items() if key != "shows"}
        return Provenance.model_validate(known)
    except ValidationError:
        return None


def is_mask(layer: Layer | None) -> bool:
    """Whether a layer is a mask with a record, and no map of the same run."""
    if not isinstance(layer, Labels) or layer_record(layer) is None:
        return False
    return not shown_by(layer)


def is_input(layer: Layer | None) -> TypeGuard[Image]:
    """Say whether a layer is an image, and not made of a result.

    One that looks like a mask is none until somebody says that it is.
    """
    return isinstance(layer, Image) and not is_map(layer) and not is_undecided(layer)


def is_map(layer: Layer) -> bool:
    """Say whether a layer shows something of a result that is no mask."""
    record = layer.metadata.get(METADATA_KEY)
    return isinstance(record, Mapping) and "shows" in record


def shown_by(layer: Layer) -> str:
    """Say what a map of a run shows; nothing for a mask."""
    return str(layer.metadata[METADATA_KEY].get("shows", ""))


def dims_of(record: Provenance) -> int:
    """Return how many axes the record's model sees at once: 2 or 3."""
    return len(record.grid["shape"])


def badge(record: Provenance) -> str:
    """Say in what a result is not a plain run of the model; nothing where it is one."""
    sentences = []
    if record.departures:
        sentences.append(f"Model changed: {'; '.join(record.departures)}.")
    if record.made_by == "uncertainty":
        sentences.append(f"Not one run: each pixel's {_vote(record)}.")
    if record.swept:
        swept = " and ".join(map(_spoken, record.swept))
        sentences.append(f"From a sweep of {swept}: what this value would have got.")
    return " ".join(sentences)


def hover_note(record: Provenance) -> tuple[str, str]:
    """Return what napari's status bar says of every pixel of an altered mask.

    A name and a text, such as ``model changed`` and ``expert 3 muted in all
    blocks``; both are empty for a plain run.
    """
    if record.departures:
        return "model changed", "; ".join(record.departures)
    if record.made_by == "uncertainty":
        return "not one run", _vote(record)
    return ("not this patient", altered_words(record)) if badge(record) else ("", "")


def kind(record: Provenance) -> Kind:
    """Return what sort of result a record describes.

    Only results of one kind may replace each other. The values of a sweep, and places
    between trained values, are told apart by the values that they are for.
    """
    if not badge(record):
        return ()
    for_whom: Kind = ()
    if record.swept or any(driver.between is not None for driver in record.drivers):
        for_whom = tuple(f"{d.attribute}: {d.value}" for d in record.drivers)
    return (record.made_by, *record.departures, *record.swept, *for_whom)


def altered_words(record: Provenance) -> str:
    """Say in few words what was altered: ``expert 3 muted``; nothing if plain."""
    words = _experts_words(record.experts or provenance.ControlRecord(), record.unit)
    known = [(_spoken(each.attribute), each) for each in record.drivers]
    words += [f"{n} {d.value} (between)" for n, d in known if d.between is not None]
    words += [
        f"if {name} {driver.value}"
        for name, driver in known
        if driver.attribute in record.swept and driver.value is not None
    ]
    if record.made_by == "uncertainty":
        words.append("vote of noise samples")
    return ", ".join(words)


def record_rows(stated: Any) -> list[tuple[str, str]]:
    """Return a layer's record as names and texts; none where it has no record."""
    record = record_of(stated)
    if record is None:
        return []
    model = record.model
    settings = [
        f"{name}: {value}"
        for name, value in record.settings.items()
        if value is not None and name != "schema_version"
    ]
    notices = (model.notice, *record.notices)
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
        ("Fit", record.fit or ""),
        ("Second pass", _second_pass(record)),
        ("Parts kept", record.keep if record.keep == "largest" else ""),
        ("Holes", "filled" if record.fill else ""),
        ("Settings", "\n".join(settings)),
        ("Versions", "\n".join(f"{n} {v}" for n, v in record.versions.items())),
        ("Painted", "yes, after the run" if record.edited else "no"),
        ("Notices", "\n".join(filter(None, notices)) or "none"),
        ("Use", record.statement),
    ]
    return [(name, text) for name, text in rows if text]


def _second_pass(record: Provenance) -> str:
    """Say where a second pass looked; nothing where there was one pass alone."""
    if record.focus is None:
        return ""
    if not record.focus.found:
        return "none, as the first one found nothing"
    names = record.axes_by_frame[-len(record.seen) :]
    spans = zip(names, record.seen, strict=True)
    return ", ".join(f"{name} {first} to {last - 1}" for name, (first, last) in spans)


def _driver(driver: provenance.DriverRecord) -> str:
    name = _spoken(driver.attribute)
    if driver.between is not None:
        return f"{name}: {driver.value} (between routers {driver.routers})"
    if driver.value is not None:
        never = ", never trained" if driver.untrained else ""
        return f"{name}: {driver.value} (router {driver.routers[0]}{never})"
    mixed = zip(driver.values, driver.weights, driver.routers, strict=True)
    shares = ", ".join(
        f"{v} {share:.0%} (router {router}"
        f"{', never trained' if v in driver.untrained else ''})"
        for v, share, router in mixed
    )
    left_out = ", ".join(driver.left_out)
    without = f"; left out: {left_out}" if left_out else ""
    return f"{name}: unknown, mixed from {shares}{without}"


def _image(record: Provenance) -> str:
    """Say how large the image is, and a pixel along the spatial axes in their order."""
    image = record.image
    axes = zip(image.axes, image.shape, strict=True)
    size = " × ".join(f"{name} {n}" for name, n in axes)
    sides = np.linalg.norm(np.array(image.affine)[:-1, :-1], axis=0)
    pixel = f"{' × '.join(f'{side:.4g}' for side in sides)} {image.unit} a pixel"
    pixel = "pixel size unknown" if image.unit is None else pixel
    return f"{size}, {image.dtype}, {pixel}"


def _spoken(attribute: str) -> str:
    return attribute.replace("_", " ")


def _vote(record: Provenance) -> str:
    return f"most frequent class in {record.settings.get('samples', 1)} noise samples"


def _experts_words(control: provenance.ControlRecord, unit: str) -> list[str]:
    """Name what was muted and pinned, block by block, in as few words as possible."""
    words = []
    for done, entries in (("muted", control.mute), ("alone", control.pin)):
        by_block: dict[int | None, list[int]] = {}
        for block, expert in entries:
            by_block.setdefault(block, []).append(expert)
        for block, experts in by_block.items():
            noun = "expert" if len(experts) == 1 else "experts"
            where = "" if block is None else f" in {unit} {block}"
            listed = ", ".join(map(str, sorted(experts)))
            words.append(f"{noun} {listed} {done}{where}")
    return words
