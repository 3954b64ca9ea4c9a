"""The model that is worked with, and the samples that are for it."""
