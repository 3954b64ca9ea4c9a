"""Layouts in which cohorts are published: each read as it is, none rewritten."""
