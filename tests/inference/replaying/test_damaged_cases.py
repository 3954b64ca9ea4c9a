"""Case files and records that somebody damaged, or that no run could have written."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import run
from places import DATA

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.replaying.case_files import (
    LABELS,
    RECORD,
    CaseFileError,
    parse_record,
    read_case,
    write_case,
)
from napari_dmoe.inference.replaying.replay import ReplayError, replay
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.provenance import ControlRecord
from napari_dmoe.inference.results.replacing import ExistingFileError, is_painted
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.results.sidecars import images_in, record_path, recorded
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

formats = pytest.mark.formats


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_checkpoint(DATA / "vit2d_race3.pth", card="fairseg-race")


@pytest.fixture(scope="module")
def image() -> SpatialImage:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    return SpatialImage.from_array(pixels, axes="yx", spacing=(0.1, 0.1), unit="mm")


@pytest.fixture(scope="module")
def made(loaded: LoadedModel, image: SpatialImage) -> Segmentation:
    return segment(loaded, image, Patient())


def stated(made: Segmentation) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(made.provenance.model_dump_json())
    return fields


def bytes_of(record: object) -> bytes:
    return json.dumps(record).encode()


def outcome(read: Callable[[], Any]) -> tuple[Any, str]:
    """Return what was read, or else why not; other errors are faults of ours."""
    try:
        return read(), ""
    except CaseFileError as error:
        return None, str(error)


NASTY = (
    *(None, True, -1, 0, 0.5, 1e308, 2**63, 10**30, "", "x" * 50, "\x1b[2J"),
    *([], {}, [[]], [1], ["a", "a"], {"a": 1}, float("nan"), float("inf")),
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of everything in a record."""
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        yield from leaves(child, (*path, key))


def changed(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> bytes:
    other = copy.deepcopy(record)
    place: Any = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return bytes_of(other)


def test_a_record_with_any_other_value_is_read_or_refused_in_one_line(
    loaded: LoadedModel, image: SpatialImage, made: Segmentation
) -> None:
    record, n_refused = stated(made), 0
    for path in leaves(record):
        for value in NASTY:
            content = changed(record, path, value)
            parsed, said = outcome(lambda c=content: parse_record(c, "r.json"))
            assert said.isprintable()
            assert "Input should" not in said
            n_refused += parsed is None
            # What can be read can be looked at, whatever it says.
            assert parsed is None or (parsed.unit and parsed.departures is not None)
    assert n_refused > 500


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("drivers", 0, "weights"), [0.5, 0.5, 0.5], "weights must sum to 1, not 1.5"),
        (("drivers", 0, "weights"), [2, -1, 0], r"weights must be in \[0, 1\]"),
        (("drivers", 0, "weights"), [1], "must be as many"),
        (("drivers", 0, "routers"), [-1, 0, 1], "routers must be from 0 on"),
        (("drivers", 0, "value"), "Asian", "known value is the only one"),
        (("drivers", 0, "between"), 0.5, "between two values"),
        (("image", "shape"), [0, 50], "image.shape must be 2 sides above 0"),
        (("image", "shape"), [40], "image.shape must be 2 sides"),
        (("image", "axes"), ["y", "y"], "different ones"),
        (("image", "affine"), [[1, 0], [0, 1]], "3 x 3 finite numbers"),
        (("grid", "shape"), [1.5, 2], "whole sides above 0"),
        (("grid", "step"), [0, 1], "step cannot be 0"),
        (("grid",), {"shape": [2, 2]}, "grid must have shape, start, step"),
        (("seen",), [[0, 40], [0, 51]], "seen must lie in the image"),
        (("seen",), [[9, 3], [0, 50]], "seen must lie in the image"),
        (
            ("focus",),
            {"margin": 1, "least": 1, "searched": [[0, 9], [0, 9]], "found": True},
            "focus.searched must lie in the image, around what was seen",
        ),
        (("classes",), ["background"], "classes are 1, and must be 2 to 256"),
        (("threads",), -3, "threads must be 1 to 4096"),
        (("threads",), 10**30, "threads must be 1 to 4096"),
        (("swept",), ["sex"], "swept must be drivers"),
        (("experts",), {"mute": [[None, -1]]}, "counted from 0"),
        (("experts",), {"pin": [[0, 1], [0, 2]]}, "one pinned expert only"),
    ],
)
def test_a_record_that_cannot_be_is_refused_with_the_field(
    made: Segmentation, path: tuple[Any, ...], value: Any, said: str
) -> None:
    with pytest.raises(CaseFileError, match=rf"r\.json holds a record that .*{said}"):
        parse_record(changed(stated(made), path, value), "r.json")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("drivers", 0, "routers"), [7, 8, 9], "router 7 is not the card's race"),
        (("classes",), ["background", "rim"], "the model's classes are background"),
        (("settings", "batch"), 10**30, "setting batch cannot be a number of so many"),
        (("settings", "overlap"), "wide", "setting overlap cannot be 'wide'"),
        (("settings", "colour"), 1, "setting colour: there is no such field"),
        (("experts",), {"mute": [[None, 99]]}, "99"),
        (("experts",), {"mute": [[77, 0]]}, "block 77 does not exist"),
        (("drivers",), [], "drivers are"),
    ],
)
def test_a_record_of_another_model_is_not_replayed(
    tmp_path: Path, made: Segmentation, path: tuple[Any, ...], value: Any, said: str
) -> None:
    (tmp_path / "r.json").write_bytes(changed(stated(made), path, value))
    import tifffile

    pixels = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "i.tif", pixels)
    model = (DATA / "vit2d_race3.pth", "--card", "fairseg-race")
    arguments = (tmp_path / "r.json", tmp_path / "i.tif", "-c", *model)
    code, _, told = run("replay", *arguments)
    assert code == 2
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_a_record_from_python_that_cannot_be_is_not_replayed(
    loaded: LoadedModel, image: SpatialImage, made: Segmentation
) -> None:
    record = made.provenance.model_copy(update={"threads": -1})
    with pytest.raises(ReplayError, match="the record cannot be: threads"):
        replay(record, loaded, image)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(b"[" * 100_000, "nested too deeply", marks=formats("deep JSON")),
        pytest.param(b'{"a": NaN}', "NaN is no number", marks=formats("NaN in JSON")),
        pytest.param(
            b'{"a": 1, "a": 2}', "states a twice", marks=formats("a field twice")
        ),
        (b'{"a": 1' + b"0" * 9999 + b"}", "too many digits"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b'"\\ud800"', "the text"),
    ],
)
def test_text_that_is_no_record_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(CaseFileError, match=rf"r\.json holds no record.*{said}"):
        parse_record(text, "r.json")


