"""How cached values look in Redis."""

import json


class JsonSerializer:
    """Django's own pickles: who can write to Redis could run code here."""

    def dumps(self, value: object) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> object:
        return json.loads(data)
