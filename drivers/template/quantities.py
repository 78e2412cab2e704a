"""The words a model may use for what it measures, and the LwM2M objects that they stand for in a birth.

The ids are those of the OMA LwM2M registry of objects (3200.. and 3300.. by IPSO).
"""

QUANTITIES = {
    "digital_input": "3200",
    "generic": "3300",
    "illuminance": "3301",
    "presence": "3302",
    "temperature": "3303",
    "humidity": "3304",
    "light_control": "3311",
    "magnetic_field": "3314",
    "barometer": "3315",
    "voltage": "3316",
    "current": "3317",
    "frequency": "3318",
    "depth": "3319",
    "percentage": "3320",
    "pressure": "3323",
    "loudness": "3324",
    "concentration": "3325",
    "conductivity": "3327",
    "power": "3328",
    "power_factor": "3329",
    "distance": "3330",
    "energy": "3331",
    "direction": "3332",
    "time": "3333",
    "switch": "3342",
    "rate": "3346",
    "gas": "3423",
    "water": "3424",
}
