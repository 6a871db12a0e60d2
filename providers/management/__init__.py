"""Django management of the providers."""
