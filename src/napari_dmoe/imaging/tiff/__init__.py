"""TIFF files: whatever other programs put into them, and those written here."""
