"""What the routing tells: measures of it, and maps to lay over the image."""
