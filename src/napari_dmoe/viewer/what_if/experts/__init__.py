"""Experts muted or pinned, and what that changes."""
