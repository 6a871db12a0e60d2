"""People: users and how they sign in."""
