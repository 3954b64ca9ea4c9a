"""Attribute-gated medical image segmentation with dMoE, in napari and without it.

The public names below are imported when they are first used, so that importing the
package loads neither torch nor napari.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As in `typing`, which takes longer to import than all else that a command imports
before it can obey a signal."""

if TYPE_CHECKING:
    from typing import Any

    __version__: str
    from napari_dmoe.cohorts.case import Case, CohortError
    from napari_dmoe.cohorts.datasets import Cohort, read_cohort
    from napari_dmoe.cohorts.layouts.opening import cohort_of, open_cohort
    from napari_dmoe.cohorts.problems import Problem, write_problems
    from napari_dmoe.cohorts.series.corrected import CorrectionError, save_correction
    from napari_dmoe.cohorts.series.finished import FinishedError, read_finished
    from napari_dmoe.cohorts.series.listing import entries_of
    from napari_dmoe.cohorts.series.segmenting import (
        SeriesError,
        SeriesOptions,
        segment_series,
    )
    from napari_dmoe.cohorts.series.truths import with_truth
    from napari_dmoe.cohorts.writing import write_cohort
    from napari_dmoe.evaluation.counterfactual.audit import audit
    from napari_dmoe.evaluation.counterfactual.audit_files import read_audited
    from napari_dmoe.evaluation.evaluating.case_table import read_evaluated
    from napari_dmoe.evaluation.evaluating.evaluate import evaluate
    from napari_dmoe.evaluation.evaluating.journal import ResumeError
    from napari_dmoe.evaluation.evaluating.predictions import evaluate_predictions
    from napari_dmoe.evaluation.evaluating.scored import Evaluated
    from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
    from napari_dmoe.evaluation.groups.comparing import compare
    from napari_dmoe.evaluation.groups.groupings import groupings
    from napari_dmoe.evaluation.groups.summary import summarise
    from napari_dmoe.evaluation.reporting.options import ReportOptions
    from napari_dmoe.evaluation.reporting.report import write_report
    from napari_dmoe.imaging.files import read_image
    from napari_dmoe.imaging.memory import NotEnoughMemory
    from napari_dmoe.imaging.spatial import (
        Grid,
        ImageError,
        ImageReadError,
        SpatialImage,
    )
    from napari_dmoe.inference.replaying.case_files import (
        CaseFileError,
        read_case,
        write_case,
    )
    from napari_dmoe.inference.replaying.record_comparison import compare_records
    from napari_dmoe.inference.replaying.replay import Replay, ReplayError, replay
    from napari_dmoe.inference.results.export import SavedFiles, save_segmentation
    from napari_dmoe.inference.results.provenance import Provenance
    from napari_dmoe.inference.results.routing import KeptRouting
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.inference.running.devices import DeviceError
    from napari_dmoe.inference.running.segment import segment
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.inference.running.to_file import segment_to_file
    from napari_dmoe.inference.running.volume_masks import FinishedSlab
    from napari_dmoe.inference.what_if.ablation import Ablation, ablate
    from napari_dmoe.inference.what_if.interpolation import interpolate
    from napari_dmoe.inference.what_if.routing_reading import read_routing
    from napari_dmoe.inference.what_if.sweep import sweep
    from napari_dmoe.inference.what_if.sweep_result import Sweep
    from napari_dmoe.inference.what_if.uncertainty import Uncertainty, uncertainty
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.models.card_files import CardError, card_names, read_card
    from napari_dmoe.models.checkpoint import (
        CheckpointError,
        LoadedModel,
        UnsafeCheckpointError,
        bundled_names,
        load_checkpoint,
    )
    from napari_dmoe.models.gating import ExpertControl, Routing, SegmentationOutput
    from napari_dmoe.models.moe import SparseMoE
    from napari_dmoe.models.saving import save_checkpoint
    from napari_dmoe.patient import Patient, PatientError
    from napari_dmoe.progress import Cancelled, Progress
    from napari_dmoe.validation import SettingsError

