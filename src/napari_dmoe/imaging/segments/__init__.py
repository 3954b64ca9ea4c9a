"""Masks in the formats of clinical programs, with what each label means."""
