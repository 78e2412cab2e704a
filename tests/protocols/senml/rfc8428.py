"""The examples of RFC 8428 (sections 1, 5.1 and 6; published with it in core-wg/senml-spec)."""

from typing import NamedTuple


class Example(NamedTuple):
    section: str
    sent: str  # JSON
    resolved: str  # JSON; times in Unix seconds, those of "now" as at 1.6e9


ONE = Example(
    "5.1.1",
    '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]',
    '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","t":1.6e9,"v":23.1}]',
)
NOW = Example(
    "5.1.2 at an unspecified time",
    '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]',
    '[{"n":"urn:dev:ow:10e2073a01080063:voltage","u":"V","t":1.6e9,"v":120.1},'
    '{"n":"urn:dev:ow:10e2073a01080063:current","u":"A","t":1.6e9,"v":1.2}]',
)
SECONDS = Example(
    "5.1.2 over five seconds",
    '[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},'
    '{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","t":-3,"v":1.4},'
    '{"n":"current","t":-2,"v":1.5},{"n":"current","t":-1,"v":1.6},{"n":"current","v":1.7}]',
    '[{"n":"urn:dev:ow:10e2073a0108006:voltage","u":"V","t":1.276020076001e+09,"v":120.1},'
    '{"n":"urn:dev:ow:10e2073a0108006:current","u":"A","t":1.276020071001e+09,"v":1.2},'
    '{"n":"urn:dev:ow:10e2073a0108006:current","u":"A","t":1.276020072001e+09,"v":1.3},'
    '{"n":"urn:dev:ow:10e2073a0108006:current","u":"A","t":1.276020073001e+09,"v":1.4},'
    '{"n":"urn:dev:ow:10e2073a0108006:current","u":"A","t":1.276020074001e+09,"v":1.5},'
    '{"n":"urn:dev:ow:10e2073a0108006:current","u":"A","t":1.276020075001e+09,"v":1.6},'
    '{"n":"urn:dev:ow:10e2073a0108006:current","u":"A","t":1.276020076001e+09,"v":1.7}]',
)
HUMIDITY = Example(
    "5.1.2 a stream of humidity",
    '[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":21.2},'
    '{"t":10,"v":21.3},{"t":90,"v":21.5},{"t":91,"v":21.5}]',
    '[{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067464e+09,"v":21.2},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067474e+09,"v":21.3},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067554e+09,"v":21.5},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067555e+09,"v":21.5}]',
)
MOBILE = Example(
    "5.1.3 and 5.1.4",
    '[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},'
    '{"u":"lon","v":24.30621},{"u":"lat","v":60.07965},{"t":60,"v":20.3},{"u":"lon","t":60,"v":24.30622},'
    '{"u":"lat","t":60,"v":60.07965},{"t":120,"v":20.7},{"u":"lon","t":120,"v":24.30623},'
    '{"u":"lat","t":120,"v":60.07966},{"u":"%EL","t":150,"v":98},{"t":180,"v":21.2},'
    '{"u":"lon","t":180,"v":24.30628},{"u":"lat","t":180,"v":60.07967}]',
    '[{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067464e+09,"v":20},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067464e+09,"v":24.30621},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067464e+09,"v":60.07965},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067524e+09,"v":20.3},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067524e+09,"v":24.30622},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067524e+09,"v":60.07965},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067584e+09,"v":20.7},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067584e+09,"v":24.30623},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067584e+09,"v":60.07966},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"%EL","t":1.320067614e+09,"v":98},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067644e+09,"v":21.2},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067644e+09,"v":24.30628},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067644e+09,"v":60.07967}]',
)
TYPES = Example(
    "5.1.5",
    '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},{"n":"label","vs":"Machine Room"},'
    '{"n":"open","vb":false},{"n":"nfc-reader","vd":"aGkgCg"}]',
    '[{"n":"urn:dev:ow:10e2073a01080063:temp","u":"Cel","t":1.6e9,"v":23.1},'
    '{"n":"urn:dev:ow:10e2073a01080063:label","t":1.6e9,"vs":"Machine Room"},'
    '{"n":"urn:dev:ow:10e2073a01080063:open","t":1.6e9,"vb":false},'
    '{"n":"urn:dev:ow:10e2073a01080063:nfc-reader","t":1.6e9,"vd":"aGkgCg"}]',
)
COLLECTION = Example(
    "5.1.6",
    '[{"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},{"n":"humidity","u":"%RH","v":30},'
    '{"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},{"n":"humidity","u":"%RH","v":67}]',
    '[{"n":"2001:db8::2/temperature","u":"Cel","t":1.320078429e+09,"v":25.2},'
    '{"n":"2001:db8::2/humidity","u":"%RH","t":1.320078429e+09,"v":30},'
    '{"n":"2001:db8::1/temperature","u":"Cel","t":1.320078429e+09,"v":12.3},'
    '{"n":"2001:db8::1/humidity","u":"%RH","t":1.320078429e+09,"v":67}]',
)
THERMOSTAT = Example(
    "5.1.7 a thermostat",
    '[{"bn":"urn:dev:ow:10e2073a01080063:"},{"n":"temp","u":"Cel","v":23.1},{"n":"heat","u":"/","v":1},'
    '{"n":"fan","u":"/","v":0}]',
    '[{"n":"urn:dev:ow:10e2073a01080063:temp","u":"Cel","t":1.6e9,"v":23.1},'
    '{"n":"urn:dev:ow:10e2073a01080063:heat","u":"/","t":1.6e9,"v":1},'
    '{"n":"urn:dev:ow:10e2073a01080063:fan","u":"/","t":1.6e9,"v":0}]',
)
LIGHTS = Example(
    "5.1.7 two lights",
    '[{"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":0.5},{"n":"2001:db8::4","v":0.5},'
    '{"n":"2001:db8::3","t":0.1,"v":0},{"n":"2001:db8::4","t":0.1,"v":0}]',
    '[{"n":"2001:db8::3","u":"/","t":1320078429,"v":0.5},{"n":"2001:db8::4","u":"/","t":1320078429,"v":0.5},'
    '{"n":"2001:db8::3","u":"/","t":1320078429.1,"v":0},{"n":"2001:db8::4","u":"/","t":1320078429.1,"v":0}]',
)
TWO_TIMES = Example(
    "2",
    '[{"bn":"urn:dev:ow:10e2073a01080063","t":1276020076,"v":23.5,"u":"Cel"},{"t":1276020091,"v":23.6,"u":"Cel"}]',
    '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","t":1.276020076e+09,"v":23.5},'
    '{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","t":1.276020091e+09,"v":23.6}]',
)
EXAMPLES = [ONE, NOW, SECONDS, HUMIDITY, MOBILE, TYPES, COLLECTION, THERMOSTAT, LIGHTS, TWO_TIMES]

# Section 6: SECONDS in CBOR, the last record with the time 0 that its JSON leaves out.
SECONDS_CBOR = bytes.fromhex(
    "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a22fb41d303a15b0010622361412005"
    "0067766f6c7461676501615602fb405e066666666666a3006763757272656e74062402fb3ff3333333333333"
    "a3006763757272656e74062302fb3ff4cccccccccccda3006763757272656e74062202fb3ff6666666666666"
    "a3006763757272656e74062102f93e00a3006763757272656e74062002fb3ff999999999999a"
    "a3006763757272656e74060002fb3ffb333333333333"
)