_HOMES = {
    "cohorts.case": ("Case", "CohortError"),
    "cohorts.datasets": ("Cohort", "read_cohort"),
    "cohorts.layouts.opening": ("cohort_of", "open_cohort"),
    "cohorts.problems": ("Problem", "write_problems"),
    "cohorts.series.corrected": ("CorrectionError", "save_correction"),
    "cohorts.series.finished": ("FinishedError", "read_finished"),
    "cohorts.series.listing": ("entries_of",),
    "cohorts.series.segmenting": ("SeriesError", "SeriesOptions", "segment_series"),
    "cohorts.series.truths": ("with_truth",),
    "cohorts.writing": ("write_cohort",),
    "evaluation.evaluating.case_table": ("read_evaluated",),
    "evaluation.evaluating.evaluate": ("evaluate",),
    "evaluation.evaluating.journal": ("ResumeError",),
    "evaluation.evaluating.predictions": ("evaluate_predictions",),
    "evaluation.evaluating.scored": ("Evaluated",),
    "evaluation.evaluating.settings": ("EvaluationSettings",),
    "evaluation.groups.comparing": ("compare",),
    "evaluation.groups.groupings": ("groupings",),
    "evaluation.groups.summary": ("summarise",),
    "evaluation.counterfactual.audit": ("audit",),
    "evaluation.counterfactual.audit_files": ("read_audited",),
    "evaluation.reporting.options": ("ReportOptions",),
    "evaluation.reporting.report": ("write_report",),
    "imaging.files": ("read_image",),
    "imaging.memory": ("NotEnoughMemory",),
    "imaging.spatial": ("Grid", "ImageError", "ImageReadError", "SpatialImage"),
    "inference.what_if.ablation": ("Ablation", "ablate"),
    "inference.replaying.case_files": ("CaseFileError", "read_case", "write_case"),
    "inference.what_if.interpolation": ("interpolate",),
    "inference.results.export": ("SavedFiles", "save_segmentation"),
    "inference.results.provenance": ("Provenance",),
    "inference.replaying.record_comparison": ("compare_records",),
    "inference.replaying.replay": ("Replay", "ReplayError", "replay"),
    "inference.what_if.routing_reading": ("read_routing",),
    "inference.running.devices": ("DeviceError",),
    "inference.running.segment": ("segment",),
    "inference.results.routing": ("KeptRouting",),
    "inference.results.segmentation": ("Segmentation",),
    "inference.running.settings": ("InferenceSettings",),
    "inference.running.to_file": ("segment_to_file",),
    "inference.running.volume_masks": ("FinishedSlab",),
    "inference.what_if.sweep": ("sweep",),
    "inference.what_if.sweep_result": ("Sweep",),
    "inference.what_if.uncertainty": ("Uncertainty", "uncertainty"),
    "models.card": ("ModelCard",),
    "models.card_files": ("CardError", "card_names", "read_card"),
    "models.checkpoint": (
        "CheckpointError",
        "LoadedModel",
        "UnsafeCheckpointError",
        "bundled_names",
        "load_checkpoint",
    ),
    "models.saving": ("save_checkpoint",),
    "models.moe": ("SparseMoE",),
    "models.gating": ("ExpertControl", "Routing", "SegmentationOutput"),
    "patient": ("Patient", "PatientError"),
    "progress": ("Cancelled", "Progress"),
    "validation": ("SettingsError",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Ablation",
    "Cancelled",
    "CardError",
    "Case",
    "CaseFileError",
    "CheckpointError",
    "Cohort",
    "CohortError",
    "CorrectionError",
    "DeviceError",
    "Evaluated",
    "EvaluationSettings",
    "ExpertControl",
    "FinishedError",
    "FinishedSlab",
    "Grid",
    "ImageError",
    "ImageReadError",
    "InferenceSettings",
    "KeptRouting",
    "LoadedModel",
    "ModelCard",
    "NotEnoughMemory",
    "Patient",
    "PatientError",
    "Problem",
    "Progress",
    "Provenance",
    "Replay",
    "ReplayError",
    "ReportOptions",
    "ResumeError",
    "Routing",
    "SavedFiles",
    "Segmentation",
    "SegmentationOutput",
    "SeriesError",
    "SeriesOptions",
    "SettingsError",
    "SparseMoE",
    "SpatialImage",
    "Sweep",
    "Uncertainty",
    "UnsafeCheckpointError",
    "__version__",
    "ablate",
    "audit",
    "bundled_names",
    "card_names",
    "cohort_of",
    "compare",
    "compare_records",
    "entries_of",
    "evaluate",
    "evaluate_predictions",
    "groupings",
    "interpolate",
    "load_checkpoint",
    "open_cohort",
    "read_audited",
    "read_card",
    "read_case",
    "read_cohort",
    "read_evaluated",
    "read_finished",
    "read_image",
    "read_routing",
    "replay",
    "save_checkpoint",
    "save_correction",
    "save_segmentation",
    "segment",
    "segment_series",
    "segment_to_file",
    "summarise",
    "sweep",
    "uncertainty",
    "with_truth",
    "write_case",
    "write_cohort",
    "write_problems",
    "write_report",
]


def _version() -> str:
    # Imported when it is asked for: it takes as long as all else here together.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("napari-dmoe")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0.0.0"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return globals().setdefault(name, _version())
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
