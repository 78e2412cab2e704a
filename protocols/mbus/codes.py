"""Numbers of EN 13757-2 (control and address fields) and EN 13757-3 (control information, media, reasons)."""

from enum import IntEnum

# Control field, EN 13757-2, 5.2: bit 6 is set in what a master sends.
FROM_MASTER = 0x40
FCB = 0x20  # frame count bit, of requests
SND_NKE = 0x40
SND_UD = 0x53
REQ_UD2 = 0x5B
RSP_UD = 0x08

# Address field, EN 13757-2, 5.3
UNCONFIGURED = 0
HIGHEST_PRIMARY = 250
SECONDARY = 0xFD  # the meter that was selected
ANY_ANSWERS = 0xFE  # whoever is alone on the line

# Control information, EN 13757-3 table 1; bit 2 set means multi-byte fields come highest byte first.
SELECT = 0x52
APPLICATION_ERROR = 0x70
VARIABLE, VARIABLE_HIGH_FIRST = 0x72, 0x76
FIXED, FIXED_HIGH_FIRST = 0x73, 0x77
HIGH_FIRST = 0x04


class Medium(IntEnum):
    """What is measured (EN 13757-3 table "device type"). Others than these occur; they are carried as numbers."""

    OTHER = 0x00
    OIL = 0x01
    ELECTRICITY = 0x02
    GAS = 0x03
    HEAT = 0x04  # measured in the return
    STEAM = 0x05
    WARM_WATER = 0x06
    WATER = 0x07
    HEAT_COST_ALLOCATOR = 0x08
    COMPRESSED_AIR = 0x09
    COOLING_RETURN = 0x0A
    COOLING_FLOW = 0x0B
    HEAT_FLOW = 0x0C
    HEAT_AND_COOLING = 0x0D
    BUS = 0x0E
    UNKNOWN = 0x0F
    HOT_WATER = 0x15
    COLD_WATER = 0x16
    DUAL_WATER = 0x17
    PRESSURE = 0x18
    CONVERTER = 0x19


class Function(IntEnum):
    """Bits 5 and 4 of a DIF: what a record's value stands for."""

    INSTANTANEOUS = 0
    MAXIMUM = 1
    MINIMUM = 2
    ERROR = 3  # the value while the meter was in an error state


APPLICATION_ERRORS = {  # EN 13757-3, general application errors
    0: "unspecified error",
    1: "this control information is not implemented",
    2: "the request is too long, it was cut",
    3: "too many records in the request",
    4: "the request ends within a record",
    5: "a record has more than 10 DIFE",
    6: "a record has more than 10 VIFE",
    8: "busy with other requests",
    9: "too many readouts",
}
RECORD_ERRORS = {  # EN 13757-3, codes for record errors: what stands in a VIFE 00..1F on the way to the master
    0x01: "too many DIFE",
    0x02: "storage number not implemented",
    0x03: "unit number not implemented",
    0x04: "tariff number not implemented",
    0x05: "function not implemented",
    0x06: "data class not implemented",
    0x07: "data size not implemented",
    0x0B: "too many VIFE",
    0x0C: "illegal VIF group",
    0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF do not fit",
    0x0F: "unimplemented action",
    0x15: "no data available",
    0x16: "overflow",
    0x17: "underflow",
    0x18: "data error",
    0x1C: "premature end of the record",
}
