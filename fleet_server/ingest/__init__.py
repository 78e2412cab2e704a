"""From sealed MQTT messages to readings in the store, each exactly once, each answered after its commit.

`chunks`, `samples` and `rollups` are the stored form of readings; the telemetry domain reads with the same code.
What happens to every kind of bad input stands in docs/ingest.md.
"""
