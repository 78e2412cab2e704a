"""Addresses of peers on IP, as a configuration writes them."""


def split_address(address: str, default_port: int) -> tuple[str, int]:
    """Host and port of "host:port", "host", "[v6]:port" or "[v6]". Raises ValueError."""
    host, port = address, ""
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{address!r} is not [address]:port")
        port = rest[1:]
    elif ":" in address:
        host, _, port = address.rpartition(":")
    if not host or (port and not (port.isdecimal() and 0 < int(port) <= 65535)):
        raise ValueError(f"{address!r} is not host:port")
    return host, int(port) if port else default_port
