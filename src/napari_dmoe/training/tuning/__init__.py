"""Fine-tuning on corrected masks, with a guard that watches every group."""
