"""The tab Routing: maps of the experts over the image."""
