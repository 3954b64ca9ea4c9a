"""Phantom pelvis CTs: their anatomy, how they are drawn, and cohorts of them."""
