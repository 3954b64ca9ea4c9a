"""Layers of napari's: where they lie, how they look, how they are kept. No Qt."""
