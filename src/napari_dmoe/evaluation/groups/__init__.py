"""Who belongs to which group of patients, what groups score, and how sure that is."""
