"""Opens a case of an evaluated cohort: image, truth, prediction and where they err."""
