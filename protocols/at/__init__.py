"""AT modems without a serial port: a client of one command at a time, and three families of NB-IoT modules.

`client` makes events of what a modem sends and bytes of commands. A dialect (`bc95`, `bc660k`, `sim7020`) knows the
commands of a family as procedures: generators that yield a Command, are sent its Response, and return what was asked
for. docs/protocols/nbiot.md says what is certain and what is not.
"""
