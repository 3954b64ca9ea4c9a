"""What the card of a trained model states of its training, and nothing else."""
