"""``python -m napari_dmoe.cli``."""

from napari_dmoe.cli import main

main()
