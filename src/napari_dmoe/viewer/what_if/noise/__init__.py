"""How far the noise of the gates moves the mask."""
