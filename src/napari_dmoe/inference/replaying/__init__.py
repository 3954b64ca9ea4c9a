"""Records and case files: runs that can be made again from what was kept."""
