"""What is compared: models, and folders of masks of any origin."""
