"""Server-sent events from bytes: payloads of complete events, wherever the network cut them."""

from providers.errors import UpstreamProtocolError

EVENT_LIMIT = 5 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Decoder:
    """Feed it bytes as they come; it gives the joined `data:` of every event that is complete.

    Lines end with CR, LF or CRLF. Comments, `event:`, `id:` and `retry:` are passed over. Bytes that are not UTF-8
    become U+FFFD. Raises UpstreamProtocolError when one event or one line grows past `EVENT_LIMIT`.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._at_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> list[str]:
        if data and (self._after_cr or b"\r" in data):
            data = self._with_plain_newlines(data)
        if b"\n" not in data:
            self._line += data
            self._guard(len(self._line))
            return []
        if self._line:
            data = bytes(self._line) + data
        *lines, rest = data.split(b"\n")
        self._line = bytearray(rest)
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        payloads = self._events(lines)
        self._guard(len(rest))
        return payloads

    def close(self) -> list[str]:
        """The event that only lacks its closing blank line, as many servers leave it; never half a line.

        A line without its line end is a cut connection, not a habit: it and the event it belongs to are dropped.
        """
        payloads = [] if self._line or not self._data else [self._payload()]
        self._line.clear()
        return payloads

    def _events(self, lines: list[bytes]) -> list[str]:
        payloads = []
        for line in lines:
            if not line:
                if self._data:
                    payloads.append(self._payload())
            elif line.startswith(b"data:"):
                self._keep(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line == b"data":
                self._keep(b"")
        return payloads

    def _keep(self, value: bytes) -> None:
        self._size += len(value) + 1
        self._guard(0)
        self._data.append(value)

    def _payload(self) -> str:
        payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        return payload.decode("utf-8", "replace")

    def _guard(self, unfinished: int) -> None:
        if self._size + unfinished > EVENT_LIMIT:
            raise UpstreamProtocolError(f"The provider sent one event of more than {EVENT_LIMIT // 1024**2} MB.")

    def _with_plain_newlines(self, data: bytes) -> bytes:
        # A CR ends its line at once, so an LF that opens the next chunk is the second half of the same line end.
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
