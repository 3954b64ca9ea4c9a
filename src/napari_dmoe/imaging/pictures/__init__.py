"""Pictures of PNG, JPEG and BMP files, and what TIFF shares with them."""
