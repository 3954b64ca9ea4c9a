"""Parts made of Qt that know no medicine."""
