"""TCP keep-alive, so that a peer that lost its power shows as a lost connection and not only as silence."""

import asyncio
import socket

IDLE_S, INTERVAL_S, PROBES = 20, 5, 3


def keep_alive(transport: asyncio.BaseTransport) -> None:
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux; elsewhere the system's own hours apply.
    for option, value in (("TCP_KEEPIDLE", IDLE_S), ("TCP_KEEPINTVL", INTERVAL_S), ("TCP_KEEPCNT", PROBES)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
