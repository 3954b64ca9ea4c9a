"""A run: settings, device, windows or planes, and the mask of one patient."""
