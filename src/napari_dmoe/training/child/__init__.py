"""A process of its own for what takes long and must stop at once."""
