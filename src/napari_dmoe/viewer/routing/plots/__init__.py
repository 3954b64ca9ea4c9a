"""Plots of the routing, and the region of the image that they show."""