@formats("a damaged case file")
def test_damaged_bytes_are_refused_or_change_nothing(
    tmp_path: Path, made: Segmentation
) -> None:
    path = tmp_path / "eye.dmoe-case"
    write_case(path, made.provenance, made.labels)
    whole, draw = path.read_bytes(), random.Random(15)
    n_refused = 0
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(draw.choice((1, 1, 1, 4, 40))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        if not draw.randrange(8):
            del content[draw.randrange(len(content)) :]
        path.write_bytes(content)
        case, said = outcome(lambda: read_case(path))
        assert said.isprintable()
        n_refused += case is None
        if case is not None:
            assert (case.labels == made.labels).all()
            assert case.record == made.provenance
    assert n_refused > 200


def packed(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def header(shape: tuple[Any, ...]) -> bytes:
    said = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    text = (said + " " * (118 - len(said)) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("shape", [(0,), (-40, -50), (2**40, 2**40), (2000,), (50,)])
@formats("a mask of another shape than its record's image")
def test_another_shape_is_refused(
    tmp_path: Path, made: Segmentation, shape: tuple[int, ...]
) -> None:
    record = bytes_of(stated(made))
    parts = {RECORD: record, LABELS: header(shape) + b"\0" * 2000}
    with pytest.raises(CaseFileError):
        read_case(packed(tmp_path / "a.dmoe-case", parts))


_READ = """
import resource, sys
from napari_dmoe.inference.replaying.case_files import CaseFileError, read_case
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_case(sys.argv[1])
except CaseFileError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@formats("a case file that unpacks to more than its record's image")
def test_no_more_is_unpacked_than_the_record_says(
    tmp_path: Path, made: Segmentation
) -> None:
    side = 20_000
    parts = {RECORD: bytes_of(stated(made)), LABELS: header((side, side))}
    path = tmp_path / "bomb.dmoe-case"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(RECORD, parts[RECORD])
        with archive.open(LABELS, "w") as file:
            file.write(parts[LABELS])
            for _ in range(side // 100):
                file.write(bytes(100 * side))
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True
    )
    said, grown = done.stdout.splitlines()
    assert "labels.npy is too large" in said
    assert int(grown) < 60  # MiB, of 400


def test_a_grid_far_larger_than_its_image_is_refused(made: Segmentation) -> None:
    content = changed(stated(made), ("grid", "shape"), [24_000.0, 25_000.0])
    with pytest.raises(CaseFileError, match=r"grid\.shape is far larger"):
        parse_record(content, "r.json")


@pytest.mark.parametrize(
    ("path", "value"),
    [(("grid",), {}), (("image", "shape"), [-1, 2]), (("threads",), -1)],
)
def test_a_record_beside_a_mask_that_cannot_be_is_none(
    tmp_path: Path,
    image: SpatialImage,
    made: Segmentation,
    path: tuple[Any, ...],
    value: Any,
) -> None:
    saved = save_segmentation(tmp_path, "eye", made, image)
    assert recorded(saved.labels) == made.provenance
    beside = record_path(saved.labels)
    beside.write_bytes(changed(stated(made), path, value))
    assert recorded(saved.labels) is None
    assert not images_in(beside)
    assert not is_painted(saved.labels)
    with pytest.raises(ExistingFileError, match=r"no result of napari-dmoe"):
        save_segmentation(tmp_path, "eye", made, image)


def test_a_case_that_could_not_be_read_is_not_written(
    tmp_path: Path, made: Segmentation
) -> None:
    path, record = tmp_path / "a.dmoe-case", made.provenance
    with pytest.raises(CaseFileError, match="has the shape"):
        write_case(path, record, made.labels[:5])
    with pytest.raises(CaseFileError, match="the mask has label 99"):
        write_case(path, record, np.full_like(made.labels, 99))
    with pytest.raises(CaseFileError, match="the record cannot be: threads"):
        write_case(path, record.model_copy(update={"threads": -1}), made.labels)
    assert not path.exists()


def test_experts_that_are_not_there_are_a_reason_not_to_replay(
    loaded: LoadedModel, image: SpatialImage, made: Segmentation
) -> None:
    experts = ControlRecord(mute=((None, 99),))
    record = made.provenance.model_copy(update={"experts": experts})
    with pytest.raises(ReplayError, match="99"):
        replay(record, loaded, image)


def test_names_of_other_parts_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.dmoe-case", {"\x1b[2Jevil" + "x" * 999: b""})
    with pytest.raises(CaseFileError, match=r"expected record\.json and") as caught:
        read_case(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
