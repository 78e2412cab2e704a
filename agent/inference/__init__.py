"""Models (ONNX) that judge windows of a device's channels; docs/filters.md, chapter Models."""
