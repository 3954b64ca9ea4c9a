"""What models reach on real photographs, from the cohorts at hand, as JSON and a page.

Run it with ``python benchmarks/real_images.py FOLDER``, where FOLDER holds the sets of
:mod:`real_sets`, or ``images`` and ``masks`` of a user's own in a folder of any name.
Everything is scored by the project's own ``evaluate``: Dice in all cases and by group,
the share of masks that are of no use, how often an image is told to be unlike those of
the training, what a wrong and an unknown attribute change, and pictures that show
something else. Of a set that a model was trained on, only what its run held out is
measured. Runs are kept in ``--work``, so that what was stopped goes on where it was.
Masks that were made elsewhere (:mod:`plain_unet`) are scored beside with ``--masks``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import photograph
import real_page
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.opening import cohort_of
from napari_dmoe.evaluation.evaluating.evaluate import evaluate
from napari_dmoe.models.checkpoint import bundled_names, load_checkpoint
from other_pictures import other_pictures
from real_figures import HOW, Measured, figures, sensitivity, unlike_share
from real_sets import SETS, TRAINED_ON, RealSet, held_out_of, open_set

MODELS = ("skin-phantom", "skin-isic2017", "fundus-phantom")
"""Those that are measured by default, as far as they are bundled."""

WORK = Path(tempfile.gettempdir()) / "napari-dmoe-real-images"
NONE = "none"
"""Instead of sets: nothing but the first mask is measured; of models: masks alone."""

MOST_OF_OTHER_KIND = 50
"""Photographs of the other kind that a model is shown."""


def models_of(asked: argparse.Namespace) -> Iterator[Measured]:
    """Yield what is measured: models, and masks that were made elsewhere."""
    named = asked.model or [n for n in MODELS if n in bundled_names()]
    for name in named if named != [NONE] else ():
        loaded = load_checkpoint(name)
        kind = "fundus" if "disc" in _regions(loaded.card.classes) else "skin"
        folder = asked.work / f"{loaded.card.name}-{loaded.sha256[:8]}"
        yield Measured(loaded.card.name, kind, folder, loaded)
    for given in asked.masks or ():
        name, _, folder = given.partition("=")
        work = asked.work / f"masks-{name}"
        yield Measured(name, "skin", work, masks=Path(folder))


def _regions(classes: Sequence[str]) -> tuple[str, ...]:
    from napari_dmoe.evaluation.scoring.mask_pair import regions_of

    return tuple(region.name for region in regions_of(classes))


def sets_of(asked: argparse.Namespace) -> dict[str, RealSet]:
    """Return the sets that are asked for, or those that are there."""
    if asked.sets == NONE:
        return {}
    if asked.sets is None:
        return {n: s for n, s in SETS.items() if (asked.folder / s.folder).is_dir()}
    own = {name: SETS.get(name) for name in asked.sets.split(",")}
    return {
        name: known or RealSet(name, name, asked.kind, "the user's own", "not stated")
        for name, known in own.items()
    }


def opened(
    model: Measured, name: str, which: RealSet, asked: argparse.Namespace
) -> tuple[Cohort, str]:
    """Return what of a set the model is measured on, and what it is called.

    Raises
    ------
    CohortError
        When the model was trained on it, and nobody says what was held out.
    """
    trained_on = TRAINED_ON.get(model.name, "isic" if model.masks else "")
    if name != trained_on:
        return open_set(asked.folder, which, number=asked.number), ""
    if asked.held_out is None:
        raise CohortError(
            f"{model.name} was trained on {which.title}: name what its run held out "
            "with --held-out"
        )
    only = held_out_of(asked.held_out)
    return open_set(asked.folder, which, number=asked.number, only=only), "held out"


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    found: dict[str, list[Any]] = {"figures": [], "sensitivity": [], "others": []}
    sets = sets_of(asked)
    for model in models_of(asked) if sets else ():
        for name, which in sets.items():
            if which.kind != model.kind:
                continue
            try:
                cohort, part = opened(model, name, which, asked)
            except CohortError as error:
                say(f"{model.name}, {which.title} is left out: {error}")
                continue
            say(f"{model.name} on {len(cohort):,} of {which.title}")
            about = {**_about(model, which), "part": part}
            found["figures"] += _reached(model, cohort, name, which, about)
            if model.drivers and not asked.no_attributes:
                changes = sensitivity(model, cohort, name)
                found["sensitivity"] += [about | each for each in changes]
        if model.loaded is not None:
            found["others"] += _others(model, sets, asked)
    return {**found, "first_mask": _first_masks(asked)}


def _about(model: Measured, which: RealSet) -> dict[str, str]:
    return {
        "model": model.name,
        "trained_on": model.trained_on,
        "set": which.title,
        "source": which.source,
        "licence": which.licence,
    }


def _reached(
    model: Measured, cohort: Cohort, name: str, which: RealSet, about: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield what is reached with the right values, region by region."""
    run = model.run(cohort, name)
    for region in model.regions:
        yield {**about, "region": region, **figures(run, region, which.groups)}


