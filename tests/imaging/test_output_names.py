"""Each input has output names of its own, on every file system."""

from __future__ import annotations

import itertools
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dmoe.imaging.disk.output_names import LONGEST, output_stem, output_stems

formats = pytest.mark.formats
LONG = "1.2.840.113619." * 6


@pytest.mark.parametrize(
    ("names", "files", "stems"),
    [
        (["case1"], ["case1.png"], ["case1"]),
        (["case 1", "case2"], ["case 1.png", "case2.png"], ["case_1", "case2"]),
        pytest.param(
            ["X", "X"],
            ["X.jpg", "X.png"],
            ["X.jpg", "X.png"],
            marks=formats("pictures of one name, such as X.jpg and X.png"),
        ),
        (["a/b", "a_b"], ["0.png", "1.png"], ["a_b-b44ed8d2", "a_b"]),
        (["con", "con.1"], ["con.png", "con.1.png"], ["_con", "_con.1"]),
        ([".a", "a."], ["0.png", "1.png"], ["a-b6362bd8", "a-33cfa37d"]),
    ],
)
def test_stems_say_what_inputs_are_called(
    names: list[str], files: list[str], stems: list[str]
) -> None:
    assert list(output_stems(names, files)) == stems


@pytest.mark.formats("names that agree in 80 characters, or but for case or accents")
@pytest.mark.parametrize(
    "names",
    [
        [f"{LONG}1", f"{LONG}2"],
        ["Eye", "eye", "EYE"],
        [normalize("NFC", "é"), normalize("NFD", "é")],
        ["眼" * 79 + "1", "眼" * 79 + "2"],
        ["p1", "p1", "p1"],
        ["a/b", "a\\b", "a:b", "a b"],
        ["\udcff", "\udcfe", "image"],
        ["straße", "STRASSE"],
        ["X", "X.jpg", "X.jpg"],
    ],
)
def test_names_that_clash_get_stems_that_differ_on_every_system(
    names: list[str],
) -> None:
    files = [f"{name}.png" for name in names]
    found = output_stems(names, files)
    keys = {normalize("NFC", stem.casefold()) for stem in found}
    assert len(keys) == len(names)
    assert all(len(f"{stem}.probabilities.nii.gz".encode()) <= 255 for stem in found)
    for order in itertools.permutations(range(len(names))):
        again = output_stems([names[i] for i in order], [files[i] for i in order])
        if len(set(names)) == len(names):
            assert [found[i] for i in order] == list(again)


def test_a_long_name_has_the_same_stem_whatever_else_there_is() -> None:
    one, other = f"{LONG}1", f"{LONG}2"
    assert output_stems([one], ["a"])[0] == output_stems([other, one], ["b", "a"])[1]
    assert output_stem(one) == output_stems([one], ["a"])[0]
    assert len(output_stem(one)) == 80
    assert output_stem(f"{'x' * 80}.0-Asian", LONGEST) == f"{'x' * 80}.0-Asian"


@given(st.lists(st.text(st.sampled_from("aA.-_ /é\u0301x"), max_size=9), max_size=9))
def test_no_names_whatever_share_a_stem(names: list[str]) -> None:
    found = output_stems(names, [f"{name}.png" for name in names])
    assert len({stem.casefold() for stem in found}) == len(names)
    assert [output_stem(stem, LONGEST) for stem in found] == list(found)
