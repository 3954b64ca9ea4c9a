"""What napari's menus call what the plugin contributes; the manifest says the same."""

PLUGIN = "napari-dmoe"

DOCK = "Segment for a patient"
"""The dock."""

ABOUT = "About this layer, its model and dMoE"
"""What tells how the selected layer came about."""
