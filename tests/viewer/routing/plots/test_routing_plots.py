"""The plots of the Routing tab follow the block, the slice and what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.layers import Shapes
from plotting import in_sight
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget
from viewer_fakes import N_BLOCKS, N_EXPERTS

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.routing.on_images import routing_of
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.ui.plot import Plot

pytestmark = pytest.mark.gui

STACK = np.zeros((5, 12, 9), np.uint8)


@pytest.fixture
def plotted(make_desk: Callable[..., Desk]) -> Desk:
    """Return a desk whose image was segmented, with the Routing tab in sight."""
    return in_sight(make_desk(ViewerModel()), IMAGE)


def axes_of(plot: Any) -> Any:
    return plot.figure.axes[0]


def cells(desk: Desk) -> np.ndarray:
    image = axes_of(desk.routing.tab.plots.load_plot).images[0]
    return np.asarray(image.get_array())


def click_cell(desk: Desk, block: int, expert: int) -> None:
    """Click in the middle of a cell of the heat map."""
    plot = desk.routing.tab.plots.load_plot
    x, y = axes_of(plot).transData.transform((expert, block))
    ratio = plot.devicePixelRatioF()
    place = QPoint(round(x / ratio), round(plot.height() - y / ratio))
    desk.qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=place)
    desk.settle()


def test_the_heat_map_has_a_cell_for_each_block_and_expert(plotted: Desk) -> None:
    load = cells(plotted)
    assert load.shape == (N_BLOCKS, N_EXPERTS)
    np.testing.assert_allclose(load.sum(1), 1, atol=1e-6)
    plots = plotted.routing.tab.plots
    assert plots.where.text().startswith("Of the whole image.")
    assert "expert 2 in block 2 (97%)" in plots.warning.text()


def test_a_click_on_a_cell_shows_that_expert_in_that_block(plotted: Desk) -> None:
    click_cell(plotted, 1, 2)
    tab = plotted.routing.tab
    assert tab.block_slider.value() == 1
    assert tab.maps.map_combo.currentText() == "Gate of expert"
    layer = plotted.viewer.layers["retina / gate of expert 2, block 1"]
    assert layer.visible
    assert layer.data[0, 0] == pytest.approx(0.29)
    frame = axes_of(tab.plots.load_plot).patches[-1]
    assert frame.get_y() == 0.5  # the mark moved to block 1


def test_a_click_beside_the_cells_changes_nothing(plotted: Desk) -> None:
    tab = plotted.routing.tab
    before = tab.overlay()
    for place in ((None, None), (9.0, 0.0), (0.0, -3.0)):
        tab.plots.load_plot.clicked.emit(*place)
    assert tab.overlay() == before
    assert not routing_of(plotted.session).is_shown


def test_the_plots_follow_the_slice_and_the_region(
    make_desk: Callable[..., Desk],
) -> None:
    desk = in_sight(make_desk(ViewerModel()), STACK, axis_labels=("t", "y", "x"))
    desk.viewer.dims.set_current_step(0, 3)
    desk.settle()
    where = desk.routing.tab.plots.where
    assert where.text().startswith("Of the slice t 3.")
    box = np.array([[0, 0], [0, 3], [4, 3], [4, 0]]) - 0.5
    desk.viewer.add_shapes([box], shape_type="polygon", name="region")
    desk.settle()
    assert where.text().startswith("Of the region “region” of the slice t 3.")
    np.testing.assert_allclose(cells(desk)[0], [0.71, 0.29, 0, 0, 0], atol=1e-6)
    desk.viewer.layers["region"].data = []
    desk.settle()
    assert where.text().startswith("Of the slice t 3.")


def bars_of(desk: Desk) -> np.ndarray:
    """Return the share of each expert (rows) in each class (columns)."""
    axes = axes_of(desk.routing.tab.plots.class_plot)
    return np.array([[bar.get_width() for bar in part] for part in axes.containers])


def test_classes_have_bars_in_the_experts_colours(plotted: Desk) -> None:
    axes = axes_of(plotted.routing.tab.plots.class_plot)
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["background", "rim", "cup", "border"]
    bars = bars_of(plotted)
    np.testing.assert_allclose(bars.sum(0), 1)
    # The cup lies in the first token, which expert 3 shares with expert 4.
    np.testing.assert_allclose(bars[:, 2], [0, 0, 0, 0.71, 0.29], atol=1e-6)


def test_classes_are_those_of_the_painted_mask_once_painting_rests(
    plotted: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots, mask = (
        plotted.routing.tab.plots,
        plotted.viewer.layers["retina / mask"],
    )
    made, title = mask.data.copy(), plots.class_title
    assert title.text() == "In each class of the mask as it was made, block 3:"
    drawn: list[int] = []
    show = plots.class_plot.show_figure

    def counted(paint: Any, *, height: int, key: object) -> None:
        drawn.append(height)
        show(paint, height=height, key=key)

    monkeypatch.setattr(plots.class_plot, "show_figure", counted)
    mask.brush_size = 1
    for y in range(8, 12):
        mask.paint((y, 8), 2)
        assert drawn == []  # not at each stroke
    plotted.settle()
    assert len(drawn) == 1
    assert title.text() == "In each class of the painted mask, block 3:"
    # 4 pixels of the cup in the first token, and 4 in the last, which is expert 3's.
    wanted = [0, 0, 0, (4 * 0.71 + 4) / 8, 0.29 / 2]
    np.testing.assert_allclose(bars_of(plotted)[:, 2], wanted, atol=1e-6)
    mask.data = made
    plotted.settle()
    assert "as it was made" in title.text()
    np.testing.assert_allclose(bars_of(plotted)[3:, 2], [0.71, 0.29], atol=1e-6)


def test_routers_are_compared_and_the_values_once_all_were_run(plotted: Desk) -> None:
    plots = plotted.routing.tab.plots
    plotted.click(plots.fold.button)
    plotted.settle()
    matrix = np.asarray(axes_of(plots.alike_plot).images[0].get_array())
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-6)
    assert matrix.shape == (3, 3)
    assert "not biology" in plots.alike_text.text()
    assert plots.apart_plot.isHidden()
    plotted.segmenting.tab.patient.inputs["severity"].entered.emit(None, True)
    plotted.wait_until_idle()
    plotted.settle()
    assert not plots.apart_plot.isHidden()


def test_a_3d_network_has_stages_everywhere(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
) -> None:
    models["volume"] = volume_model
    desk = make_desk(ViewerModel())
    desk.load("volume")
    in_sight(desk, np.zeros((6, 12, 9)), severity="")
    tab = desk.routing.tab
    assert tab.block_label.text() == tab.block_slider.accessibleName() == "Stage"
    assert axes_of(tab.plots.load_plot).get_ylabel() == "stage"
    assert "stage 3:" in tab.plots.class_title.text()
    parts = [part for part in tab.findChildren(QWidget) if part.isVisible()]
    combo = tab.maps.map_combo
    combo.setCurrentIndex(combo.findText("Pair of experts"))
    combo.activated.emit(combo.currentIndex())
    desk.settle()
    for part in parts:
        said = (part.toolTip(), part.accessibleName(), getattr(part, "text", str)())
        assert "block" not in " ".join(said).lower(), said


def test_the_plots_have_the_colours_of_the_theme(plotted: Desk) -> None:
    plot = plotted.routing.tab.plots.load_plot
    dark = plot.figure.get_facecolor()
    plotted.viewer.theme = "light"
    plotted.settle()
    assert sum(plot.figure.get_facecolor()[:3]) > sum(dark[:3]) + 1


def test_a_plot_whose_content_is_unchanged_is_not_drawn_again(
    plotted: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots, drawn = plotted.routing.tab.plots, []

    def counted(plot: Plot) -> None:
        drawn.append(plot)
        draw(plot)

    draw = Plot.draw
    monkeypatch.setattr(Plot, "draw", counted)
    plotted.routing.plots.show()
    plotted.settle()
    assert drawn == []
    plotted.routing.tab.block_slider.setValue(0)
    plotted.settle()
    assert drawn == [plots.load_plot, plots.class_plot]  # the mark moved


def test_nothing_is_drawn_while_the_tab_is_hidden(desk: Desk) -> None:
    desk.dock.show()
    desk.run()
    assert desk.routing.tab.plots.load_plot.figure is None


def test_the_wheel_scrolls_the_tab_over_a_plot(plotted: Desk) -> None:
    plot = plotted.routing.tab.plots.load_plot
    event = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(plot, event)
    assert not event.isAccepted()  # Qt offers it to the tab then


def test_every_map_fits_into_300_pixels(plotted: Desk) -> None:
    tab = plotted.routing.tab
    tab.plots.fold.unfold()
    combo = tab.maps.map_combo
    for place in range(combo.count()):
        combo.setCurrentIndex(place)
        combo.activated.emit(place)
        plotted.settle()
        scroll_bar = tab.verticalScrollBar().sizeHint().width()
        assert tab.widget().minimumSizeHint().width() <= 300 - scroll_bar - 4
        for part in tab.findChildren(QWidget):
            if part.isVisible() and part.accessibleName():
                assert part.toolTip() or part in (tab.legend, tab.bar)


def test_a_dock_with_plots_leaves_nothing_that_is_told_of_changes(
    plotted: Desk,
) -> None:
    viewer, qtbot = plotted.viewer, plotted.qtbot
    dock = DMoEDock(viewer, engines=plotted.segmenting._engines)
    qtbot.waitUntil(lambda: not dock.control(SegmentControl).loader.is_busy)
    dock.tabs.setCurrentWidget(dock.control(RoutingControl).tab)
    dock.show()
    qtbot.waitUntil(
        lambda: dock.control(RoutingControl).tab.plots.load_plot.figure is not None
    )
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    viewer.theme = "light"
    viewer.dims.ndisplay = 3
    viewer.add_image(IMAGE)


def test_the_layer_of_regions_is_known_whatever_it_is_called(plotted: Desk) -> None:
    viewer, plots = plotted.viewer, plotted.routing.tab.plots
    plots.region_wanted.emit()
    (drawn,) = [each for each in viewer.layers if isinstance(each, Shapes)]
    drawn.add(np.array([[0, 0], [0, 3], [4, 3], [4, 0]]) - 0.5, shape_type="polygon")
    drawn.name = "disc"
    viewer.layers.selection.active = viewer.layers["retina"]
    plotted.settle()
    assert plots.where.text().startswith("Of the region “disc”")
    plots.region_wanted.emit()
    assert [each for each in viewer.layers if isinstance(each, Shapes)] == [drawn]
