"""Results side by side, what was before them, and which of them still hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.layers import Image
from qtpy.QtWidgets import QApplication

from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Return a desk that re-runs nothing by itself."""
    desk.segmenting.tab.patient.rerun_box.click()
    return desk


def run_for(desk: Desk, severity: str) -> None:
    desk.choose("severity", severity)
    desk.run()


def offered(desk: Desk) -> list[str]:
    combo = desk.segmenting.tab.result.combo
    return [combo.itemText(place) for place in range(combo.count())]


def test_a_kept_result_stays_and_the_next_one_comes_beside_it(desk: Desk) -> None:
    section = desk.segmenting.tab.result
    run_for(desk, "healthy")
    healthy = desk.masks[0].data.copy()
    assert section.combo.isHidden()
    desk.click(section.keep_button)
    run_for(desk, "glaucoma")
    assert offered(desk) == ["retina / mask", "retina / mask [2]"]
    assert not section.combo.isHidden()
    assert section.combo.currentText() == "retina / mask [2]"
    assert not section.keep_button.isChecked()
    np.testing.assert_array_equal(desk.masks[0].data, healthy)
    run_for(desk, "suspect")  # takes the place of the one that is not kept
    assert len(desk.masks) == 2


def test_the_list_chooses_which_result_is_shown(
    desk: Desk,
) -> None:
    section = desk.segmenting.tab.result
    run_for(desk, "healthy")
    desk.click(section.keep_button)
    run_for(desk, "glaucoma")
    assert "glaucoma" in section.summary.text()
    assert section.outdated.text() == ""
    section.combo.setCurrentIndex(0)
    section.combo.activated.emit(0)
    desk.settle()
    assert "healthy" in section.summary.text()
    assert "severity changed" in section.outdated.text()
    assert section.keep_button.isChecked()


def test_selecting_a_mask_chooses_its_result_and_its_image(
    desk: Desk,
) -> None:
    section, layers = desk.segmenting.tab.result, desk.viewer.layers
    run_for(desk, "healthy")
    desk.click(section.keep_button)
    run_for(desk, "glaucoma")
    layers.selection.active = layers["retina / mask"]
    desk.settle()
    assert section.combo.currentText() == "retina / mask"
    assert "healthy" in section.summary.text()
    layers.selection.active = layers["retina / mask [2]"]
    desk.settle()
    assert "glaucoma" in section.summary.text()


def test_a_run_replaces_the_result_that_is_looked_at(
    desk: Desk,
) -> None:
    section, layers = desk.segmenting.tab.result, desk.viewer.layers
    run_for(desk, "healthy")
    desk.click(section.keep_button)
    run_for(desk, "glaucoma")
    layers.selection.active = layers["retina / mask"]
    desk.settle()
    desk.click(section.keep_button)  # no longer
    run_for(desk, "suspect")
    assert len(desk.masks) == 2
    assert layers["retina / mask"].data[1, 1] == 2
    assert "suspect" in section.summary.text()


def test_the_previous_result_comes_back_with_its_patient(
    desk: Desk,
) -> None:
    section = desk.segmenting.tab.result
    run_for(desk, "healthy")
    assert not section.previous_button.isEnabled()
    run_for(desk, "glaucoma")
    assert section.previous_button.isEnabled()
    desk.click(section.previous_button)
    desk.settle()
    assert "healthy" in section.summary.text()
    assert section.outdated.text() == ""
    assert np.count_nonzero(desk.masks[0].data == 2) == 1
    desk.click(section.previous_button)
    desk.settle()
    assert "glaucoma" in section.summary.text()
    assert section.outdated.text() == ""
    assert len(desk.masks) == 1


def test_what_was_painted_cannot_be_lost_to_the_previous_result(
    desk: Desk,
) -> None:
    section = desk.segmenting.tab.result
    run_for(desk, "healthy")
    run_for(desk, "glaucoma")
    desk.masks[0].data_setitem((np.array([9]), np.array([8])), 1)
    desk.settle()
    assert not section.previous_button.isEnabled()
    assert "painted" in section.summary.text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda desk: desk.choose("severity", "healthy"), "severity changed"),
        (lambda desk: desk.load("age"), "the model changed"),
        (lambda desk: desk.viewer.layers["retina"].events.data(), "the image changed"),
        (
            lambda desk: setattr(desk.viewer.layers["retina"], "scale", (2, 2)),
            "the image changed",
        ),
        (
            lambda desk: setattr(
                desk.segmenting.tab.settings.inputs["unknown"],
                "value",
                "refuse",
            ),
            "the settings changed",
        ),
    ],
)
def test_an_outdated_result_says_why(
    desk: Desk,
    change: Callable[[Desk], object],
    reason: str,
) -> None:
    desk.run()
    assert desk.segmenting.tab.result.outdated.isHidden()
    change(desk)
    desk.settle()
    text = desk.segmenting.tab.result.outdated.text()
    assert text.startswith(f"Outdated: {reason}")
    assert not desk.segmenting.tab.result.outdated.isHidden()
    assert text in desk.segmenting.tab.result.text()


def test_a_removed_mask_leaves_the_others_and_no_old_numbers(
    desk: Desk,
) -> None:
    section = desk.segmenting.tab.result
    run_for(desk, "healthy")
    desk.click(section.keep_button)
    run_for(desk, "glaucoma")
    desk.viewer.layers.remove("retina / mask [2]")
    desk.settle()
    assert "healthy" in section.summary.text()
    assert section.combo.isHidden()
    desk.viewer.layers.remove("retina / mask")
    desk.settle()
    assert section.text() == "No result yet"


