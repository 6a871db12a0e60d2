"""Developer tooling: what `make` runs, no part of the product."""