def _others(
    model: Measured, sets: dict[str, RealSet], asked: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Yield how often pictures of another kind are told to be one."""
    lots = {name: cohort_of(cases) for name, cases in other_pictures().items()}
    for which in sets.values():
        if which.kind != model.kind:
            n = min(asked.number or MOST_OF_OTHER_KIND, MOST_OF_OTHER_KIND)
            try:
                lots[which.title] = _untrue(open_set(asked.folder, which, number=n))
            except CohortError as error:
                say(f"{which.title} is left out: {error}")
    for name, cohort in lots.items():
        output = model.folder / "others" / f"{name.replace(' ', '-')}-{len(cohort)}"
        found = evaluate(model.loaded, cohort, output, settings=HOW)
        share = unlike_share(found)
        yield {"model": model.name, "of": name, "n": len(found), "unlike": share}


def _untrue(cohort: Cohort) -> Cohort:
    """Return a cohort without its truth, which is of something else."""
    return replace(cohort, rows=tuple(replace(r, labels=None) for r in cohort.rows))


def _first_masks(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return how long the first mask of a large photograph takes."""
    found = []
    for given in asked.first_mask or ():
        model, _, before = given.partition("=")
        kind = "fundus" if "fundus" in model else "skin"
        how = {"against": asked.against, "before": before or None}
        say(f"{model}: the first mask of a large photograph")
        found.append(photograph.measure(model, kind, repeats=asked.repeats, **how))
    return found


def command_of(asked: argparse.Namespace) -> str:
    """Return the command that makes the figures again, without anybody's folders."""
    said = ["python benchmarks/real_images.py FOLDER"]
    said += [f"--sets {asked.sets}"] if asked.sets else []
    said += [f"--model {Path(name).name}" for name in asked.model or ()]
    said += ["--held-out RUN/held_out.csv"] if asked.held_out else []
    said += [f"--masks {each.partition('=')[0]}=FOLDER" for each in asked.masks or ()]
    said += [f"--number {asked.number}"] if asked.number else []
    said += ["--no-attributes"] if asked.no_attributes else []
    said += ["--add"] if asked.add else []
    said += [f"--first-mask {each}" for each in asked.first_mask or ()]
    said += ["--against OTHER/src"] if asked.against else []
    return " ".join(said)


def say(line: str) -> None:
    """Tell how far it is, beside the JSON."""
    print(line, file=sys.stderr, flush=True)


def options() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="holds a folder for each set")
    add("--sets", help=f"with commas: {','.join(SETS)}, or folders of yours; none")
    add("--kind", choices=("skin", "fundus"), default="skin", help="of such folders")
    add("--model", action="append", metavar="NAME", help="bundled, or a file; none")
    add("--masks", action="append", metavar="NAME=FOLDER", help="made elsewhere")
    add("--held-out", type=Path, metavar="CSV", help="held_out.csv of the training")
    add("--number", type=int, help="cases of each set; all by default")
    add("--no-attributes", action="store_true", help="tell right values alone")
    add("--first-mask", action="append", metavar="NAME[=BEFORE]", help="model to time")
    add("--against", type=Path, metavar="SRC", help="src of another checkout")
    add("--repeats", type=int, default=5, help="of the timing")
    add("--work", type=Path, default=WORK, help="keeps the runs")
    add("--docs", type=Path, help="writes real-images.md and .json there")
    add("--add", action="store_true", help="figures of other models and sets stay")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure; print JSON, and write the page where it is asked for."""
    asked = options().parse_args(arguments)
    began = time.perf_counter()
    found = {
        "commands": [command_of(asked)],
        "cpus": os.cpu_count(),
        **measured(asked),
        "seconds": round(time.perf_counter() - began, 1),
        "most_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(real_page.in_json(found), indent=2))
    if asked.docs is not None:
        whole = real_page.with_earlier(asked.docs, found) if asked.add else found
        real_page.write(asked.docs, whole)


if __name__ == "__main__":
    main()
