"""Segments many images: the layers that are selected, or files, one after another."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_dmoe.imaging.files import image_stem, read_image
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines, with_priors
from napari_dmoe.viewer.layers.opening import image_layer
from napari_dmoe.viewer.layers.placement import LayerData, plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.segment.many_images_view import SeriesSection
from napari_dmoe.viewer.segment.result_files import ResultFiles, opening
from napari_dmoe.viewer.segment.result_rows import ShownMasks, image_row
from napari_dmoe.viewer.segment.run import Run, RunControl
from napari_dmoe.viewer.session.checks import cautions, counted_notices
from napari_dmoe.viewer.session.inquiry import GONE
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.jobs import notify_error
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.listing import Entry
    from napari_dmoe.cohorts.series.segmenting import Done
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.models.checkpoint import LoadedModel


class LayerSeries(Control):
    """Works through the selected layers, each for its own patient."""

    def __init__(self, bench: Bench, run: RunControl, section: SeriesSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._run, self._section = run, section
        self._waiting: list[weakref.ref[Image]] = []
        self._asked_for: list[weakref.ref[Image]] = []
        self._total = 0
        self._told, self._was_stopped = 0, False
        self._notices: tuple[str, ...] = ()
        self._under_way: int | None = None
        self._finished: dict[
            int, tuple[dict[str, str] | None, Callable[[], None] | None]
        ] = {}
        connections = Connections(self)
        for signal in (session.model_changed, session.images_changed):
            connections.add(signal, self.show)
        if session.viewer is not None:
            selection = session.viewer.layers.selection
            connections.add(selection.events.changed, self.show)
        section.layers_requested.connect(self._on_requested)
        run.ended.connect(self._on_run_ended)
        self._work.ended.connect(self._on_work_ended)  # after the run has told its end
        self.show()

    def show(self, *_: object) -> None:
        """Say how many layers are selected."""
        why_not = "Open a model first." if self._session.model is None else ""
        self._section.offer(len(self._selected()), why_not=why_not)

    def _selected(self) -> list[Image]:
        viewer = self._session.viewer
        selected = set() if viewer is None else set(viewer.layers.selection)
        images = self._session.images()
        return [image for image in reversed(images) if plain(image) in selected]

    def _on_requested(self) -> None:
        images = self._selected()
        if self._total:
            self._section.say("The masks of the last layers are still measured.")
        elif images and not self._work.is_busy:
            self._section.clear()
            self._asked_for = [weakref.ref(image) for image in images]
            self._waiting, self._total = list(self._asked_for), len(images)
            self._told, self._was_stopped = 0, False
            self._notices = self._counted(images)
            self._next()

    def _counted(self, images: Sequence[Image]) -> tuple[str, ...]:
        session, model = self._session, self._session.model
        if model is None:
            return ()
        patients = map(session.patient_of, images)
        return counted_notices(model, patients, session.shares.by_driver)

    def _next(self) -> None:
        """Begin the next layer that can be segmented; say why others cannot."""
        while self._waiting and not self._work.is_busy:
            number = self._total - len(self._waiting)
            image = self._waiting.pop(0)()
            if image is None or image not in self._session.images():
                self._finish(number)
                continue
            why_not = self._session.why_not(image)
            if not why_not:
                self._under_way = number
                error = self._run.begin(image=image)
                why_not = "" if error is None else str(error)
            if why_not:
                self._under_way = None
                self._finish(number, {"image": image.name, "outcome": why_not})
        if self._under_way is not None:
            now = f"Layer {self._under_way + 1} of {self._total} …"
            self._section.say(_with_notices(now, self._notices))

    def _finish(
        self,
        number: int,
        row: dict[str, str] | None = None,
        show: Callable[[], None] | None = None,
    ) -> None:
        """Tell what became of a layer, in turn; of one that is gone nothing."""
        self._finished[number] = (row, show)
        while self._told in self._finished:
            line, opened = self._finished.pop(self._told)
            self._told += 1
            if line is not None:
                self._section.add_row(line, opened)
        if self._total and self._told == self._total:
            n_done, total, self._total = len(self._section.rows), self._total, 0
            self._select_again()
            said = f"{total} layers: {self._section.counts()}."
            if self._was_stopped:
                said = f"Stopped after {n_done} of {total} layers."
            self._section.say(_with_notices(said, self._notices))

    def _select_again(self) -> None:
        """Select the images again: napari selects every mask that is added."""
        viewer, images = self._session.viewer, self._session.images()
        asked_for = {image for each in self._asked_for if (image := each()) in images}
        if viewer is not None and asked_for:
            viewer.layers.selection = asked_for

    def _on_run_ended(self, run: Run) -> None:
        """Go on with the next layer at once; the row is there once it is measured."""
        number, self._under_way = self._under_way, None
        if number is None:  # somebody else's run
            return
        if run.was_stopped:
            self._was_stopped, self._waiting = True, []
            for each in range(number, self._total):
                self._finish(each)
            return
        self._measure(number, run)
        self._next()

    def _on_work_ended(self) -> None:
        """Go on where something else of the dock's had come between two layers."""
        if self._waiting and self._under_way is None:
            self._next()

    def _measure(self, number: int, run: Run) -> None:
        """Measure a layer's mask in the background; then its row is complete."""
        row = {"image": run.name, "outcome": _outcome(run)}
        image, viewer = run.image(), self._session.viewer
        tell = partial(self._tell, number, run)
        masks = None
        if image is not None and run.result is not None and viewer is not None:
            row["labels"] = run.result.title
            masks = ShownMasks.of(run.result, image)
        if masks is None or image is None or viewer is None:
            tell(row)
            return
        step = viewer.dims.current_step[-image.ndim :]
        order = Order(
            title=f"dMoE: measuring {run.name}",
            status=f"Measuring “{run.name}” …",
            work=partial(_measured, masks.copied(), step),
            then=lambda found: tell(row | found),
            if_failed=lambda error: tell(row | {"outcome": str(error)}),
            if_stopped=lambda: tell(row),
        )
        self._work.start_beside(order)

    def _tell(self, number: int, run: Run, row: dict[str, str]) -> str:
        self._finish(number, row, partial(self._show_layer, run.image))
        return run.said

    def _show_layer(self, reference: weakref.ref[Image]) -> None:
        image, viewer = reference(), self._session.viewer
        if image is not None and viewer is not None and image in viewer.layers:
            viewer.layers.selection.active = image
            self._session.choose_image(image)


