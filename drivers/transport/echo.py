"""Adapters that hear what they send: the request comes back before its answer. Pure.

An echo is known by its bytes. Where the answer to a request is the request's own bytes (a Modbus write of one register)
it is taken for an echo only once other requests have shown that the line makes them.
"""


class Echo:
    """`heard` tells whether the last request whose echo would have been certain came back."""

    def __init__(self) -> None:
        self.heard = False
        self._request = b""
        self._held = b""
        self._certain = False

    def expect(self, request: bytes, mirrored: bool) -> None:
        """`mirrored`: its answer may be the very same bytes."""
        self._certain = not mirrored
        self._request = request if self._certain or self.heard else b""
        self._held = b""

    def strip(self, data: bytes) -> bytes:
        """What of `data` is no echo; what may yet become one is kept back."""
        if not self._request:
            return data
        self._held += data
        whole = len(self._request)
        if self._held[:whole] != self._request[: len(self._held)]:
            self.heard &= not self._certain
        elif len(self._held) < whole:
            return b""
        else:
            self.heard = True
            self._held = self._held[whole:]
        return self.release()

    def release(self) -> bytes:
        """What was kept back: the line fell silent before it became an echo."""
        held, self._held, self._request = self._held, b"", b""
        return held
