"""A patient belongs to an image; a session belongs to a viewer and dies with it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.viewer.session.session import Session, session_of

IMAGE = np.zeros((8, 9))


def brings(**values: object) -> dict[str, object]:
    return {"napari-dmoe": {"patient": values, "source": "sample"}}


def test_a_second_image_never_keeps_the_patient_of_the_first(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    first = viewer.add_image(IMAGE, name="first")
    session.set_patient(first, Patient(sex="female", age=63))
    second = viewer.add_image(IMAGE, name="second")
    assert session.image is second
    assert session.patient_of(second) == Patient()
    assert session.patient_of(first) == Patient(sex="female", age=63)


def test_an_image_brings_its_patient_with_its_source(viewer: ViewerModel) -> None:
    session = session_of(viewer)
    metadata = brings(severity="glaucoma", age=70)
    image = viewer.add_image(IMAGE, metadata=metadata)
    assert session.patient_of(image) == Patient(severity="glaucoma", age=70)
    assert session.source_of(image, "age") == "sample"
    assert session.source_of(image, "sex") == "unknown"
    session.set_patient(image, session.patient_of(image).with_value("age", 71))
    assert session.source_of(image, "age") == "typed"
    assert session.source_of(image, "severity") == "sample"


@pytest.mark.parametrize("values", [{"age": "old"}, {"sex": 3}, 7, None])
def test_a_patient_that_cannot_be_read_is_unknown(
    viewer: ViewerModel, values: object
) -> None:
    image = viewer.add_image(IMAGE, metadata={"napari-dmoe": {"patient": values}})
    assert session_of(viewer).patient_of(image) == Patient()


def test_a_copied_layer_may_bring_its_record_but_no_typed_patient(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    image = viewer.add_image(IMAGE)
    session.set_patient(image, Patient(race="Black"))
    copy = viewer.add_layer(type(image).create(*image.as_layer_data_tuple()))
    assert session.patient_of(copy) == Patient()


def test_selecting_an_image_chooses_it_and_selecting_labels_does_not(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    first, second = viewer.add_image(IMAGE), viewer.add_image(IMAGE)
    viewer.layers.selection.active = first
    assert session.image is first
    viewer.add_labels(IMAGE.astype(int))
    assert session.image is first
    viewer.layers.remove(first)
    assert session.image is second
    viewer.layers.clear()
    assert session.image is None


def test_changes_are_told_only_for_the_image_that_is_worked_on(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    first = viewer.add_image(IMAGE)
    viewer.add_image(IMAGE)
    told: list[str] = []
    session.patient_changed.connect(lambda: told.append("patient"))
    session.set_patient(first, Patient(sex="male"))
    assert told == []
    session.choose_image(first)
    session.set_patient(first, Patient(sex="female"))
    assert told == ["patient"]


def test_a_renamed_image_is_told(viewer: ViewerModel) -> None:
    session = session_of(viewer)
    image = viewer.add_image(IMAGE)
    told: list[str] = []
    session.image_changed.connect(lambda: told.append(image.name))
    image.name = "other"
    assert told == ["other"]


def test_every_proxy_of_a_viewer_has_the_same_session(viewer: ViewerModel) -> None:
    proxies = [PublicOnlyProxy(viewer), PublicOnlyProxy(viewer)]
    assert session_of(proxies[0]) is session_of(proxies[1]) is session_of(viewer)
    assert session_of(ViewerModel()) is not session_of(viewer)


def open_and_close() -> tuple[Session, list[weakref.ref[object]]]:
    # A frame of its own: napari looks into its caller's locals to name the layer.
    viewer = ViewerModel()
    session = session_of(viewer)
    image = viewer.add_image(IMAGE)
    session.set_patient(image, Patient(sex="male"))
    return session, [weakref.ref(viewer), weakref.ref(image)]


def test_a_session_keeps_neither_viewer_nor_layers() -> None:
    session, opened = open_and_close()
    gc.collect()
    assert [reference() for reference in opened] == [None, None]
    assert session.viewer is None
    assert session.images() == []


def test_messages_name_no_value_of_the_patient(viewer: ViewerModel) -> None:
    with pytest.raises(PatientError) as caught:
        Patient().with_value("age", "sixtythree")
    assert "sixtythree" not in str(caught.value)
