"""The tab Fine-tune: pairs, choices, the run, and what became better or worse."""
