"""What napari's menus call what the plugin contributes; the manifest says the same."""

PLUGIN = "napari-dmoe"

DOCK = "Segment for a patient"
"""The dock."""

FAIRNESS = "Audit a cohort by group"
"""The wide dock: fairness."""

ABOUT = "About this layer, its model and dMoE"
"""What tells how the selected layer came about."""
