"""What is measured of masks: sizes, surfaces, and how two of them agree."""
