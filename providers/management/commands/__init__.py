"""Commands of the providers."""
