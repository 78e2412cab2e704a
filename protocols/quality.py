"""The quality of a reading: the upper 16 bits of an OPC UA StatusCode (OPC 10000-4, 7.39; OPC 10000-8, 6.3.2)."""

from enum import IntEnum


class Quality(IntEnum):
    GOOD = 0x0000
    GOOD_CLAMPED = 0x0030
    GOOD_LOCAL_OVERRIDE = 0x0096
    UNCERTAIN = 0x4000
    UNCERTAIN_LAST_USABLE = 0x4090
    UNCERTAIN_SUBSTITUTE = 0x4091
    UNCERTAIN_INITIAL = 0x4092
    UNCERTAIN_NOT_ACCURATE = 0x4093
    UNCERTAIN_EU_EXCEEDED = 0x4094
    UNCERTAIN_SUB_NORMAL = 0x4095
    BAD = 0x8000
    BAD_COMMUNICATION_ERROR = 0x8005
    BAD_TIMEOUT = 0x800A
    BAD_NO_COMMUNICATION = 0x8031
    BAD_WAITING_FOR_INITIAL_DATA = 0x8032
    BAD_OUT_OF_RANGE = 0x803C
    BAD_CONFIGURATION_ERROR = 0x8089
    BAD_NOT_CONNECTED = 0x808A
    BAD_DEVICE_FAILURE = 0x808B
    BAD_SENSOR_FAILURE = 0x808C
    BAD_OUT_OF_SERVICE = 0x808D
    BAD_NO_DATA = 0x809B  # nothing is wrong: the device says that it has nothing to tell now


def is_bad(code: int) -> bool:
    return code & 0xC000 == 0x8000


def is_uncertain(code: int) -> bool:
    return code & 0xC000 == 0x4000
