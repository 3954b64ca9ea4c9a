"""What marks a what-if, and keeps it from being taken for the model as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from viewer_fakes import make_outcome, make_segmentation
from what_if_fakes import muted

from napari_dmoe.inference.replaying.case_files import CaseFile
from napari_dmoe.inference.replaying.record_comparison import compare_records
from napari_dmoe.inference.replaying.replay import Replay
from napari_dmoe.inference.results.provenance import (
    ControlRecord,
    DriverRecord,
    Provenance,
)
from napari_dmoe.viewer.layers.look import difference_to_plain, mask_look
from napari_dmoe.viewer.layers.names import layer_name, mask_words
from napari_dmoe.viewer.layers.placement import LayerData, axis_names, to_image
from napari_dmoe.viewer.layers.records import (
    altered_words,
    badge,
    hover_note,
    is_mask,
    kind,
)
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.what_if.experts.words import Intervention
from napari_dmoe.viewer.what_if.replay.rebuilt import Rebuilt
from napari_dmoe.viewer.what_if.replay.replaying import (
    ReplaySubject,
    case_layer,
    in_run_order,
    missing_model,
)


@pytest.fixture
def image(viewer: ViewerModel) -> Image:
    return viewer.add_image(np.zeros((12, 9)), name="retina")


@pytest.fixture
def record(image: Image) -> Provenance:
    return make_segmentation(to_image(image)).provenance


def changed(record: Provenance, **update: object) -> Provenance:
    return record.model_copy(update=update)


def test_a_plain_run_has_no_badge_and_no_kind(record: Provenance) -> None:
    assert (badge(record), kind(record), altered_words(record)) == ("", (), "")
    assert layer_name("retina", mask_words(record)) == "retina / mask"
    assert (
        layer_name("retina", mask_words(record, "replayed")) == "retina / mask replayed"
    )
    assert hover_note(record) == ("", "")


@pytest.mark.parametrize(
    ("control", "name"),
    [
        (ControlRecord(mute=((None, 3),)), "expert 3 muted"),
        (
            ControlRecord(mute=((2, 5), (2, 1))),
            "experts 1, 5 muted in block 2",
        ),
        (ControlRecord(pin=((None, 4),)), "expert 4 alone"),
        (
            ControlRecord(mute=((0, 1),), pin=((None, 4),)),
            "expert 1 muted in block 0, expert 4 alone",
        ),
    ],
)
def test_an_intervention_is_named_and_marked(
    record: Provenance, control: ControlRecord, name: str
) -> None:
    other = changed(record, experts=control)
    assert altered_words(other) == name
    assert layer_name("retina", mask_words(other)) == f"retina / what-if {name}"
    assert hover_note(other) == ("model changed", "; ".join(control.words()))
    assert badge(other) == f"Model changed: {'; '.join(control.words())}."
    assert kind(other) != kind(record)


def test_a_mask_that_is_opened_looks_like_what_its_record_says(
    record: Provenance,
) -> None:
    altered = changed(record, experts=ControlRecord(mute=((None, 3),)))
    plain_look, look = (mask_look(record.classes, each) for each in (record, altered))
    note = ["expert 3 muted in all blocks"] * len(record.classes)
    assert look["features"]["model changed"] == note
    assert list(plain_look["features"]) == ["index", "class"]
    for label in range(1, len(record.classes)):
        colours = [each["colormap"].map(label) for each in (plain_look, look)]
        assert not np.array_equal(*colours)


def test_a_3d_network_has_stages_in_names_and_badges(record: Provenance) -> None:
    control = ControlRecord(mute=((2, 5),), pin=((None, 4),))
    staged = {
        "grid": {"shape": (1, 1, 1), "start": (0, 0, 0), "step": (1, 1, 1)},
        "model": record.model.model_copy(update={"architecture": "dmoe-unet3d"}),
    }
    volume = changed(record, experts=control, **staged)
    assert altered_words(volume) == "expert 5 muted in stage 2, expert 4 alone"
    assert volume.departures == (
        "expert 5 muted in stage 2",
        "expert 4 pinned in all stages",
    )
    said = compare_records(changed(record, **staged), volume)
    assert "expert 5 muted in stage 2, in the second only" in said


def test_votes_sweeps_and_routers_between_are_marked_too(record: Provenance) -> None:
    vote = changed(record, made_by="uncertainty", settings={"samples": 16})
    assert badge(vote) == (
        "Not one run: each pixel's most frequent class in 16 noise samples."
    )
    assert altered_words(vote) == "vote of noise samples"
    assert hover_note(vote) == (
        "not one run",
        "most frequent class in 16 noise samples",
    )
    swept = changed(record, swept=("severity",))
    assert badge(swept).startswith("From a sweep of severity")
    assert (
        layer_name("retina", mask_words(swept)) == "retina / what-if severity suspect"
    )
    assert hover_note(swept) == ("not this patient", "if severity suspect")
    driver = record.drivers[0].model_copy(update={"value": "healthy"})
    assert kind(swept) != kind(changed(swept, drivers=(driver,)))
    between = DriverRecord(
        attribute="age",
        value="40-59 to 60-79, t = 0.50",
        values=("40-59", "60-79"),
        routers=(1, 2),
        weights=(0.5, 0.5),
        between=0.5,
    )
    mixed = changed(record, drivers=(between,))
    assert "age between trained values" in badge(mixed)
    assert altered_words(mixed) == "age 40-59 to 60-79, t = 0.50 (between)"


def test_only_results_of_one_kind_replace_each_other(
    viewer: ViewerModel, image: Image
) -> None:
    made = make_segmentation(to_image(image))
    plain = results.show(viewer, image, make_outcome(made))
    without = muted(made, [(None, 3)])
    marked = results.show(viewer, image, make_outcome(without), previous=plain)
    assert marked.mask() is not plain.mask()
    assert marked.title == "retina / what-if expert 3 muted"
    assert (plain.is_plain, marked.is_plain) == (True, False)
    again = results.show(viewer, image, make_outcome(made), previous=marked)
    assert again.title == "retina / mask [2]"
    same = results.show(viewer, image, make_outcome(without), previous=marked)
    assert same.mask() is marked.mask()


def test_another_what_if_takes_the_place_and_the_name_of_the_last_one(
    viewer: ViewerModel, image: Image
) -> None:
    made = make_segmentation(to_image(image))
    first = muted(made, [(None, 3)])
    outcomes = [make_outcome(each) for each in (first, muted(made, [(None, 4)]))]
    marked = results.show(viewer, image, outcomes[0])
    again = results.show(viewer, image, outcomes[1], previous=marked)
    assert again.mask() is marked.mask()
    assert again.title == "retina / what-if expert 4 muted"
    assert (len(viewer.layers), again.before) == (2, outcomes[0])
    viewer.layers[-1].name = "mine"
    assert results.show_previous(viewer, image, again).title == "mine"


def test_the_latest_of_a_sort_is_the_one_that_is_looked_at_or_free(
    viewer: ViewerModel, image: Image
) -> None:
    made = make_segmentation(to_image(image))
    shown = [results.show(viewer, image, make_outcome(made)) for _ in range(3)]
    other = results.show(viewer, image, make_outcome(muted(made, [(None, 3)])))
    assert results.latest([]) is None
    assert results.latest([*shown, other]) is shown[2]
    assert results.latest([*shown, other], chosen=shown[0]) is shown[0]
    assert results.latest([*shown, other], chosen=other) is shown[2]
    assert results.latest([*shown, other], is_plain=False) is other
    shown[2].is_kept = True
    assert results.latest(shown) is shown[1]


def test_what_cannot_be_run_is_said_in_words() -> None:
    assert "Nothing is muted" in Intervention().problem(8)
    assert Intervention(frozenset({1})).problem(8) == ""
    both = Intervention(frozenset({1}), pin=1)
    assert "both muted and pinned" in both.problem(8)
    everyone = Intervention(frozenset(range(8)), block=3)
    assert everyone.problem(8).startswith("All 8 experts are muted")
    assert "left in block 3" in everyone.problem(8)
    assert "left in stage 3" in everyone.problem(8, "stage")
    one = Intervention(frozenset({4, 2}), pin=5, block=1)
    assert one.arguments() == {"mute": [(1, 2), (1, 4)], "pin": {1: 5}}


def test_masks_of_stacks_stay_in_the_order_of_their_image(viewer: ViewerModel) -> None:
    labels = np.arange(5 * 7 * 3).reshape(5, 7, 3) % 4
    layer = viewer.add_image(np.zeros((5, 7, 3)), axis_labels=("y", "x", "t"))
    names = axis_names(layer)
    found = in_run_order(labels, names)
    np.testing.assert_array_equal(found, labels)
    assert in_run_order(labels[0], names) is None
    assert in_run_order(labels + 300, names) is None
    channels = viewer.add_image(np.zeros((4, 5, 7)), axis_labels=("c", "y", "x"))
    found = in_run_order(labels[np.newaxis, :, :, 0], axis_names(channels))
    np.testing.assert_array_equal(found, labels[..., 0])


def test_a_difference_lies_where_its_result_does(viewer: ViewerModel) -> None:
    image = viewer.add_image(
        np.zeros((12, 9, 4)), axis_labels=("y", "x", "t"), scale=(2, 3, 1)
    )
    made = make_segmentation(to_image(image))
    data, look, kind_ = difference_to_plain(
        image, made, made.labels, what="difference, x"
    )
    assert (data.shape, kind_, look["name"]) == (
        (12, 9, 4),
        "labels",
        f"{image.name} / difference, x",
    )
    np.testing.assert_allclose(look["scale"], (2, 3, 1))
    layer = viewer.add_labels(data, **look)
    assert not is_mask(layer)  # it shows something else of the same run


def test_a_case_comes_back_in_the_order_of_the_images_axes(
    viewer: ViewerModel,
) -> None:
    image = viewer.add_image(np.zeros((12, 9, 4)), axis_labels=("y", "x", "t"))
    made = make_segmentation(to_image(image))
    case = CaseFile(made.provenance, made.provenance.as_image(made.labels))
    data, look, _ = case_layer(image, case, "eye.dmoe-case")
    np.testing.assert_array_equal(data, made.labels.transpose(1, 2, 0))
    assert is_mask(viewer.add_labels(data, **look))
    other = viewer.add_image(np.zeros((3, 3, 4)), axis_labels=("y", "x", "t"))
    with pytest.raises(ValueError, match="belongs to an image of y 12 × x 9 × t 4"):
        case_layer(other, case, "eye.dmoe-case")


def test_a_case_on_the_networks_pixels_lies_where_these_do(
    viewer: ViewerModel, image: Image
) -> None:
    made = make_segmentation(to_image(image))
    grid = {"shape": (4, 3), "start": (1, 1), "step": (3, 3)}
    update = {"grid": grid, "settings": {"scored_at": "network"}}
    record = made.provenance.model_copy(update=update)
    case = CaseFile(record, np.zeros((4, 3), np.uint8))
    _, look, _ = case_layer(image, case, "eye.dmoe-case")
    np.testing.assert_allclose(look["scale"], (3, 3))
    np.testing.assert_allclose(look["translate"], (1, 1))


@pytest.mark.parametrize(
    ("found", "n_off", "said"),
    [
        ("equal", 0, "The same, bit for bit: “m”"),
        ("equal", 2, "the layer was changed after it: 2 pixels"),
        ("equal", None, "The mask of the run is “new”."),
        ("near", 1, "The same but for near ties (99.9950% of labels)"),
        ("different", 1, "Not the same (99.9950% of labels)"),
        ("unknown", 0, "too old to say"),
    ],
)
def test_a_verdict_says_what_was_rebuilt(
    image: Image, found: str, n_off: int | None, said: str
) -> None:
    pixels = to_image(image)
    made = make_segmentation(pixels)
    labels = made.labels.copy()
    labels.flat[:n_off] = 7
    samples = labels[:3] if n_off is None else labels
    agreement = 0.99995 if found in ("near", "different") else None
    played = Replay(made, found, agreement, ())  # type: ignore[arg-type]
    names = axis_names(image)
    subject = ReplaySubject("m", made.provenance, pixels, names, samples)
    rebuilt = Rebuilt.of(image, subject, played, ())
    assert said in rebuilt.verdict("new")
    (layer_data,) = rebuilt.made
    assert layer_data[1]["name"] == "retina / mask replayed"


def test_only_the_same_run_with_the_same_samples_is_there_already(
    viewer: ViewerModel, image: Image
) -> None:
    made = make_segmentation(to_image(image))
    record = changed(made.provenance, labels_sha256="a" * 64)
    replayed = Replay(replace(made, provenance=record), "equal", 1.0, ())
    samples = made.labels.copy()
    samples[0, 0] = 1  # somebody painted on it
    subject = ReplaySubject("m", record, to_image(image), axis_names(image), samples)

    def missing() -> LayerData | None:
        return Rebuilt.of(image, subject, replayed, viewer.layers).missing

    wanted = missing()
    assert wanted is not None
    layer = viewer.add_labels(wanted[0].copy(), metadata=wanted[1]["metadata"])
    assert missing() is None
    layer.data_setitem((np.array([9]), np.array([8])), 1)
    assert missing() is not None
    layer.undo()
    assert missing() is None
    for key, value in (("labels_sha256", "b" * 64), ("shows", "a map")):
        other = layer.metadata["napari-dmoe"] | {key: value}
        layer.metadata = {"napari-dmoe": other}
        assert missing() is not None
        layer.metadata = wanted[1]["metadata"]


def test_a_missing_model_is_named(record: Provenance) -> None:
    assert "had not been saved" in missing_model(record)
    model = record.model.model_copy(update={"sha256": "a" * 64, "file": "m.pth"})
    text = missing_model(replace_model(record, model))
    assert "m.pth (SHA-256 aaaaaaaaaaaa…)" in text


def replace_model(record: Provenance, model: object) -> Provenance:
    return record.model_copy(update={"model": model})
