"""Replays layers from their records, compares records, and opens and saves cases."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.faults import told
from napari_dmoe.imaging.files import proposed_stem
from napari_dmoe.inference.replaying import case_files
from napari_dmoe.inference.replaying.record_comparison import compare_records
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers import slot
from napari_dmoe.viewer.layers.names import layer_name, mask_words
from napari_dmoe.viewer.layers.records import is_mask, layer_record
from napari_dmoe.viewer.session.inquiry import GONE, holding, if_there
from napari_dmoe.viewer.session.reopening import show_alone
from napari_dmoe.viewer.ui.asking import ask_for_checkpoint, ask_for_file
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import BUSY, STOPPED, Order
from napari_dmoe.viewer.what_if.replay import replaying
from napari_dmoe.viewer.what_if.replay.rebuilt import Rebuilt, show_replayed
from napari_dmoe.viewer.what_if.replay.replaying import ReplaySubject
from napari_dmoe.viewer.what_if.replay.view import ReplaySection

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_dmoe.inference.replaying.replay import Replay

_SHORT_SUFFIX = ".case"
CASE_FILES = f"dMoE cases (*{case_files.CASE_SUFFIX})"
_NOT_ON_IMAGE = "Not saved: the mask is not on its image."
_Kept = Callable[[], "Layer | None"]


class ReplayControl(Control):
    """Connects the section of replays with the session, the engine and files."""

    def __init__(self, bench: Bench, section: ReplaySection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._missing: _Kept = lambda: None
        """The layer whose checkpoint is missing."""
        self._opened: _Kept = lambda: None
        """The layer of a case that will be replayed once the dock is free."""
        self._found_for: WeakSet[Layer] | None = None
        self._note = ""
        viewer = session.viewer
        selection = () if viewer is None else (viewer.layers.selection.events.changed,)
        self._refresh = Refresh(
            self,
            self.show,
            soon=(session.result_changed,),
            at_once=(session.image_changed, *selection),
        )
        bench.work.ended.connect(self._on_ended)
        section.replay_requested.connect(self._on_replay)
        section.compare_requested.connect(self._on_compare)
        section.save_requested.connect(self._on_save)
        section.open_requested.connect(self._on_open)
        section.checkpoint_requested.connect(self._on_checkpoint)
        self.show()

    def show(self) -> None:
        """Show which layers are selected; what was found for others is forgotten."""
        layers = self._selected()
        if self._found_for is not None and set(self._found_for) != set(layers):
            self._found_for = None
            self._section.show_nothing()
        self._section.show_selected(
            replaying.selected_text(layers),
            n_records=len(layers),
            is_mask=len(layers) == 1 and is_mask(layers[0]),
            has_image=self._session.image is not None,
        )

    def _selected(self) -> list[Layer]:
        """Return the selected layers that have a record, the lowest first."""
        viewer = self._session.viewer
        layers = [] if viewer is None else list(viewer.layers)
        chosen = set() if viewer is None else set(viewer.layers.selection)
        return [e for e in layers if e in chosen and layer_record(e) is not None]

    def _tell(
        self,
        verdict: str,
        details: Sequence[str] = (),
        *,
        layers: Sequence[Layer] | None = None,
        is_model_missing: bool = False,
    ) -> None:
        """Show what was found, for as long as the same layers are selected."""
        about = self._selected() if layers is None else layers
        self._found_for = WeakSet(about)
        self._section.show_found(verdict, details, is_model_missing=is_model_missing)

    def _on_replay(self) -> None:
        layers = self._selected()
        if len(layers) == 1:
            self._replay(layers[0], self._session.surroundings.models)

    def _on_checkpoint(self) -> None:
        layer = self._missing()
        path = "" if layer is None else ask_for_checkpoint(self._section)
        if layer is not None and path:
            self._replay(layer, (path,))

    def _replay(self, layer: Layer, names: tuple[str, ...]) -> None:
        image, session = self._image_of(layer), self._session
        if image is None:
            return
        for result in session.results_of(image):
            result.note_edits()
        try:
            subject = replaying.replay_subject(layer, image)
        except ValueError as error:
            self._tell(f"Not replayed: {told(error)}")
            return
        show = partial(self._on_played, weakref.ref(layer), image, subject)
        order = Order(
            title=f"dMoE: replaying {layer.name}",
            status=f"Replaying “{layer.name}” …",
            work=partial(replaying.play, self._engines, subject, session.model, names),
            then=if_there(session, image, show),
            problem=holding(session, image),
            if_failed=self._on_failed,
        )
        self._section.show_nothing()
        if not self._work.start(order):
            self._tell(BUSY)

    def _image_of(self, layer: Layer) -> Image | None:
        """Return the image of a result's mask; else the one that is worked on."""
        for image in self._session.images():
            shown = self._session.results_of(image)
            if any(result.mask() is layer for result in shown):
                return image
        return self._session.image

    def _on_failed(self, error: Exception) -> str:
        self._tell(f"Not replayed: {error}")
        return f"Failed: {error}"

    def _on_played(
        self,
        layer: _Kept,
        image: Image,
        subject: ReplaySubject,
        found: Replay | tuple[str, ...] | None,
    ) -> str:
        """Say why there is no replay; else let it be compared with what is there."""
        viewer, title = self._session.viewer, subject.title
        if found is None:
            self._missing = layer
            self._tell(replaying.missing_model(subject.record), is_model_missing=True)
            return "Not replayed: the checkpoint is missing."
        if isinstance(found, tuple):
            self._tell(f"“{title}” cannot be replayed on “{image.name}”:", found)
            return "Not replayed: something is missing or changed."
        layers = () if viewer is None else viewer.layers
        made = Rebuilt.of(image, subject, found, layers)
        show = partial(self._on_compared, layer, image)
        order = Order(
            title=f"dMoE: comparing {title}",
            status=f"Comparing “{title}” …",
            work=made.compare,
            then=if_there(self._session, image, show),
            if_failed=self._on_failed,
            if_stopped=lambda: STOPPED,
        )
        self._work.start_beside(order)
        return order.status

    def _on_compared(self, layer: _Kept, image: Image, made: Rebuilt) -> str:
        source = layer()
        said = show_replayed(self._session, image, source, made)
        said, self._note = f"{said} {self._note}".rstrip(), ""
        self._tell(said, made.found.differences, layers=[source] if source else [])
        return said

    def _on_compare(self) -> None:
        layers = self._selected()
        records = [layer_record(layer) for layer in layers]
        if len(records) != 2 or records[0] is None or records[1] is None:
            return
        differences = compare_records(records[0], records[1])
        names = [str(layer.name) for layer in layers]
        self._tell(replaying.records_text(names, differences), differences)

    def _on_save(self) -> None:
        layers = self._selected()
        image = self._image_of(layers[0]) if len(layers) == 1 else None
        if image is None:
            return
        for result in self._session.results_of(image):
            result.note_edits()
        subject = replaying.replay_subject(layers[0], image)
        proposed = f"{proposed_stem(subject.title)}{case_files.CASE_SUFFIX}"
        title = "Save the case"
        target = ask_for_file(self._section, title, proposed, CASE_FILES, case_path)
        if target is not None:
            then = partial(self._on_saved, target.name)
            self._work.save(target, partial(_save, subject), then)

    def _on_saved(self, name: str, is_saved: bool) -> str:
        if is_saved:
            return f"Saved {name}: record and mask, no image."
        self._tell(_NOT_ON_IMAGE)
        return _NOT_ON_IMAGE

    def _on_open(self) -> None:
        image = self._session.image
        chosen, _ = QFileDialog.getOpenFileName(
            self._section, "Open a case", "", CASE_FILES
        )
        if not chosen or image is None:
            return
        path = Path(chosen)
        order = Order(
            title=f"dMoE: opening {path.name}",
            status=f"Opening {path.name} …",
            work=partial(_open, path),
            then=partial(self._on_opened, image, path),
            if_failed=self._on_failed,
        )
        if not self._work.start(order):
            show_info(BUSY)

    def _on_opened(self, image: Image, path: Path, case: case_files.CaseFile) -> str:
        viewer, name = self._session.viewer, path.name
        if viewer is None or image not in viewer.layers:
            return GONE
        try:
            data, arguments, kind = replaying.case_layer(image, case, name)
        except ValueError as error:
            self._tell(f"Not opened: {told(error)}.")
            return "Not opened: the image is another one."
        what = mask_words(case.record, f"from {_stem(path)}")
        arguments["name"] = layer_name(image.name, what)
        with self._session.showing.adding(image):
            layer = slot.put(viewer, (data, arguments, kind), None)
        self._note = show_alone(self._session, layer, image)
        self._opened = weakref.ref(layer)
        return f"Opened {name} as “{layer.name}”. {self._note}".rstrip()

    def _on_ended(self) -> None:
        layer, self._opened = self._opened(), lambda: None
        if layer is not None and not self._work.is_busy:
            self._replay(layer, self._session.surroundings.models)


def _stem(path: Path) -> str:
    """Return a case file's name without its ending, which may be typed shorter."""
    ending = case_files.CASE_SUFFIX
    return path.name.removesuffix(ending).removesuffix(_SHORT_SUFFIX) or "case"


def case_path(path: Path) -> Path:
    """Return where a case is written: its ending may be typed shorter, or not."""
    return path.with_name(_stem(path) + case_files.CASE_SUFFIX)


def _save(subject: ReplaySubject, path: Path) -> bool:
    """Write a case in a worker; return False where the mask is not on its image."""
    if subject.labels is not None:
        case_files.write_case(path, subject.record, subject.labels)
    return subject.labels is not None


def _open(path: Path, hook: ProgressHook) -> case_files.CaseFile:
    hook(Progress(0, 1, f"opening {path.name}"))
    return case_files.read_case(path)
