"""Images with their place in the world: geometry, preprocessing, files."""
