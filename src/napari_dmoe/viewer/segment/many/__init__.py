"""Many images: what is segmented in a row, and the table of what came of it."""
