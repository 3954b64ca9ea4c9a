"""The napari side: layers, a viewer's shared state, menu functions and widgets."""
