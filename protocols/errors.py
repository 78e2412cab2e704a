"""Whose fault a broken exchange is."""


class ProtocolError(Exception):
    """A rule of a protocol was broken."""


class LocalProtocolError(ProtocolError):
    """We were asked to send what the protocol does not allow; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol does not allow; nothing of it was used."""
