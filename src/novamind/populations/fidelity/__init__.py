"""How faithful a twin stayed, and whether its errors have changed."""
