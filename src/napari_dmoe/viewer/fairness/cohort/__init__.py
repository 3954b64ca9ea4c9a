"""The cohort that is audited: chosen, read, and shown before anything runs."""
