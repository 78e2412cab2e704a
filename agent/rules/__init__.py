"""Rules in the gateway: read from its configuration, evaluated over what leaves the filters, acted on without an uplink
(docs/rules.md). The form and the evaluator are those of protocols.rules."""
