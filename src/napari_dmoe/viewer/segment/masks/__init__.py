"""Masks that come as pictures or files: whose they are, and what their labels mean."""
