"""Tests of the developer tooling."""
