"""CJ/T 188-2004 and -2018, water, heat and gas meters, without ports (docs/protocols/meters.md).

`frame` puts a control code with its data on the line and finds frames in a byte stream, `messages` says what they
mean, `records` what a meter tells at once, `units` the codes behind its values.
"""
