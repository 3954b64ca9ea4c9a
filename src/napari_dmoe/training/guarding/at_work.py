"""A guard at work: which of its cases may judge, what they score, and the report.

The one place in which a guard is put to use, by :func:`~.tune.tune` as by the command
line. Its cases are looked at first: those that were trained on are left out, and labels
that cannot be read as the model's classes are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_dmoe.cohorts.case import Case, CohortError, Selection
from napari_dmoe.cohorts.classes import ClassedCases
from napari_dmoe.cohorts.datasets import Cohort, patients_of, rows_of, subjects_of
from napari_dmoe.cohorts.tables.subjects import subject_key
from napari_dmoe.evaluation.groups.membership import (
    SMALL_GROUP,
    groups_of,
    names_of_groups,
)
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.naming import as_known
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Phases, Progress, ProgressHook, silent
from napari_dmoe.training.guarding.changes import changes
from napari_dmoe.training.guarding.groups import (
    groups_there,
    groups_trained_on,
    notices_of,
)
from napari_dmoe.training.guarding.guard import (
    Guard,
    groups_to_compare,
    guard_cases,
    watched,
)
from napari_dmoe.training.guarding.labels import LabelCheck, refuse_unfit
from napari_dmoe.training.guarding.report import TuningReport
from napari_dmoe.training.guarding.sameness import (
    Trained,
    file_of,
    files_of,
    fingerprint,
)
from napari_dmoe.training.guarding.scores import CaseScore, score_cases
from napari_dmoe.training.guarding.verdict import NO_GROUPS, listed
from napari_dmoe.training.pacing import (
    DRAWING,
    LOOKING,
    LOOKING_AT_TRAINED,
    Pacing,
    usual_paces,
)

CHOSEN_BY_GUARD = "the guard also chose the epoch, which makes it look a little better"
CHOSEN_APART = "the epoch was chosen by cases of the guard that then did not judge"
WAS_TRAINED_ON = "the guard is what was trained on"
NOT_ANNOTATED = "nothing is annotated in any case of the guard"
MADE_UP = "the guard is made up, the cases trained on are not known to be"
ONLY_PICTURES = (
    "of some cases nobody says whose they are, so that they were compared with what is "
    "trained on by their pictures alone"
)
_SEEN = ("whose picture is trained on", "whose patient or lesion is trained on")
_TWICE, _BARE = "whose picture another has", "on which nothing is annotated"
_DRAWN = "made up, unlike the model's own or those trained on,"


@dataclass(frozen=True)
class Guarding:
    """A guard that was looked at, and what speaks against it.

    Parameters
    ----------
    guard : Guard
        Where its cases come from.
    card : ModelCard
        Of the model before.
    cases : sequence of Case
        Those that may judge: nothing trains on them, nor chooses by them.
    watch : sequence of Case
        Those to measure after each epoch; among `cases`, unless the epoch is chosen.
    attributes : tuple of CardAttribute
        What makes groups.
    required : tuple of str
        Groups that the model was or is trained on, which have to be checked.
    reasons : tuple of str
        Why nothing can be said, as far as it is known beforehand.
    notices : tuple of str
        What a person should know.
    """

    guard: Guard
    card: ModelCard
    cases: Sequence[Case] = ()
    watch: Sequence[Case] = ()
    attributes: tuple[CardAttribute, ...] = ()
    required: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        guard: Guard,
        card: ModelCard,
        trained: Sequence[Case],
        *,
        chooses_epoch: bool = False,
        progress: ProgressHook = silent,
    ) -> Guarding:
        """Look at a guard before anything is trained; its images are read.

        Parameters
        ----------
        guard : Guard
            Which.
        card : ModelCard
            Of the model that is to be tuned.
        trained : sequence of Case
            Everything that is trained on, earlier cases that are mixed in too, and what
            else the model may be chosen by.
        chooses_epoch : bool
            Whether the epoch that is kept is the best of the cases to watch. They then
            do not judge, where enough others are left.
        progress : callable
            Told of every case. It may raise ``Cancelled``.

        Raises
        ------
        CohortError, TrainingError
            When it cannot be read, or its labels are not the model's classes.
        """
        if guard.kind == "none":
            return cls(guard, card, attributes=card.attributes)
        if _is_made_up(guard, card, trained):
            return cls(guard, card, attributes=card.attributes, reasons=(MADE_UP,))
        n = guard.n_drawn
        work = Pacing(usual_paces(card), n, n, len(trained), 0, 0)
        drawing = work.looking_phases(progress).of(DRAWING)
        cases = guard_cases(guard, card, progress=drawing)
        looking = replace(work, n_guard=len(cases)).looking_phases(progress)
        apart, left = _apart(cases, trained, card, looking)
        notices = [_left_out(n, why) for why, n in left.items()]
        if None in (*subjects_of(trained), *subjects_of(cases)):
            notices.append(ONLY_PICTURES)
        whom, others = patients_of(apart), patients_of(trained)
        everybody = (*whom, *others), card, (*subjects_of(apart), *subjects_of(trained))
        attributes = groups_to_compare(guard, *everybody)
        watch, judging = _split(apart, attributes, card, chooses_epoch=chooses_epoch)
        notices += notices_of(whom, attributes, card)
        notices = [f"the guard: {notice}" for notice in notices]
        if chooses_epoch and watch:
            is_apart = len(judging) < len(apart)
            notices.append(CHOSEN_APART if is_apart else CHOSEN_BY_GUARD)
        return cls(
            guard,
            card,
            judging,
            watch,
            attributes=attributes,
            required=groups_trained_on(others, attributes, card),
            reasons=() if len(judging) else (_why_none(left),),
            notices=tuple(notices),
        )

    def score(
        self,
        loaded: LoadedModel,
        *,
        device: str = "cpu",
        progress: ProgressHook = silent,
    ) -> tuple[CaseScore, ...]:
        """Measure a model on the guard: before, and after."""
        return score_cases(
            loaded,
            self.cases,
            attributes=self.attributes,
            device=device,
            what="measuring the guard",
            progress=progress,
        )

    def digest(self) -> str:
        """Return what tells these cases, with labels and groups, from all others."""
        whole = hashlib.sha256()
        for case in self.cases:
            labels = None if case.labels is None else np.asarray(case.labels.data)
            told = hashlib.sha256(b"" if labels is None else labels.tobytes())
            parts = (case.id, fingerprint(case.image), told.hexdigest())
            whole.update(json.dumps((*parts, case.patient.stated())).encode())
        groups = [(a.name, a.values) for a in self.attributes]
        whole.update(json.dumps(groups).encode())
        return whole.hexdigest()

    def report(
        self, before: Sequence[CaseScore], after: Sequence[CaseScore]
    ) -> TuningReport:
        """Compare what the guard scored before and after.

        What was trained on may be put into the report with :func:`dataclasses.replace`.
        """
        notices = list(self.notices)
        of_labels = [f"the guard: {notice}" for notice in _read_notices(self.cases)]
        told = tuple(dict.fromkeys((*notices, *of_labels)))
        if not before:
            return TuningReport((), reasons=self.reasons, notices=told)
        there = {group for score in before for group in score.groups}
        of_card = names_of_groups(self.card.attributes)
        return TuningReport(
            cases=(),
            guard=changes(before, after, self.attributes),
            guard_title=self.guard.title,
            missing=tuple(name for name in of_card if name not in there),
            notices=told,
            reasons=self.reasons,
            required=self.required,
        )


def check_guard(
    guard: Guard, card: ModelCard, trained: Sequence[Case] | None = None
) -> tuple[str, ...]:
    """Say beforehand why a guard cannot tell that no group got worse.

    Cheap: neither images nor labels are read, so that a guard may still be refused, or
    turn out to share pictures with what is trained on, when it is looked at.

    Parameters
    ----------
    guard : Guard
        Which.
    card : ModelCard
        Of the model that is to be tuned.
    trained : sequence of Case, optional
        What is to be trained on, where that is known already.

    Returns
    -------
    tuple of str
        Reasons, as the report would give them; nothing where nothing is known to speak
        against it.

    Raises
    ------
    CohortError, TrainingError
        When the guard cannot be used at all: no such table, none that can be read, no
        labels.
    """
    if guard.kind == "none":
        return ()
    others = () if trained is None else patients_of(trained)
    if guard.kind == "phantoms":
        known = () if trained is None else trained
        return (MADE_UP,) if _is_made_up(guard, card, known) else ()
    cases = guard_cases(guard, card)
    files = frozenset() if trained is None else files_of(trained)
    kept = [i for i, r in enumerate(rows_of(cases)) if file_of(r) not in files]
    if not kept:
        return (WAS_TRAINED_ON,)
    apart = Selection(cases, kept)
    whom, subjects = patients_of(apart), subjects_of(apart)
    subjects += () if trained is None else subjects_of(trained)
    attributes = groups_to_compare(guard, (*whom, *others), card, subjects)
    there = groups_there(whom, attributes)
    if not there:
        return (NO_GROUPS,)
    needed = groups_trained_on(others, attributes, card)
    counts = _counts(whom, attributes)
    absent = [name for name in needed if name not in there]
    if max(counts.values()) < SMALL_GROUP:
        needed = (*absent, *there)  # a verdict on nobody is none
    few = [f"{n} (n {counts[n]})" for n in needed if 0 < counts[n] < SMALL_GROUP]
    reasons = [f"the guard has no case of {listed(absent)}"] if absent else []
    if few:
        reasons.append(f"fewer than {SMALL_GROUP} cases of {listed(few)}")
    return tuple(reasons)


def _is_made_up(guard: Guard, card: ModelCard, trained: Sequence[Case]) -> bool:
    """Whether a guard is drawn and model or cases are not known to be of its kind."""
    if guard.kind != "phantoms":
        return False
    is_kind = card.training.phantoms == guard.name
    return not is_kind or any(case.phantom != guard.name for case in trained)


def _apart(
    cases: Sequence[Case],
    trained: Sequence[Case],
    card: ModelCard,
    phases: Phases,
) -> tuple[Sequence[Case], dict[str, int]]:
    """Return the guard's cases that may judge, and how many are left out, and why."""
    known = Trained.of(trained, progress=phases.of(LOOKING_AT_TRAINED))
    check, progress = LabelCheck(card.classes), phases.of(LOOKING)
    own = card.training.phantoms
    alike = {None, own} if known.phantoms <= {own} else {None}
    kept: list[int] = []
    pictures: set[str] = set()
    left: dict[str, int] = {}
    for place, row in enumerate(rows_of(cases)):
        progress(Progress(place, len(cases), "looking at the guard"))
        try:
            case = cases[place]
            refuse_unfit(case, card.dims)
            is_annotated = check.is_annotated(case)
        except CohortError as error:
            raise CohortError(f"the guard: {error}") from error
        own = fingerprint(case.image)
        marks = (
            (_SEEN[0], own in known.pictures or known.looks.have(case.image)),
            (_SEEN[1], known.has_subject(row.subject, row.marks)),
            (_DRAWN, case.phantom not in alike),
            (_BARE, not is_annotated),
            (_TWICE, own in pictures),
        )
        why = next((name for name, applies in marks if applies), None)
        if why is None:
            kept.append(place)
            pictures.add(own)
        else:
            left[why] = left.get(why, 0) + 1
    check.finish()
    return (cases if len(kept) == len(cases) else Selection(cases, kept)), left


