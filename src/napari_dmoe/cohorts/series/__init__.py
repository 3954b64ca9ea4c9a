"""Many images segmented one after another, and the table of what was done."""
