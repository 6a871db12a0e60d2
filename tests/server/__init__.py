"""The server on real sockets, each one in a process of its own."""
