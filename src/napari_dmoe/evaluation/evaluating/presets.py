"""The published test scripts in one step each: Harvard-FairSeg's and HAM10000's.

A preset states what those scripts do without saying: which list, how empty masks are
scored, where, and which router a patient gets whose value is not known. What it decides
is said, and recorded with the results.

References
----------
Y. Oh et al., Distribution-aware Fairness Learning in Medical Image Segmentation From A
Control-Theoretic Perspective, ICML 2025, arXiv:2502.00619.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_dmoe.cohorts.case import CaseRow, CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.fairseg_rows import CODES, DAYS_PER_YEAR
from napari_dmoe.evaluation.evaluating.evaluate import Ending, evaluate
from napari_dmoe.evaluation.evaluating.published import write_published
from napari_dmoe.evaluation.evaluating.run_as import RunAs
from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import CheckpointError, LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.progress import ProgressHook, silent

GENERIC = "generic"
"""Name of the card of weights that nobody states anything of."""

UNKNOWN = -1
"""How the published scripts number a value that is not known."""


@dataclass(frozen=True)
class Preset:
    """What one published test script does."""

    name: str
    title: str
    layout: str
    """How its cohort lies on disk."""
    list_file: str
    """Which cases it tests."""
    cards: Mapping[int, str]
    """The card of weights by how many routers they have, the script's default where
    several have as many."""
    default: str
    """The card of weights that have no router to choose."""
    files: Mapping[str, str]
    """Its result files, by the region that each tells of."""
    other_cards: Mapping[int, Sequence[str]]
    """Cards that have as many routers, too."""
    unknown: Mapping[str, int | None]
    """What it takes an unknown value for, by attribute; else :data:`UNKNOWN`. None:
    it leaves such cases out."""
    days_per_year: float | None = None
    """How many days it counts as a year of age, where ages are told in days."""

    def settings(self, **stated: object) -> EvaluationSettings:
        """Return how it scores; what is `stated` beside it must not change that.

        Raises
        ------
        ValueError
            For another convention or place than the published ones.
        SettingsError
            For a setting that does not exist or is out of bounds.
        """
        own = {"convention": "reference", "scored_at": "network"}
        for name, value in own.items():
            if stated.get(name, value) != value:
                raise ValueError(
                    f"{self.title} goes by {name} {value}: found {stated[name]}. Leave "
                    "it out, or the preset"
                )
        return EvaluationSettings.model_validate({**stated, **own})


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="fairseg-test",
            title="the published test on Harvard-FairSeg",
            layout="fairseg",
            list_file="test.txt",
            cards={2: "fairseg-sex", 3: "fairseg-race", 5: "fairseg-age"},
            default="fairseg-race",
            files={"rim": "result_rim.csv", "cup": "result_cup.csv"},
            other_cards={3: ("fairseg-language",)},
            # It asks whether an age is below 60 years, which -1 days are.
            unknown={"age": 0, "language": None},
            days_per_year=365,
        ),
        Preset(
            name="ham-test",
            title="the published test on HAM10000",
            layout="ham10000",
            list_file="test.csv",
            cards={2: "ham10000-sex", 5: "ham10000-age", 10: "ham10000-site"},
            default="ham10000-age",
            files={"lesion": "result_all.csv"},
            other_cards={},
            # It asks whether the sex is M.
            unknown={"sex": 0, "body_site": None},
        ),
    )
}
"""The published tests by name."""


def preset_called(name: str) -> Preset:
    """Return a published test by its name.

    Raises
    ------
    ValueError
        For a name that none has.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}: use {', '.join(PRESETS)}")
    return PRESETS[name]


def load_for(
    preset: Preset, checkpoint: str | Path, card: str | Path | None = None
) -> tuple[LoadedModel, CardAttribute, tuple[str, ...]]:
    """Load weights with the card that a published test goes by.

    Parameters
    ----------
    preset : Preset
        Which test.
    checkpoint, card
        As :func:`~napari_dmoe.models.checkpoint.load_checkpoint` takes them. Without a
        card, and unless the file brings its own, the number of routers decides.

    Returns
    -------
    LoadedModel
        The model.
    CardAttribute
        The attribute that it is tested by.
    tuple of str
        What was decided.

    Raises
    ------
    CheckpointError
        When the file cannot be loaded, no card of the test has as many routers, or the
        card has no attribute or other classes.
    """
    if card is not None:
        loaded, stated = load_checkpoint(checkpoint, card), read_card(card)
        return _tested(preset, loaded, stated.attributes, ())
    loaded = load_checkpoint(checkpoint)
    if loaded.card.name != GENERIC and loaded.card.attributes:
        return _tested(preset, loaded, loaded.card.attributes, ())
    n = loaded.config.n_routers
    name = preset.default if n < 2 else preset.cards.get(n)
    if name is None:
        known = ", ".join(f"{k} ({v})" for k, v in preset.cards.items())
        raise CheckpointError(
            f"{loaded.source} has {n} routers, but {preset.title} knows {known}: name "
            "the card of these weights with --card"
        )
    chosen = read_card(name)
    others = preset.other_cards.get(n, ())
    said = f"no card is stated: by its {n} routers it was taken for {name}"
    if others:
        said += f", the script's default; {' or '.join(others)} has as many: use --card"
    loaded = load_checkpoint(checkpoint, name)
    return _tested(preset, loaded, chosen.attributes, (said,))


def _tested(
    preset: Preset,
    loaded: LoadedModel,
    attributes: Sequence[CardAttribute],
    notices: tuple[str, ...],
) -> tuple[LoadedModel, CardAttribute, tuple[str, ...]]:
    card = loaded.card
    if len(attributes) != 1 or not set(preset.files) <= set(card.classes):
        names = ", ".join(each.name for each in attributes) or "nothing"
        raise CheckpointError(
            f"{preset.title} is of one attribute and the classes "
            f"{', '.join(preset.files)}: the card {card.name!r} states {names} and "
            f"{', '.join(card.classes)}"
        )
    return loaded, attributes[0], notices


