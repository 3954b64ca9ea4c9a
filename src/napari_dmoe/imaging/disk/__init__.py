"""The disk: files that appear whole, names that differ, one writer a folder."""
