"""What differs between two records, in words."""

from __future__ import annotations

from collections.abc import Iterator

from napari_dmoe.inference.results.provenance import DriverRecord, Provenance
from napari_dmoe.inference.running.settings import as_recorded


def compare_records(first: Provenance, second: Provenance) -> tuple[str, ...]:
    """List how two results came about differently.

    Parameters
    ----------
    first, second : Provenance
        Their records.

    Returns
    -------
    tuple of str
        One phrase a difference, the likeliest cause of another mask first; empty where
        both came about alike. When they were made does not count.

    Examples
    --------
    >>> compare_records(record, record)  # doctest: +SKIP
    ()
    """
    return (
        *_of_model(first, second),
        *_of_patient(first, second),
        *_of_experts(first, second),
        *_of_image(first, second),
        *_of_settings(first, second),
        *_of_machine(first, second),
        *_of_labels(first, second),
    )


def _changed(what: str, first: object, second: object) -> Iterator[str]:
    if first != second:
        yield f"{what}: {_text(first)}, then {_text(second)}"


def _text(value: object) -> str:
    if value is None or value == () or value == "":
        return "none"
    if isinstance(value, tuple | list):
        return " x ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_model(a: Provenance, b: Provenance) -> Iterator[str]:
    if a.model.sha256 != b.model.sha256:
        yield (
            f"checkpoint: {a.model.file or 'unsaved'} ({_short(a.model.sha256)}), then "
            f"{b.model.file or 'unsaved'} ({_short(b.model.sha256)})"
        )
    yield from _changed("card", a.model.card, b.model.card)
    yield from _changed("architecture", a.model.architecture, b.model.architecture)
    yield from _changed("classes", a.classes, b.classes)


def _of_patient(a: Provenance, b: Provenance) -> Iterator[str]:
    first, second = ({d.attribute: d for d in each.drivers} for each in (a, b))
    for name in (*first, *(name for name in second if name not in first)):
        label = name.replace("_", " ")
        one, other = first.get(name), second.get(name)
        if one is None or other is None:
            yield from _changed(label, _driver(one), _driver(other))
        elif one.value != other.value or one.between != other.between:
            yield f"{label}: {_driver(one)}, then {_driver(other)}"
        elif one.routers != other.routers:
            yield from _changed(f"routers of {label}", one.routers, other.routers)
        elif one.weights != other.weights:
            yield f"shares of {label}: {_shares(one)}, then {_shares(other)}"


def _driver(driver: DriverRecord | None) -> str:
    return (driver.value or "unknown (mixed)") if driver else "no driver"


def _shares(driver: DriverRecord) -> str:
    shares = zip(driver.values, driver.weights, strict=True)
    return ", ".join(f"{value} {weight:.3g}" for value, weight in shares)


def _of_experts(a: Provenance, b: Provenance) -> Iterator[str]:
    first, second = (
        each.experts.words(each.unit) if each.experts else () for each in (a, b)
    )
    yield from (f"{said}, in the first only" for said in first if said not in second)
    yield from (f"{said}, in the second only" for said in second if said not in first)


def _of_image(a: Provenance, b: Provenance) -> Iterator[str]:
    one, other = a.image, b.image
    yield from _changed("image size", one.shape, other.shape)
    yield from _changed("image axes", one.axes, other.axes)
    yield from _changed("image type", one.dtype, other.dtype)
    if one.affine != other.affine:
        yield "the image's place or pixel size"
    yield from _changed("image unit", one.unit, other.unit)
    if one.input_sha256 != other.input_sha256:
        yield "what the network saw: other pixels, or prepared otherwise"


def _of_settings(a: Provenance, b: Provenance) -> Iterator[str]:
    yield from _changed("made by", a.made_by, b.made_by)
    first, second = as_recorded(a.settings), as_recorded(b.settings)
    for name in sorted({*first, *second}):
        label = f"setting {name.replace('_', ' ')}"
        yield from _changed(label, first.get(name), second.get(name))
    if a.fit and b.fit:
        yield from _changed("fit to the network", a.fit, b.fit)
    yield from _changed("second pass", _passes(a), _passes(b))
    yield from _changed("parts kept", a.keep or "all", b.keep or "all")
    yield from _changed("holes filled", bool(a.fill), bool(b.fill))
    yield from _changed("swept together with", a.swept, b.swept)
    yield from _changed("grid of the network", a.grid, b.grid)
    yield from _changed("part of the image", a.seen, b.seen)


def _passes(record: Provenance) -> str:
    focus = record.focus
    if focus is None:
        return ""
    asked = f", sure by {focus.sure:g}" if focus.sure else ""
    return f"margin {focus.margin:g}, least side {focus.least:g}{asked}"


def _of_machine(a: Provenance, b: Provenance) -> Iterator[str]:
    yield from _changed("device", a.device, b.device)
    if a.threads is not None and b.threads is not None:
        yield from _changed("threads", a.threads, b.threads)
    for name in sorted({*a.versions, *b.versions}):
        label = f"version of {name}"
        yield from _changed(label, a.versions.get(name), b.versions.get(name))


def _of_labels(a: Provenance, b: Provenance) -> Iterator[str]:
    known = a.labels_sha256 is not None and b.labels_sha256 is not None
    if known and a.labels_sha256 != b.labels_sha256:
        yield "the mask itself"
    if a.edited != b.edited:
        yield f"the {'first' if a.edited else 'second'} mask was painted on afterwards"


def _short(sha256: str) -> str:
    return f"SHA-256 {sha256[:8]}..." if sha256 else "no SHA-256"
