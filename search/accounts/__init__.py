"""Who may come in: passwords and codes that are counted, new accounts that wait, and what ends with a password."""
