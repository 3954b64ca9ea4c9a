"""Many images: what is segmented one after another, and the table of what came of it."""
