"""Cohorts evaluated: a model, or masks of any origin, beside the truth of cases."""
