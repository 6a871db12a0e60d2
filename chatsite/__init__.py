"""The project: settings, routing, server."""
