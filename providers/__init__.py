"""Models, their deployments and keys, and every upstream call."""
