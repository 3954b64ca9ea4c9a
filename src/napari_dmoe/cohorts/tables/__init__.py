"""Tables of cohorts: what their columns mean, which files they name, whom rows show."""
