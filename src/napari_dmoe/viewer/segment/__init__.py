"""The tab Segment: model, image, patient, and the mask."""
