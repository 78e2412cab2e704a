"""Sensors that push SenML over CoAP: a server in the gateway (docs/protocols/coap.md)."""
