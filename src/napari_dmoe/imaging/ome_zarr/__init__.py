"""OME-Zarr: volumes in chunks on a disk, several resolutions of them."""
