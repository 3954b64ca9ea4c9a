"""The wide dock: cohorts audited, groups as dots, the images behind a number."""
