"""The dMoE networks, their model cards and their checkpoint files."""