def _why_none(left: Mapping[str, int]) -> str:
    if any(why in left for why in _SEEN):
        return WAS_TRAINED_ON
    return MADE_UP if _DRAWN in left else NOT_ANNOTATED


def _read_notices(cases: Sequence[Case]) -> tuple[str, ...]:
    """Return what was understood of a cohort's table and labels."""
    if isinstance(cases, Selection):
        return _read_notices(cases.cases)
    if isinstance(cases, ClassedCases):
        return (*_read_notices(cases.cases), *cases.reading.notices)
    return cases.notices if isinstance(cases, Cohort) else ()


def _left_out(n: int, why: str) -> str:
    these, are = ("case", "is") if n == 1 else ("cases", "are")
    return f"{n} {these} {why} {are} left out"


def _split(
    cases: Sequence[Case],
    attributes: Sequence[CardAttribute],
    card: ModelCard,
    *,
    chooses_epoch: bool,
) -> tuple[Sequence[Case], Sequence[Case]]:
    """Return the cases to watch, and those that judge.

    They are apart, and of other subjects, where the epoch is chosen by the former, if
    every group that has enough cases then still has, and every other has some.
    """
    watch = watched(cases, card) or watched(cases, card, are_known=False)
    if not chooses_epoch or not watch:
        return watch, cases
    chosen = set(watch.places) if isinstance(watch, Selection) else set()
    whose = [subject_key(subject) for subject in subjects_of(cases)]
    choosing = {whose[place] for place in chosen} - {None}
    rest = Selection(
        cases,
        [i for i, own in enumerate(whose) if i not in chosen and own not in choosing],
    )
    before, after = (_counts(patients_of(c), attributes) for c in (cases, rest))
    needed = {k: SMALL_GROUP if n >= SMALL_GROUP else 1 for k, n in before.items() if n}
    is_enough = all(after[name] >= n for name, n in needed.items())
    return watch, rest if needed and is_enough else cases


def _counts(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute]
) -> dict[str, int]:
    """Return how many cases each group has."""
    found = groups_of([as_known(p, attributes) for p in patients], attributes)
    return dict(zip(found.names, found.members.sum(0).tolist(), strict=True))
