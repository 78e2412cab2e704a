"""Words of others, as messages take them."""

DETAIL_LENGTH = 200  # protocols.edge.messages: the detail of a device's health


def detail(text: str) -> str:
    """`text`, which may quote what a device or a modem said: one NUL and the server, whose database cannot hold it,
    would refuse the state of all devices."""
    return text[:DETAIL_LENGTH].replace("\0", "?").encode("utf-8", "replace").decode()
