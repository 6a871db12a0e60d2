"""The simulated upstream: a test peer that speaks the four documented APIs over real HTTP."""
