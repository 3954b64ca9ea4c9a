"""What a run gives: a mask, its routing, its record, and their files."""
