"""Chats: the message tree, turns, sockets, pages."""
