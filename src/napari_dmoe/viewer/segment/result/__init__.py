"""What a run found: measured, kept, corrected, saved and opened again."""
