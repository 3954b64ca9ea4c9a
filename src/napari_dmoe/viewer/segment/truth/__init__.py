"""The true mask of an image beside its result: how far they agree, and where not."""
