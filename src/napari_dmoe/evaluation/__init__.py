"""How good masks are, case by case and group by group, and how sure that is."""
