"""What a gateway and the fleet server say to each other: docs/protocols/edge.md is the specification."""
