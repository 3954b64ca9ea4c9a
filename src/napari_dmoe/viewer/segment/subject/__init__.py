"""What is segmented and for whom: the image, how the model meets it, the patient."""
