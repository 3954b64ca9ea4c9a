"""Records that make a result again, and case files that travel without the image."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from places import DATA

from napari_dmoe.imaging.frames import one_channel
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.replaying.case_files import (
    LABELS,
    RECORD,
    CaseFileError,
    read_case,
    read_record,
    write_case,
)
from napari_dmoe.inference.replaying.record_comparison import compare_records
from napari_dmoe.inference.replaying.replay import ReplayError, replay
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.inference.what_if.interpolation import interpolate
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

Checkpoint = Callable[..., Path]
SEX = CardAttribute(name="sex", values=("female", "male"), frequencies=(0.25, 0.75))
AGE = CardAttribute(
    name="age", values=("below 50", "50-59", "60 and over"), edges=(50, 60)
)
CARD = ModelCard(
    name="two", title="Two", attributes=(SEX, AGE), classes=("background", "lesion")
)


@pytest.fixture
def two(tiny_checkpoint: Checkpoint) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(5, 2), card=CARD)


@pytest.fixture
def image() -> SpatialImage:
    data = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    return SpatialImage.from_array(data, spacing=(0.5, 0.5), unit="mm")


@pytest.fixture
def record(two: LoadedModel, image: SpatialImage) -> Provenance:
    return segment(two, image, Patient(sex="male", age=55)).provenance


@pytest.mark.parametrize(
    ("patient", "settings", "priors"),
    [
        (Patient(sex="male", age=55), {}, None),
        (Patient(sex="male"), {}, None),
        (Patient(), {"batch": 2}, {"age": (3, 0, 1)}),
        (Patient(age=70), {"noise": True, "samples": 3, "seed": 4}, None),
        (Patient(), {"scored_at": "network", "probabilities": True}, None),
    ],
)
def test_a_record_makes_the_same_mask_bit_for_bit(
    two: LoadedModel,
    image: SpatialImage,
    patient: Patient,
    settings: dict,
    priors: dict | None,
) -> None:
    first = segment(
        two, image, patient, settings=InferenceSettings(**settings), priors=priors
    )
    read = Provenance.model_validate_json(first.provenance.model_dump_json())
    again = replay(read, two, image)
    np.testing.assert_array_equal(again.result.labels, first.labels)
    for ours, theirs in zip(
        again.result.routing.gates, first.routing.gates, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert (again.verdict, again.differences) == ("equal", ())
    assert again.sentence == "The mask was rebuilt bit for bit."


def test_values_of_a_sweep_are_replayed_in_their_company(
    two: LoadedModel, image: SpatialImage
) -> None:
    for attribute in ("age", ("age", "sex"), ("sex", "age")):
        swept = sweep(two, image, attribute=attribute, patient=Patient(sex="male"))
        for value in swept.values:
            again = replay(value.provenance, two, image)
            assert (again.verdict, again.differences) == ("equal", ())
            np.testing.assert_array_equal(again.result.labels, value.labels)
            for ours, theirs in zip(
                again.result.routing.gates, value.routing.gates, strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)


def test_interventions_between_values_and_noise_are_replayed(
    two: LoadedModel, image: SpatialImage
) -> None:
    patient = Patient(sex="male", age=55)
    muted = ablate(two, image, patient, mute=[(0, 1)], pin={1: 2}, effects=False).result
    between, _ = interpolate(
        two, image, attribute="age", positions=(0.25, 1.5), patient=patient
    )
    votes = uncertainty(two, image, patient, samples=5, seed=2)
    for first in (muted, between, votes):
        again = replay(first.provenance, two, image)
        assert (again.verdict, again.differences) == ("equal", ())
        np.testing.assert_array_equal(again.result.labels, first.labels)
        assert again.result.provenance.departures == first.provenance.departures


def test_models_without_drivers_are_replayed(
    tiny_checkpoint: Checkpoint, image: SpatialImage
) -> None:
    for n_routers in (0, 1):
        loaded = load_checkpoint(tiny_checkpoint(n_routers, 3, name=f"{n_routers}.pth"))
        first = segment(loaded, image)
        assert replay(first.provenance, loaded, image).verdict == "equal"


def test_a_volume_is_replayed() -> None:
    loaded = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage")
    plain = VolumePreprocessing(window=(0, 1), patch=(32, 32, 64))
    card = loaded.card.model_copy(update={"preprocessing": plain})
    loaded = load_checkpoint(DATA / "unet3d_stage5.pth", card=card)
    data = np.random.default_rng(0).random((32, 32, 80), dtype=np.float32)
    image = SpatialImage(data, ("z", "y", "x"), np.diag([4.0, 3, 3, 1]), "mm")
    first = segment(loaded, image, Patient(severity="T2"))
    assert replay(first.provenance, loaded, image).verdict == "equal"


def test_another_checkpoint_or_image_is_named(
    two: LoadedModel, image: SpatialImage, record: Provenance
) -> None:
    other = replace(two, sha256="f" * 64, source="other.pth")
    with pytest.raises(ReplayError, match=r"checkpoint is other\.pth.*ffffff"):
        replay(record, other, image)
    with pytest.raises(ReplayError, match=r"size \(20, 50\).*\(40, 50\)"):
        replay(record, two, image.data[:20])
    card = two.card.model_copy(update={"attributes": (AGE, SEX)})
    with pytest.raises(ReplayError, match="drivers are age, sex, the record's sex"):
        replay(record, replace(two, card=card), image)
    swapped = SEX.model_copy(update={"values": ("male", "female")})
    card = two.card.model_copy(update={"attributes": (swapped, AGE)})
    with pytest.raises(ReplayError, match="router 1 is not the card's sex male"):
        replay(record, replace(two, card=card), image)
    odd = record.model_copy(update={"settings": record.settings | {"batch": 0}})
    with pytest.raises(ReplayError, match="setting batch cannot be 0: it must"):
        replay(odd, two, image)


def test_other_pixels_and_versions_are_said(
    two: LoadedModel, image: SpatialImage, record: Provenance
) -> None:
    older = record.model_copy(update={"versions": record.versions | {"torch": "1.0"}})
    other = replace(image, data=255 - image.data)
    again = replay(older, two, other)
    assert any("what the network saw" in said for said in again.differences)
    assert any(said.startswith("version of torch: 1.0") for said in again.differences)


def test_masks_that_are_not_equal_are_compared_label_by_label(
    two: LoadedModel, image: SpatialImage, record: Provenance
) -> None:
    first = segment(two, image, Patient(sex="male", age=55)).labels
    unlike = record.model_copy(update={"labels_sha256": "0" * 64})
    assert replay(unlike, two, image).verdict == "different"
    off = first.copy()
    off[:10] = 1 - off[:10]
    again = replay(unlike, two, image, labels=off)
    assert (again.verdict, again.agreement) == ("different", 0.75)
    assert "75.0000% of labels" in again.sentence
    painted = unlike.model_copy(update={"edited": True})
    again = replay(painted, two, image, labels=off)
    assert again.agreement is None
    assert "painted" in again.differences[-1]


def test_records_from_before_the_hash_still_load_and_replay(
    two: LoadedModel, image: SpatialImage, record: Provenance
) -> None:
    old = json.loads(record.model_dump_json())
    for name in ("labels_sha256", "threads", "made_by", "experts", "swept"):
        del old[name]
    for driver in old["drivers"]:
        del driver["prior"], driver["between"]
    read = Provenance.model_validate(old)
    assert read.is_plain
    assert replay(read, two, image).verdict == "unknown"
    first = segment(two, image, Patient(sex="male", age=55)).labels
    assert replay(read, two, image, labels=first).verdict == "equal"


def test_threads_are_as_before_during_a_replay_only(
    two: LoadedModel, image: SpatialImage, record: Provenance
) -> None:
    before = torch.get_num_threads()
    single = record.model_copy(update={"threads": 1})
    again = replay(single, two, image)
    assert again.result.provenance.threads == 1
    assert torch.get_num_threads() == before


def test_a_device_that_is_not_there_is_replaced_and_said(
    two: LoadedModel, image: SpatialImage, record: Provenance
) -> None:
    if torch.cuda.is_available():
        pytest.skip("the device is there")
    gpu = record.model_copy(update={"device": "cuda: GPU: Somebody's"})
    (said,) = replay(gpu, two, image).differences
    assert said.startswith("device: cuda: GPU: Somebody's, then cpu")


def test_two_records_are_compared_in_words(
    two: LoadedModel, image: SpatialImage, record: Provenance
) -> None:
    assert compare_records(record, record) == ()
    other = ablate(two, image, Patient(sex="male"), mute=[(None, 3)], effects=False)
    said = compare_records(record, other.result.provenance)
    assert "age: 50-59, then unknown (mixed)" in said
    assert "expert 3 muted in all blocks, in the second only" in said
    one, two_ = (
        segment(two, image, priors={"age": p}).provenance
        for p in ((1, 1, 2), (1, 1, 1))
    )
    (shares,) = (s for s in compare_records(one, two_) if s.startswith("shares"))
    assert "below 50 0.25" in shares
    settings = record.model_copy(update={"settings": record.settings | {"batch": 3}})
    assert compare_records(record, settings) == ("setting batch: 8, then 3",)
    fewer = record.model_copy(update={"drivers": record.drivers[:1]})
    assert compare_records(record, fewer) == ("age: 50-59, then no driver",)
    edited = record.model_copy(update={"edited": True})
    assert "second mask was painted" in compare_records(record, edited)[0]


def test_a_case_file_travels_without_the_image(
    tmp_path: Path, two: LoadedModel, image: SpatialImage
) -> None:
    first = segment(two, image, Patient(sex="male", age=55.5))
    path = tmp_path / "eye.dmoe-case"
    write_case(path, first.provenance, first.labels)
    case = read_case(path)
    np.testing.assert_array_equal(case.labels, first.labels)
    assert case.record == first.provenance
    assert replay(case.record, two, image, labels=case.labels).verdict == "equal"
    assert b"55.5" not in path.read_bytes()
    assert "55.5" not in case.record.model_dump_json()
    content = path.read_bytes()
    write_case(path, first.provenance, first.labels)
    assert path.read_bytes() == content
    case.labels[0, 0] = 1  # can be painted on


def test_what_is_no_case_is_not_written(tmp_path: Path, record: Provenance) -> None:
    with pytest.raises(CaseFileError, match=r"end in \.dmoe-case"):
        write_case(tmp_path / "a.zip", record, np.zeros((2, 2), np.uint8))
    with pytest.raises(CaseFileError, match="must be uint8"):
        write_case(tmp_path / "a.dmoe-case", record, np.zeros((2, 2)))
    assert not list(tmp_path.glob("a.*"))


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def test_hostile_and_damaged_case_files_are_refused(
    tmp_path: Path, record: Provenance
) -> None:
    text = record.model_dump_json().encode()
    shape = record.image.shape[:2]
    mask = npy(np.zeros(shape, np.uint8))
    bad = {
        "no case file: expected": {"../evil": b"x", RECORD: text},
        "expected record.json and labels.npy": {RECORD: text},
        "holds no record": {RECORD: b"{}", LABELS: mask},
        "no JSON from line 1": {RECORD: b"no json", LABELS: mask},
        "too large": {RECORD: b" " * (2**20 + 1), LABELS: mask},
        "must hold uint8: found object": {
            RECORD: text,
            LABELS: npy(np.array([{}], object)),
        },
        "must hold uint8: found float64": {RECORD: text, LABELS: npy(np.zeros(3))},
        "labels.npy is damaged": {RECORD: text, LABELS: b"nonsense"},
        "not as large as it says": {RECORD: text, LABELS: mask[:-1]},
        "has label 9, the record 2 classes": {
            RECORD: text,
            LABELS: npy(np.full(shape, 9, np.uint8)),
        },
        r"has the shape \(2, 2\), the record's image": {
            RECORD: text,
            LABELS: npy(np.zeros((2, 2), np.uint8)),
        },
    }
    for number, (message, parts) in enumerate(bad.items()):
        path = tmp_path / f"{number}.dmoe-case"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        with pytest.raises(CaseFileError, match=message):
            read_case(path)
    (tmp_path / "x.dmoe-case").write_bytes(b"PK no zip")
    with pytest.raises(CaseFileError, match="damaged, or no case file"):
        read_case(tmp_path / "x.dmoe-case")
    with pytest.raises(CaseFileError, match="no such file"):
        read_case(tmp_path / "absent.dmoe-case")
    whole = tmp_path / "whole.dmoe-case"
    write_case(whole, record, np.zeros(shape, np.uint8))
    content = whole.read_bytes()
    for end in (10, len(content) // 2, len(content) - 30):
        whole.write_bytes(content[:end])
        with pytest.raises(CaseFileError):
            read_case(whole)
    assert sorted(p.suffix for p in tmp_path.iterdir()).count("") == 0


def test_records_beside_masks_are_read(tmp_path: Path, record: Provenance) -> None:
    path = tmp_path / "eye.labels.json"
    path.write_text(record.model_dump_json())
    assert read_record(path) == record
    with pytest.raises(CaseFileError, match="no such file"):
        read_record(tmp_path / "absent.json")
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(CaseFileError, match="too large"):
        read_record(path)


def test_the_channel_that_was_used_is_recorded_and_used_again(two: LoadedModel) -> None:
    data = np.random.default_rng(0).integers(0, 256, (5, 40, 50), dtype=np.uint8)
    image = SpatialImage(data, ("c", "y", "x"))
    first = segment(two, one_channel(image, 3), Patient(sex="female", age=30))
    record = Provenance.model_validate_json(first.provenance.model_dump_json())
    assert record.image.channel == 3
    assert "only channel 4 of 5 was used" in record.notices
    again = replay(record, two, image, labels=first.labels)
    assert again.verdict == "equal"
    with pytest.raises(ReplayError, match="the image has the axes c, y, x"):
        replay(record, two, SpatialImage(data[:3], ("c", "y", "x")))
