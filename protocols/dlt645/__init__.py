"""DL/T 645-2007, electricity meters, without ports: frames, requests and replies (docs/protocols/meters.md).

`frame` puts a control code with its data on the line and finds frames in a byte stream, `messages` says what they
mean; the numbers in them are protocols.bcd.Format.
"""
