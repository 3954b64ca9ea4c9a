"""An image unlike those of the training: the dock says so where nobody scrolls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from desk import IMAGE, Desk

from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.outlook import Outlook
from napari_dmoe.models.checkpoint import LoadedModel

pytestmark = pytest.mark.gui

WORDS = "unlike the images it was trained on"
NOTICE = f"for this model, the image is {WORDS}: far outside in its colours"


@pytest.fixture
def unlike(desk: Desk) -> Desk:
    """Return a desk whose model was trained on other images."""
    real = desk.segment

    def segment(*arguments: object, **options: object) -> Segmentation:
        made = real(*arguments, **options)
        notices = (*made.provenance.notices, NOTICE)
        told = made.provenance.model_copy(update={"notices": notices})
        return replace(made, provenance=told)

    desk.segmenting._engines.__dict__["segment"] = segment
    return desk


def test_the_result_says_it_first(unlike: Desk) -> None:
    unlike.run()
    said = "For this model, the image is"
    assert unlike.status.startswith("Done in")
    assert WORDS not in unlike.status  # it was said before, in one place
    section = unlike.segmenting.tab.result
    assert section.unlike.text().startswith(f"{said} {WORDS}")
    assert not section.unlike.isHidden()
    assert section.unlike.font().bold()
    assert section.unlike.y() <= section.summary.y()
    assert WORDS not in section.notices.text()
    assert section.text().splitlines()[1].startswith(said)


def test_it_goes_with_the_result(unlike: Desk) -> None:
    unlike.run()
    unlike.viewer.layers.remove(unlike.masks[0])
    unlike.settle()
    assert unlike.segmenting.tab.result.unlike.isHidden()


def test_it_is_said_once_where_the_line_on_the_image_said_it_before(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel]
) -> None:
    found = [
        Outlook(cautions=("Unlike the training images: colours.",), is_unlike=True)
    ]
    desk = make_desk(outlook=lambda *_, **__: found[0])
    notices = [NOTICE]
    real = desk.segment

    def segment(*arguments: object, **options: object) -> Segmentation:
        made = real(*arguments, **options)
        told = made.provenance.model_copy(update={"notices": tuple(notices)})
        return replace(made, provenance=told)

    desk.segmenting._engines.__dict__["segment"] = segment
    desk.viewer.add_image(IMAGE, name="retina")
    desk.wait_until_idle()
    desk.run()
    section = desk.segmenting.tab.result
    assert section.unlike.isHidden()
    assert WORDS in section.text()  # which is copied elsewhere
    desk.choose("severity", "glaucoma")
    desk.wait_until_idle()
    assert section.unlike.isHidden()
    notices[:] = [f"{NOTICE} and its expert loads"]  # which only a run knows
    desk.run()
    assert not section.unlike.isHidden()
    notices[:], found[:] = [NOTICE], [Outlook()]
    desk.viewer.layers["retina"].data = IMAGE.copy()
    desk.wait_until_idle()
    desk.run()
    assert not section.unlike.isHidden()


def test_nothing_is_said_of_an_image_that_is_like_them(desk: Desk) -> None:
    desk.run()
    assert WORDS not in desk.status
    assert desk.segmenting.tab.result.unlike.isHidden()
