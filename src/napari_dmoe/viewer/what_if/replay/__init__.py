"""Records and case files, made again and compared."""
