"""The simulated upstream, asked over real HTTP."""
