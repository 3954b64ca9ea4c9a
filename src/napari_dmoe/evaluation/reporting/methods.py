"""What was done, in sentences fit for the methods of a paper, made from the facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.comparing import ALPHA, Comparisons
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.privacy import FEWEST
from napari_dmoe.evaluation.scoring.metrics import METRICS, NSD_PIXELS

FORMULAS = {
    "es_sum": "I / (1 + sum over groups of |I - I_g|)",
    "es_std": "I / (1 + standard deviation of I_g over groups, ddof 1)",
}
"""The two forms of equity-scaled scores, by name. They are not comparable."""

_DEFINED = {
    "dice": "Dice, 2|A and B| / (|A| + |B|)",
    "iou": "intersection over union (IoU)",
    "hd95": "the 95th percentile of the surface distances of both directions (HD95)",
    "asd": "the mean distance from the prediction's surface to the truth's (ASD)",
    "nsd": "the normalised surface distance (NSD)",
    "rvd": "the relative volume difference, (|A| - |B|) / |B|, by which no group is "
    "called the worst",
    "avd": "the absolute volume difference",
    "cdr_distance": "the distance of the cup-to-disc area ratios",
}

_SOURCES = {
    "model": "The model was run on every case",
    "predictions": "Masks that had been made before were read",
    "table": "Scores were taken from tables that had been written before",
}


def methods(
    models: Sequence[Evaluated],
    groupings: Sequence[Sequence[Grouping]],
    options: ReportOptions,
    comparisons: Sequence[Comparisons] = (),
) -> tuple[str, ...]:
    """Return paragraphs on cohort, masks, metrics, groups, intervals and privacy."""
    paragraphs = [
        *(
            " ".join(_of_model(each, own))
            for each, own in zip(models, groupings, strict=True)
        ),
        " ".join(_of_metrics(models)),
        " ".join(_of_groups(groupings)),
        " ".join(_of_intervals(models, options)),
    ]
    if comparisons:
        paragraphs.append(" ".join(_of_comparisons()))
    paragraphs.append(" ".join(_of_privacy(options)))
    return tuple(filter(None, paragraphs))


def _of_model(evaluated: Evaluated, groupings: Sequence[Grouping]) -> Iterator[str]:
    facts = evaluated.facts
    cohort = f" of {facts.cohort}" if facts.cohort else ""
    n, scored = len(evaluated), sum(bool(case.scores) for case in evaluated)
    yield f"{facts.title}: {_SOURCES[facts.source]} ({n:,} cases{cohort})."
    if scored < n:
        yield f"{n - scored:,} of them have no score and are left out."
    if facts.drivers and facts.source == "model":
        yield f"The model is driven by {_listed(facts.drivers)}."
    where = "the images' own pixels"
    if facts.scored_at == "network":
        where = "the network's input size"
    if facts.source != "table" or facts.convention == "reference":
        yield f"Masks were compared with the truth on {where}."
    subjects = {case.subject for case in evaluated if case.subject is not None}
    if subjects and len(subjects) < n:
        yield f"The cases are of {len(subjects):,} subjects, as far as that is known."
    unknown = [
        f"{g.name} in {g.n_unknown:,}"
        for g in groupings
        if g.n_unknown >= FEWEST and len(g.attributes) == 1
    ]
    if unknown:
        yield f"Not known are {_listed(unknown)} cases."


def _of_metrics(models: Sequence[Evaluated]) -> Iterator[str]:
    metrics = dict.fromkeys(m for each in models for m in each.facts.metrics)
    regions = dict.fromkeys(r for each in models for r in each.facts.regions)
    defined = [_DEFINED.get(m, METRICS[m].title) for m in metrics]
    yield f"Measured were, for {_listed(list(regions))}: {'; '.join(defined)}."
    if "nsd" in metrics:
        yield f"The NSD's tolerance is {NSD_PIXELS:g} pixels, unless stated otherwise."
    lengths = [m for m in metrics if METRICS[m].is_length]
    if lengths:
        yield "Lengths are in mm where the pixels' size is known, and else in pixels."
    conventions = {each.facts.convention for each in models}
    if "default" in conventions:
        yield (
            "A region that neither mask has is not counted; where one mask has it, "
            "overlaps are 0, distances are not defined, and the case counts as a miss."
        )
    if "reference" in conventions:
        whose = (
            "" if len(conventions) == 1 else ", where the reference convention is told"
        )
        yield (
            "Empty masks are scored as in the published tables (reference convention)"
            f"{whose}: Dice and IoU 1 and distances 0 where the truth alone is empty, "
            "all of them 0 where the prediction is."
        )
        if "nsd" in metrics:
            yield "The NSD is 0 where one mask is empty, and none where both are."


def _of_groups(groupings: Sequence[Sequence[Grouping]]) -> Iterator[str]:
    names = dict.fromkeys(g.name for own in groupings for g in own)
    if not names:
        yield "No attribute of the patients is recorded, so that groups are not told."
        return
    yield (
        f"Cases were grouped by {_listed(list(names))}, as recorded; cases whose value "
        "is not known belong to no group."
    )
    notices = dict.fromkeys(n for own in groupings for g in own for n in g.notices)
    yield from (f"{_sentence(notice)}" for notice in notices)
    yield (
        "With I the mean over all cases whose group is known and I_g that of a group, "
        f"the equity-scaled score (ES) is {FORMULAS['es_sum']} in the sum form, which "
        f"the published tables use, and {FORMULAS['es_std']} in the std form; values "
        "are comparable only within one form. The gap is the difference of the best "
        "and the worst group's mean. Groups without a counted case are left out."
    )


def _of_intervals(models: Sequence[Evaluated], options: ReportOptions) -> Iterator[str]:
    is_published = options.convention == "reference"
    has_subjects = any(
        len({c.subject for c in each if c.subject}) < sum(bool(c.subject) for c in each)
        for each in models
    )
    whom = "by case"
    if has_subjects:
        whom = (
            "by image, whomever it shows, as in the published tables"
            if is_published
            else "by subject, not by image, as subjects have several"
        )
    yield (
        f"Intervals are 95 % bootstrap intervals of {options.n_resamples:,} resamples "
        f"(seed {options.seed}), drawn within groups {whom}."
    )
    if is_published:
        yield (
            "The overall mean is held fixed and the ends are percentiles, as in the "
            "published tables, which makes those of equity-scaled scores too narrow."
        )
    else:
        yield (
            "Those of means are corrected for bias and skewness (BCa) where that is "
            "defined, and widened for few cases as Student's t is; those of what "
            "compares groups (gap, ES) hold every value that a test of these resamples "
            "does not reject, so that they cover where groups hardly differ, too."
        )
    yield f"Groups of fewer than {SMALL_GROUP} counted cases are marked."


def _of_comparisons() -> Iterator[str]:
    yield (
        "Models were compared case by case on the cases that both have: means by a "
        "paired t test over subjects, gap and equity-scaled score by swapping the two "
        "models' scores of each subject at random. All p-values of one comparison of "
        f"two models are corrected together by Holm's method; a corrected p of at most "
        f"{ALPHA:g} is called a difference."
    )


def _of_privacy(options: ReportOptions) -> Iterator[str]:
    if options.identifiers:
        yield "Cases are called by the identifiers of the cohort."
    else:
        yield "Cases are called by number, in the order of the cohort's list."
    if options.small_cells:
        yield "Groups of any size are shown, as was asked for."
    else:
        yield (
            f"Groups of fewer than {FEWEST} cases are hidden, and with them the next "
            "smallest where the total would give them away; crossed groups are hidden "
            "with their values, and never one alone of those that share a value. "
            "Groups of published result files are shown whole."
        )


def _listed(names: Sequence[str]) -> str:
    *first, last = names or ("nothing",)
    return f"{', '.join(first)} and {last}" if first else last


def _sentence(text: str) -> str:
    plain = text[:1].upper() + text[1:]
    return plain if plain.endswith(".") else f"{plain}."
