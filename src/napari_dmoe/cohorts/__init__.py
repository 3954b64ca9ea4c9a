"""Cohorts: cases with patients, read from folders and tables or drawn as phantoms."""
