"""Results as pictures that can be saved."""
