"""SenML (RFC 8428) in JSON and CBOR, both ways, with exact numbers (docs/protocols/senml.md).

`decode_json` and `decode_cbor` give records as they were sent, `resolve` the measurements they stand for; `encode_json`
and `encode_cbor` write records.
"""
