"""The images that are gone through: their order, the filters, what became of each."""

from __future__ import annotations

import math
import weakref
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image

from napari_dmoe.patient import Patient
from napari_dmoe.viewer.session.pictures import Filter, Picture, Pictures, layer_key

FOLDER = Path("/out")
DICE = "0.9", "0.3", "", "0.7", ""


def picture(number: int, **row: str) -> Picture:
    path = Path(f"/in/{number}.png")
    return Picture(path.stem, path, mask=FOLDER / f"{number}.labels.tif", row=row)


def series(*, headlines: tuple[str, ...] = ("", "", "", "", "")) -> list[Picture]:
    status = "segmented", "segmented", "failed", "corrected", "segmented"
    return [
        picture(i, status=s, headline=h, **({"lesion Dice": d} if d else {}))
        for i, (s, h, d) in enumerate(zip(status, headlines, DICE, strict=True))
    ]


@pytest.fixture
def pictures() -> Pictures:
    made = Pictures()
    made.fill(series(), FOLDER)
    return made


def show(pictures: Pictures) -> int:
    """Show the image that is wished for, as a dock does; return its place."""
    wish = pictures.wish
    assert wish is not None
    pictures.note_shown(wish.key)
    pictures.fulfil(wish.key)
    place = pictures.place_of(wish.key)
    assert place is not None
    return place


def test_next_goes_through_all_and_ends_at_the_last(pictures: Pictures) -> None:
    found = []
    while pictures.go(1):
        found.append(show(pictures))
    assert found == [0, 1, 2, 3, 4]
    assert pictures.position == (4, 5)
    assert pictures.wish is None
    assert pictures.go(-1)
    assert show(pictures) == 3


def test_steps_before_the_first_is_shown_lead_to_the_last_wish(
    pictures: Pictures,
) -> None:
    wishes: list[str] = []
    pictures.wished.connect(lambda: wishes.append(pictures.wish.name))
    for _ in range(3):
        pictures.go(1)
    pictures.go(-1)
    assert wishes == ["0", "1", "2", "1"]
    assert pictures.position == (1, 5)
    assert pictures.current is None
    assert not pictures.seen(0)  # it was skipped
    assert show(pictures) == 1


def test_what_was_wished_for_is_forgotten_when_another_image_is_chosen(
    pictures: Pictures,
) -> None:
    pictures.open(3)
    pictures.note_shown(pictures[1].key)
    assert pictures.wish is None
    assert pictures.position == (1, 5)


def test_the_worst_come_first_then_those_without_a_dice_and_failed_ones_last() -> None:
    pictures = Pictures()
    pictures.fill(series(headlines=("", "", "", "", "Implausible: too small")), FOLDER)
    pictures.filter = Filter.WORST
    assert pictures.order == [1, 3, 0, 4, 2]
    assert pictures.next_place(1) == 1
    assert pictures.next_place(-1) is None


def test_without_any_truth_implausible_ones_come_first() -> None:
    pictures = Pictures()
    headlines = "", "", "", "Implausible: nothing found", ""
    pictures.fill([picture(i, headline=h) for i, h in enumerate(headlines)], FOLDER)
    assert not pictures.has_scores
    pictures.filter = Filter.WORST
    assert pictures.order == [3, 0, 1, 2, 4]


def test_the_score_is_the_mean_over_the_regions_that_have_one() -> None:
    row = {"rim Dice": "0.5", "cup Dice": "0.75", "disc Dice": "", "cup IoU": "0.1"}
    assert picture(0, **row).score == 0.625
    assert math.isnan(picture(0, **{"cup Dice": "nan"}).score)
    assert math.isnan(picture(0).score)


def test_each_filter_lets_its_own_through(pictures: Pictures) -> None:
    pictures.open(4)
    show(pictures)
    counts = {each: pictures.count(each) for each in Filter}
    assert counts == {
        Filter.ALL: 5,
        Filter.NOT_SEEN: 4,
        Filter.CORRECTED: 1,
        Filter.WORST: 5,
        Filter.FAILED: 1,
    }
    pictures.filter = Filter.NOT_SEEN
    assert pictures.order == [0, 1, 2, 3]
    pictures.filter = Filter.FAILED
    assert pictures.position == (None, 1)
    assert pictures.next_place(-1) == 2  # the nearest one before
    assert pictures.next_place(1) is None


