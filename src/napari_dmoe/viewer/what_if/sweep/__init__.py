"""The same image for every value of an attribute."""
