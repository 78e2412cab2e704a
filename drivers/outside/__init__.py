"""Drivers of other distributions: each of their buses runs in a child process that is watched (docs/extending.md).

Nothing of them is ever imported by the gateway: what a driver says of itself is asked of a child as well. This bounds
mistakes, not malice: a child has the rights of the gateway's user.
"""
