"""Audits of phantoms, where it is known what decides and what does not."""

from __future__ import annotations

from pathlib import Path

from audits import trained_on

from napari_dmoe.cohorts.case import Case
from napari_dmoe.evaluation.counterfactual.audit import audit
from napari_dmoe.evaluation.counterfactual.settings import AuditSettings
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.training.starting.new_routers import add_attribute

LANGUAGE = CardAttribute(name="language", values=("English", "Spanish", "other"))


def is_large(case: Case) -> bool:
    """Whether a cup has pixels enough to tell a tenth of its radius."""
    return case.labels is not None and int((case.labels.data == 2).sum()) > 1500


def test_severity_matters_and_helps_and_language_decides_nothing(
    tmp_path: Path,
) -> None:
    """On phantoms, severity alone decides where the cup ends."""
    loaded = add_attribute(load_checkpoint("fundus-phantom"), LANGUAGE)
    loaded = trained_on(loaded, "language", English=40, Spanish=40, other=40)
    cohort = [case for case in KINDS["fundus"].cohort(60, seed=5) if is_large(case)]
    cohort = cohort[:24]
    found = audit(loaded, cohort, tmp_path, settings=AuditSettings(device="cpu"))

    def of(kind: str, attribute: str) -> dict[str, object]:
        return next(
            each
            for each in found.summary[kind]
            if (each["attribute"], each["region"]) == (attribute, "cup")
            and not each["grouping"]
        )

    assert of("dependence", "severity")["matters"] > 0.8
    counts = of("dependence", "language")["counts"]
    # Of one the first pass is not sure enough: nothing is found there for any value.
    assert counts["none"] + counts["absent"] == 24
    assert counts["absent"] <= 1
    severity = of("help", "severity")
    assert [each["says"] for each in severity["compared"]] == ["helps", "helps"]
    assert severity["own_is_best"] >= 0.53  # measured 0.556; by chance 0.333
    assert severity["dice"]["best"] >= severity["dice"]["own"]
    said = " ".join(found.sentences)
    assert "The right severity helps the cup" in said
    assert "Language never changes the cup" in said
