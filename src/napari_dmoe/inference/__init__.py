"""Running a network on an image for a patient, and reading its routing."""
