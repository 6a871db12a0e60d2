"""Runs generations: the part of the chat that waits for the world."""
