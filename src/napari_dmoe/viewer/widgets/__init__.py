"""The Qt widgets, one a file. Only here is Qt imported, and only through qtpy."""
