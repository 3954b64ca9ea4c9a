"""The training loop: a run from its first epoch to the saved model."""