def test_probabilities_come_on_request_one_for_each_class(desk: Desk) -> None:
    desk.segmenting.tab.settings.inputs["probabilities"].value = True
    desk.run()
    names = [layer.name for layer in desk.viewer.layers]
    assert names[:1] == ["retina"]
    maps = [f"retina / probability of {name}" for name in ("rim", "cup")]
    assert [name for name in names if "probability" in name] == maps
    cup = desk.viewer.layers[maps[1]]
    np.testing.assert_array_equal(cup.data == 0.75, desk.masks[0].data == 2)
    assert cup.metadata["napari-dmoe"]["shows"] == "probability of cup"
    assert session_of(desk.viewer).images() == [desk.viewer.layers["retina"]]
    run_for(desk, "glaucoma")  # the same layers show the new ones
    assert len(desk.viewer.layers) == 4
    np.testing.assert_array_equal(cup.data == 0.75, desk.masks[0].data == 2)


def test_two_images_keep_their_results_apart(
    desk: Desk,
) -> None:
    run_for(desk, "healthy")
    desk.viewer.add_layer(Image(IMAGE, name="second"))
    desk.settle()
    assert desk.segmenting.tab.result.text() == "No result yet"
    run_for(desk, "glaucoma")
    desk.viewer.layers.selection.active = desk.viewer.layers["retina"]
    desk.settle()
    assert "healthy" in desk.segmenting.tab.result.summary.text()
    assert [mask.name for mask in desk.masks] == ["retina / mask", "second / mask"]


def test_the_copied_table_is_of_the_result_that_is_shown(desk: Desk) -> None:
    run_for(desk, "glaucoma")
    desk.click(desk.segmenting.tab.result.copy_button)
    lines = QApplication.clipboard().text().split("\n")
    assert lines[0] == "rim 15 px, cup 9 px"
    assert lines[1].startswith("Made for severity: glaucoma")
    assert lines[2:] == [
        "rim\t15 px",
        "cup\t9 px",
        "C/D vertical\t0.50",
        "C/D area\t0.38",
    ]


def test_what_is_undone_is_measured_again(desk: Desk) -> None:
    desk.run()
    result, (mask,) = desk.segmenting.tab.result, desk.masks
    before = result.text()
    mask.paint((2, 2), 2)
    desk.settle()
    assert result.text() != before
    mask.undo()
    desk.settle()
    assert result.text() == before
    assert "painted" not in result.summary.text()


def test_the_headline_says_the_areas_and_that_a_class_is_absent(desk: Desk) -> None:
    section = desk.segmenting.tab.result
    assert section.headline.text() == "No result yet"
    run_for(desk, "suspect")
    assert section.headline.text() == "rim 20 px, cup 4 px"
    assert section.headline.font().bold()
    mask = desk.masks[0]
    mask.data_setitem(np.nonzero(mask.data == 2), 0)
    desk.settle()
    assert section.headline.text() == "rim 20 px, no cup"


def test_a_mask_of_nothing_says_so(desk: Desk) -> None:
    run_for(desk, "suspect")
    mask = desk.masks[0]
    mask.data_setitem(np.nonzero(mask.data), 0)
    desk.settle()
    section = desk.segmenting.tab.result
    assert section.headline.text() == "Nothing found"
    assert section.text().startswith("Nothing found")


def test_the_section_is_as_high_before_a_run_as_after_it(desk: Desk) -> None:
    section = desk.segmenting.tab.result
    before = section.table.height(), [row.name for row in section.table._facts]
    run_for(desk, "suspect")
    after = section.table.height(), [row.name for row in section.table._facts]
    assert after == before
    assert not section._buttons.isHidden()


def test_an_own_value_lies_within_its_range(desk: Desk) -> None:
    """A mixture of values may be smaller than the mask of each alone."""
    real = desk.segment

    def segment(*arguments: object, **options: object) -> Segmentation:
        made = real(*arguments, **options)
        labels = made.labels.copy()
        labels[labels == 2] = 0
        return replace(made, labels=labels)

    desk.segmenting._engines.__dict__["segment"] = segment
    desk.run()
    section = desk.segmenting.tab.result
    cup = section.table.text().splitlines()[2]
    assert cup == "cup\t0 px\t0–9"
    assert "least–most over the patients" in section.table.text().splitlines()[0]


def test_it_is_said_why_a_changed_driver_does_not_run_again(desk: Desk) -> None:
    section = desk.segmenting.tab.result
    desk.segmenting.tab.patient.rerun_box.click()  # again
    run_for(desk, "healthy")
    desk.masks[0].data_setitem((np.array([9]), np.array([8])), 1)
    desk.choose("severity", "glaucoma")
    desk.settle()
    assert section.outdated.text() == (
        "Segment adds a mask beside it (not made again by itself: it was painted on)."
    )


def test_it_is_said_that_a_long_run_is_not_made_again(desk: Desk) -> None:
    section = desk.segmenting.tab.result
    run_for(desk, "healthy")
    _, result = session_of(desk.viewer).current
    assert result is not None
    result.outcome = replace(result.outcome, seconds=12.4)
    desk.choose("severity", "glaucoma")
    desk.settle()
    assert "(not made again by itself: it took 12 s)" in section.outdated.text()
    desk.viewer.layers["retina"].events.data()
    desk.settle()
    assert "by itself" not in section.outdated.text()  # the driver alone re-runs
