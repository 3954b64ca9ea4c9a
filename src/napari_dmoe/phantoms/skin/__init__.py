"""Phantom skin lesions: how they are drawn, and cohorts of them."""
