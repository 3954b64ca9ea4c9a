"""DICOM files in: series and multi-frame files as images, and what they say of whom."""
