"""A person describes their own checkpoint: the card that lies beside it."""