def _with_notices(text: str, notices: Sequence[str]) -> str:
    return " ".join((text, *notices))


def _measured(
    masks: ShownMasks, step: Sequence[int], hook: ProgressHook
) -> dict[str, str]:
    return image_row(masks, step)


TABLE_FILES = "Tables (*.csv)"
FROM_TABLE = "table"


def _outcome(run: Run) -> str:
    """Say how a run ended, and what asks for care in its result."""
    found = () if run.result is None else cautions(run.result.segmentation)
    return " ".join((run.said, *found))


class FileSeries(Control):
    """Works through files, and shows line by line what became of each."""

    def __init__(
        self, bench: Bench, section: SeriesSection, files: ResultFiles
    ) -> None:
        super().__init__(bench, section)
        self._section, self._files = section, files
        self._entries: Sequence[Entry] = []
        self._notices: tuple[str, ...] = ()
        section.folder_requested.connect(self._on_folder)
        section.table_requested.connect(self._on_table)

    def _on_folder(self) -> None:
        source = QFileDialog.getExistingDirectory(
            self._section, "Folder of images to segment"
        )
        if source:
            self._begin_files(Path(source))

    def _on_table(self) -> None:
        source, _ = QFileDialog.getOpenFileName(
            self._section, "Table of images and patients", "", TABLE_FILES
        )
        if source:
            self._begin_files(Path(source))

    def _begin_files(self, source: Path) -> None:
        loaded = self._session.model
        if loaded is None or self._work.is_busy:
            return
        target = QFileDialog.getExistingDirectory(
            self._section, "Folder for the masks and their records"
        )
        is_asked = self._may_write(Path(target)) if target else None
        if is_asked is None:
            return
        self._section.clear()
        self._notices = ()
        self._section.say(f"Segmenting into {Path(target).name} …")
        teller = _Teller()
        teller.listed.connect(self._on_listed)
        teller.told.connect(self._on_told)
        what = loaded, source, Path(target)
        how = self._session.settings, self._session.shares.by_driver, is_asked
        order = Order(
            title=f"dMoE: segmenting {source.name}",
            status=f"Listing {source.name} …",
            work=partial(_segment_files, self._engines, teller, what, *how),
            then=partial(self._on_files_done, Path(target)),
            if_failed=lambda error: self._say(f"Failed: {error}"),
            if_stopped=self._on_files_stopped,
        )
        self._work.start(order)

    def _may_write(self, target: Path) -> bool | None:
        """Ask before files that are there may be replaced.

        False where there are none, so that what comes meanwhile stays; None where
        nothing may be written.
        """
        try:
            is_empty = next(target.iterdir(), None) is None
        except OSError as error:
            notify_error(error)
            return None
        if is_empty:
            return False
        answer = QMessageBox.question(
            self._section,
            "The folder is not empty",
            f"{target.name} holds files already. Masks of the same names, and the "
            "table segment.csv, are replaced. Go on?",
        )
        return True if answer == QMessageBox.StandardButton.Yes else None

    def _on_listed(self, listed: tuple[Sequence[Entry], tuple[str, ...]]) -> None:
        self._entries, self._notices = listed
        self._say_counted(f"{len(self._entries)} images …")

    def _on_told(self, done: Done) -> None:
        section, number = self._section, len(self._section.rows)
        entry = self._entries[number]
        show = partial(self._open_files, entry, done.labels)
        row = {name: in_dock(text) for name, text in done.row().items()}
        section.add_row(row, None if entry.problem is not None else show)
        self._say_counted(f"{number + 1} of {len(self._entries)} images …")

    def _on_files_done(self, target: Path, done: list[Done]) -> str:
        counts = self._section.counts()
        notices = map(in_dock, getattr(self._entries, "notices", ()))
        left_out = " ".join(f"{n}." for n in notices)
        text = f"{len(done)} images into {target.name}: {counts}. {left_out}"
        return self._say_counted(text.rstrip())

    def _on_files_stopped(self) -> str:
        how_many = f"{len(self._section.rows)} of {len(self._entries)} images"
        return self._say_counted(f"Stopped after {how_many}; segment.csv lists them.")

    def _say_counted(self, text: str) -> str:
        """Say something, and what is to be known of the images all together."""
        return self._say(_with_notices(text, self._notices))

    def _say(self, text: str) -> str:
        self._section.say(text)
        return text

    def _open_files(self, entry: Entry, mask: Path | None) -> None:
        """Show an image of the series, with its patient and its mask."""
        then = partial(self._on_opened, entry, mask)
        self._work.start_beside(opening(entry.path, _layer_of, then))

    def _on_opened(self, entry: Entry, mask: Path | None, opened: LayerData) -> str:
        viewer, (data, arguments, _) = self._session.viewer, opened
        if viewer is None:
            return GONE
        with pointer_away(viewer):
            image = plain(viewer.add_image(data, **arguments))
        model = self._session.model
        if model is not None:  # no form could correct a column that it does not show
            entry = entry.of_model([each.name for each in model.card.attributes])
        self._session.set_patient(image, entry.patient, FROM_TABLE)
        self._session.choose_image(image)
        if mask is not None:
            self._files.open_mask(mask, image)
        return f"Opened {entry.path.name}."


def _layer_of(path: Path) -> LayerData:
    return image_layer(read_image(path), image_stem(path))


class _Teller(QObject):
    """Hands over to the GUI thread what the work's thread tells.

    It belongs to the work, not to the dock: the dock may be destroyed meanwhile, and
    emitting a signal of a destroyed object would end the program.
    """

    listed = Signal(object)
    told = Signal(object)


def _segment_files(
    engines: Engines,
    teller: _Teller,
    what: tuple[LoadedModel, Path, Path],
    settings: InferenceSettings,
    stated: Mapping[str, tuple[float, ...]],
    overwrite: bool,
    hook: ProgressHook,
) -> list[Done]:
    """List and segment files; called in the work's thread."""
    loaded, source, target = what
    entries = engines.entries(source)
    patients = (each.patient for each in entries if each.problem is None)
    teller.listed.emit((entries, counted_notices(loaded, patients, stated)))
    series, tell = with_priors(engines.series, stated), teller.told.emit
    return series(
        loaded,
        entries,
        target,
        settings=settings,
        overwrite=overwrite,
        progress=hook,
        tell=tell,
    )