def test_a_filter_keeps_its_images_while_they_are_gone_through(
    pictures: Pictures,
) -> None:
    pictures.filter = Filter.NOT_SEEN
    pictures.go(1)
    show(pictures)
    pictures.go(1)
    assert show(pictures) == 1
    assert pictures.position == (1, 5)
    assert pictures.go(-1)  # back to one that was seen by now
    pictures.filter = Filter.WORST
    pictures.update(1, row={"status": "corrected", "lesion Dice": "0.99"})
    assert pictures.order[0] == 1
    pictures.filter = Filter.WORST  # chosen anew
    assert pictures.order[:3] == [3, 0, 1]


def test_painted_ones_are_corrected_whether_saved_or_not(pictures: Pictures) -> None:
    key = pictures[0].key
    pictures.note_painted(key, True)
    assert pictures.corrected(0)
    assert pictures.count(Filter.CORRECTED) == 2
    pictures.note_painted(key, False)
    assert not pictures.corrected(0)
    pictures.update(0, row={"status": "corrected"})
    assert pictures.corrected(0)


def test_more_images_of_a_series_join_it(pictures: Pictures) -> None:
    pictures.open(4)
    show(pictures)
    assert pictures.next_place(1) is None
    pictures.add([picture(5), picture(6)])
    assert pictures.next_place(1) == 5
    assert pictures.position == (4, 7)


def test_a_series_again_is_known_again_and_another_is_not(pictures: Pictures) -> None:
    pictures.open(2)
    show(pictures)
    pictures.fill(series(), FOLDER)
    assert pictures.seen(2)
    assert pictures.position == (2, 5)
    pictures.fill(series(), FOLDER / "other")
    assert not pictures.seen(2)
    assert pictures.position == (None, 5)


def test_without_a_series_the_open_layers_are_gone_through() -> None:
    images = [Image(np.zeros((3, 3)), name=name) for name in "ab"]
    pictures = Pictures()
    pictures.note_layers(images)
    pictures.note_shown(layer_key(images[1]))
    assert [pictures[i].name for i in range(len(pictures))] == ["a", "b"]
    assert pictures.position == (1, 2)
    assert not pictures.is_series
    assert pictures.folder is None
    pictures.fill(series(), FOLDER)
    assert pictures.is_series
    assert pictures.position == (None, 5)
    pictures.note_layers(images[:1])
    pictures.fill((), None)
    assert len(pictures) == 1
    assert pictures[0].layer == weakref.ref(images[0])


def test_what_a_picture_says_of_itself_tells_nothing_of_a_patient() -> None:
    made = Picture("a", Path("/in/a.png"), patient=Patient(age=61), row={"age": "61"})
    assert "61" not in repr(made)


def test_8729_images_are_gone_through_at_once() -> None:
    pictures = Pictures()
    many = [picture(i, **{"lesion Dice": f"{i % 997 / 997}"}) for i in range(8729)]
    pictures.fill(many[:1], FOLDER)
    for each in many[1:]:
        pictures.add([each])  # one by one, as they are segmented
    assert len(pictures) == 8729
    pictures.filter = Filter.WORST
    order = pictures.order
    assert order[:3] == [0, 997, 1994]
    assert pictures.order is order  # sorted once


def test_a_series_that_has_just_begun_has_no_image_and_then_its_first() -> None:
    pictures = Pictures()
    pictures.note_layers([Image(np.zeros((3, 3)), name="a")])
    pictures.fill((), FOLDER)
    assert (pictures.is_series, pictures.folder, len(pictures)) == (True, FOLDER, 0)
    pictures.add([picture(0)])
    pictures.add([picture(1)])
    assert (pictures.folder, pictures.position) == (FOLDER, (None, 2))


def test_two_rows_of_one_file_are_two_images() -> None:
    path = Path("/in/0.png")
    first, second = Picture("before", path), Picture("after", path)
    pictures = Pictures()
    pictures.fill([first, second], FOLDER)
    assert first.key != second.key
    pictures.note_shown(second.key)
    assert pictures.position == (1, 2)
    assert pictures.key_of_file(path) == first.key
