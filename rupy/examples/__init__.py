"""Applications to start from; each says in its text how to try it."""
