"""The guard: cases that nothing trains on, and what they allow to say of groups."""
