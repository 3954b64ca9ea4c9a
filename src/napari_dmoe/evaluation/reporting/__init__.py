"""Reports of evaluated cohorts: one page, one table and one JSON to hand on."""
