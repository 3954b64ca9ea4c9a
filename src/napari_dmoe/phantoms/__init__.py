"""Phantoms drawn by rules that are known, and the samples that the package ships."""
