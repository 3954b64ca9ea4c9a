"""Attribute-gated medical image segmentation with dMoE, in napari and without it."""
