"""Trainings as files that a process of its own reads."""
