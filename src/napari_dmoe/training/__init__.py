"""Training: the loop that fits a network to cases, and how it varies them."""
