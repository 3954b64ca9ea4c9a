"""The audits of a viewer: what is looked at, and what goes."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from tests.support.evaluations import make_evaluated

from napari_dmoe.viewer.fairness.shelf import Audit, Audits, audits_of


def make_audit(title: str = "a model", folder: str | None = None) -> Audit:
    """Return an audit of a few cases."""
    return Audit(make_evaluated(6, title=title, folder=folder and Path(folder)))


def test_the_latest_is_looked_at_alone_or_beside_those_before() -> None:
    audits, heard = Audits(), []
    audits.changed.connect(lambda: heard.append(audits.shown))
    first, second, third = make_audit("a"), make_audit("b"), make_audit("c")
    audits.put(first)
    audits.put(second, beside=True)
    assert audits.shown == (first, second)
    assert audits.current is first
    audits.put(third)
    assert audits.shown == (third,)
    assert audits.all == (third, second, first)
    audits.look_at(second, first)
    assert audits.shown == (second, first)
    assert len(heard) == 4


def test_an_audit_of_the_same_folder_takes_the_place_of_the_one_before() -> None:
    audits = Audits()
    before, after = make_audit(folder="out"), make_audit(folder="out")
    other = make_audit("other")
    audits.put(before)
    audits.put(other, beside=True)
    audits.put(after, beside=True)
    assert audits.all == (after, other)
    assert audits.shown == (other, after)


def test_no_more_than_a_dozen_stay() -> None:
    audits = Audits()
    for number in range(15):
        audits.put(make_audit(str(number)), beside=True)
    assert len(audits.all) == len(audits.shown) == 12
    assert audits.current is not None
    assert audits.current.title == "3"


def test_what_is_forgotten_is_looked_at_no_longer() -> None:
    audits, audit = Audits(), make_audit()
    audits.put(audit)
    audits.forget(audit)
    assert audits.all == audits.shown == ()
    assert audits.current is None
    audits.look_at(audit)
    assert audits.shown == ()


def test_a_case_has_the_open_image_it_was_made_of_until_that_is_closed() -> None:
    image = Image(np.zeros((4, 4)))
    audit = Audit(make_evaluated(2), layers={"case-000": weakref.ref(image)})
    assert audit.layer_of("case-000") is image
    assert audit.layer_of("case-001") is None
    assert audit.row_of("case-000") is None  # nobody knows its cohort
    del image
    gc.collect()
    assert audit.layer_of("case-000") is None


def test_a_viewer_has_one_shelf() -> None:
    viewer = ViewerModel()
    assert audits_of(viewer) is audits_of(viewer)
    assert audits_of(viewer) is not audits_of(ViewerModel())


def test_nothing_of_a_patient_is_shown_of_an_audit() -> None:
    assert repr(make_audit()) == "Audit('a model', 6 cases)"