def evaluate_preset(
    preset: Preset,
    loaded: LoadedModel,
    attribute: CardAttribute,
    cohort: Cohort,
    output: Path,
    *,
    settings: EvaluationSettings,
    notices: Collection[str] = (),
    progress: ProgressHook = silent,
    keep_whole: bool = True,
    overwrite: bool = False,
) -> Evaluated:
    """Evaluate a cohort as a published test script does, and write its result files.

    Parameters
    ----------
    preset, loaded, attribute, notices
        As :func:`load_for` returns them.
    cohort : Cohort
        In the preset's layout.
    output, settings, progress, keep_whole, overwrite
        As :func:`~napari_dmoe.evaluation.evaluating.evaluate.evaluate` takes them; the
        settings as :meth:`Preset.settings` returns them.

    Returns
    -------
    Evaluated
        The cases with the patients as they are recorded.

    Raises
    ------
    CohortError
        When the cohort is of another layout, or the value of a patient cannot be read.

    Notes
    -----
    What the scripts do with a value that is not known differs: they leave out an
    unknown language or body site, take unknown sex on HAM10000 for female, and else use
    the last router, as -1 counts from the end. So it is here, to find the same numbers;
    elsewhere such a patient is run for every value.
    """
    if cohort.layout != preset.layout:
        raise CohortError(
            f"{preset.title} is of the layout {preset.layout}, but this cohort is "
            f"laid out as {cohort.layout}"
        )
    tested = [(row, _code(preset, attribute, row)) for row in cohort.rows]
    kept = [(row, code) for row, code in tested if code is not None]
    if not kept:
        raise CohortError(
            f"no case states a {attribute.name} that the card knows, and "
            f"{preset.title} leaves such cases out: name another card with --card"
        )
    rows = tuple(RunAs(r, _as_run(attribute, r.patient, code)) for r, code in kept)
    codes = [code for _, code in kept]

    def published(found: Evaluated) -> Evaluated:
        cases = tuple(
            replace(case, patient=_counted(preset, row.patient), further=_beside(row))
            for case, (row, _) in zip(found, kept, strict=True)
        )
        told = (*notices, *_told(preset, attribute, cohort.rows), *_left_out(found))
        said = tuple(dict.fromkeys((*found.facts.notices, *told)))
        facts = found.facts.model_copy(update={"preset": preset.name, "notices": said})
        evaluated = replace(found, cases=cases, facts=facts)
        write_published(output, evaluated, files=preset.files, codes=codes)
        return evaluated

    evaluated = evaluate(
        loaded,
        replace(cohort, rows=rows),
        output,
        settings=settings,
        progress=progress,
        keep_whole=keep_whole,
        overwrite=overwrite,
        ending=Ending(preset.name, published),
    )
    if not all((output / name).is_file() for name in preset.files.values()):
        write_published(output, evaluated, files=preset.files, codes=codes)
    return evaluated


def _counted(preset: Preset, patient: Patient) -> Patient:
    """Return a patient in the preset's years, so that groups are the published ones."""
    age = patient.age
    if preset.days_per_year is None or not isinstance(age, float):
        return patient
    years = age * DAYS_PER_YEAR / preset.days_per_year
    return Patient.from_values({**patient.stated(), "age": years})


def _beside(row: CaseRow) -> dict[str, str]:
    """Return the columns of a row that are no attribute of its patient."""
    stated = row.patient.stated()
    return {name: cell for name, cell in row.further.items() if name not in stated}


def _code(preset: Preset, attribute: CardAttribute, row: CaseRow) -> int | None:
    """Return how a published script numbers a patient; None where it leaves it out."""
    place = _place(preset, attribute, row.patient)
    if place is not None:
        return place
    keys = {name: key for key, (name, _) in CODES.items()}
    key = keys.get(attribute.name, attribute.name)
    for notice in getattr(row, "notices", ()):
        # Pickled, so that it was not read: nobody may take it for unknown.
        if notice.startswith(f"{key} "):
            raise CohortError(f"row {row.number}: {notice}")
    return preset.unknown.get(attribute.name, UNKNOWN)


def _place(preset: Preset, attribute: CardAttribute, patient: Patient) -> int | None:
    """Return the place of a patient's value; None where no router is for it."""
    try:
        return attribute.category_of(_counted(preset, patient))
    except PatientError:  # a value that no router was trained for
        return None


def _as_run(attribute: CardAttribute, patient: Patient, code: int) -> Patient:
    """Return the patient that a script runs its model for: -1 counts from the end."""
    stated = {**patient.stated(), attribute.name: attribute.values[code]}
    return Patient.from_values(stated)


def _told(
    preset: Preset, attribute: CardAttribute, rows: Sequence[CaseRow]
) -> Iterator[str]:
    """Yield what was decided for those whose value is not known."""
    n = sum(_place(preset, attribute, row.patient) is None for row in rows)
    if not n:
        return
    code = preset.unknown.get(attribute.name, UNKNOWN)
    who = f"{n:,} of {len(rows):,} cases state no {attribute.name} that the card knows"
    if code is None:
        yield f"{who}: as in the published script they were left out"
        return
    router = "the last router, " if code == UNKNOWN else ""
    yield (
        f"{who}: as in the published script they were run for {router}"
        f"{attribute.values[code]}, and Attr is {code}"
    )


def _left_out(found: Evaluated) -> Iterator[str]:
    n = sum(not case.scores for case in found)
    if n:
        yield f"the published result files have no row of {n:,} cases without scores"
