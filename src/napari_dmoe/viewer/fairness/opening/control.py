"""Opens the case that somebody wishes to see: reads it in a job, and shows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fairness.opening.case_layers import CaseLayers, WhoseCase
from napari_dmoe.viewer.fairness.opening.computing import MODEL, Computing
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari_dmoe.evaluation.evaluating.scored import ScoredCase
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.viewer.fairness.opening.layer_data import CaseLayerData
    from napari_dmoe.viewer.fairness.opening.reading import CaseFiles
    from napari_dmoe.viewer.fairness.shelf import Audit


@dataclass(frozen=True, eq=False)
class Wished:
    """A case that is to be seen."""

    audit: Audit
    place: int
    """Among the cases of the audit."""

    @property
    def case(self) -> ScoredCase:
        """What is known of it."""
        return self.audit.evaluated[self.place]

    def is_same(self, other: Wished | None) -> bool:
        """Say whether it is the same case of the same audit."""
        return other is not None and (self.audit, self.place) == (
            other.audit,
            other.place,
        )

    @property
    def whose(self) -> WhoseCase:
        """How its layers are known again."""
        files = self.files
        return WhoseCase(
            self.case,
            self.audit,
            files.classes,
            files.image_path,
            self.audit.layers.get(self.case.id),
        )

    @property
    def files(self) -> CaseFiles:
        """Where it is read from."""
        from napari_dmoe.viewer.fairness.opening.reading import CaseFiles

        classes = self.audit.evaluated.facts.classes
        return CaseFiles(self.case, self.audit.row_of(self.case.id), classes)


class CaseOpening(Control):
    """Opens cases, one at a time: who goes on meanwhile sees only the last one."""

    shown = Signal(object)
    """This :class:`Wished` case is seen."""
    said = Signal(str)
    """What is to be said of the case that was opened, or why it could not be."""

    def __init__(self, bench: Bench, owner: QObject) -> None:
        super().__init__(bench, owner)
        self._layers = CaseLayers(bench.session)
        self._told: WeakKeyDictionary[Audit, dict[int, str]] = WeakKeyDictionary()
        """What was said of each case, for the next time that it is seen."""
        self._wish: Wished | None = None
        self._opening: Wished | None = None

    @property
    def is_opening(self) -> bool:
        """Whether the files of a case are being read."""
        return self._opening is not None

    def open(self, audit: Audit, place: int) -> None:
        """Show a case of an audit; its files are read first where that is due."""
        self._wish = Wished(audit, place)
        if self._opening is None:
            self._open(self._wish)

    def _open(self, wished: Wished) -> None:
        whose = wished.whose
        if self._layers.is_whole(whose):
            self._layers.show(whose)
            told = self._told.get(wished.audit, {})
            self._end(wished, told.get(wished.place, ""))
            return
        self._opening = wished
        name = wished.case.id
        self._work.start_beside(
            Order(
                title="dMoE: opening a case",
                status=f"Opening {name} …",
                work=partial(
                    _read,
                    wished.files,
                    wished.audit.title,
                    self._computing(wished),
                ),
                then=partial(self._on_read, wished),
                if_failed=partial(self._on_failed, wished),
                if_stopped=partial(self._on_stopped, wished),
            )
        )

    def _computing(self, wished: Wished) -> Computing | None:
        """Return what computes a prediction again that was not kept."""
        facts, session = wished.audit.evaluated.facts, self._session
        is_due = wished.case.status == "scored" or wished.case.status == "no truth"
        if facts.source != MODEL or wished.case.prediction or not is_due:
            return None
        names = (*session.surroundings.models, *self._engines.recent_models())
        return Computing(facts, self._engines, session.model, names)

    def _on_read(self, wished: Wished, made: CaseLayerData) -> str:
        self._opening = None
        if self._goes_on(wished):
            return ""
        self._layers.show(wished.whose, made)
        whom = "" if made.image else patient_words(wished.case)
        said = " ".join(filter(None, (_counted(made), *made.said, whom)))
        self._told.setdefault(wished.audit, {})[wished.place] = said
        self._end(wished, said)
        return f"Opened {wished.case.id}."

    def _goes_on(self, wished: Wished) -> bool:
        """Open what was wished for meanwhile, if anything was."""
        wish = self._wish
        if wish is None or wish.is_same(wished):
            return False
        self._open(wish)
        return True

    def _end(self, wished: Wished, said: str) -> None:
        self._wish = None
        self.shown.emit(wished)
        if said:
            self.said.emit(said)

    def _on_failed(self, wished: Wished, error: Exception) -> str:
        self._opening = None
        if self._goes_on(wished):
            return ""
        said = f"{wished.case.id} cannot be shown: {error}"
        self._end(wished, said)
        return said

    def _on_stopped(self, wished: Wished) -> str:
        self._opening = self._wish = None
        return "Stopped. Nothing was opened."


def _read(
    files: CaseFiles, model: str, computing: Computing | None, hook: ProgressHook
) -> CaseLayerData:
    """Read a case, and make its layers; called in the work's thread."""
    from napari_dmoe.viewer.fairness.opening.layer_data import layers_of
    from napari_dmoe.viewer.fairness.opening.reading import read_case

    hook(Progress(0, 1, "reading"))
    compute = None
    if computing is not None:
        compute = partial(_predict, computing, files, hook)
    read = read_case(files, compute=compute)
    return layers_of(read, files.case.id, model=model, classes=files.classes)


def _predict(
    computing: Computing, files: CaseFiles, hook: ProgressHook, image: SpatialImage
) -> SpatialImage:
    return computing.predict(image, files.case.patient, hook)


def _counted(made: CaseLayerData) -> str:
    """Say how many pixels are wrong."""
    if made.errors is None:
        return ""
    missed, too_much, other = made.n_errors
    what = "voxels" if made.errors[0].ndim > 2 else "pixels"
    if not any(made.n_errors):
        return "The prediction is as the truth."
    also = f"; another class (violet): {other:,}" if other else ""
    few = f"False negative (blue): {missed:,} {what}; false positive (yellow): "
    return f"{few}{too_much:,}{also}."


def patient_words(case: ScoredCase) -> str:
    """Say whom a case shows, for one whose patient no form shows."""
    of_nobody = {name for name, cell in case.further.items() if cell == case.subject}
    known = {name: f"{value}" for name, value in case.patient.stated().items()}
    further = {n: cell for n, cell in case.further.items() if n not in of_nobody}
    told = [f"{name} {value}" for name, value in (further | known).items() if value]
    return f"Patient: {', '.join(told)}." if told else ""
