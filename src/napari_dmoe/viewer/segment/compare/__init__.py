"""A result beside another: another model, an earlier mask, the truth."""
