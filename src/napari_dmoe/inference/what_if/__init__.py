"""What would change: other patients, other experts, and noise."""
