"""What is measured of a mask beside the truth, case by case."""
