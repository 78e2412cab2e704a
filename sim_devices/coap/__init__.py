"""Sensors that push SenML over CoAP, with frames of our own: a client that shares nothing with the gateway's server."""
