"""The gateway's configuration: a TOML file, then HUTONG_... variables, into frozen dataclasses.

docs/configuration-agent.md documents every key. Paths are relative to the file's own folder. Secrets are paths of
files that only their owner may read. Nothing here imports numpy: `hutong-agent status` reads a configuration too.
"""

import binascii
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from agent.bus.schedule import Priority
from agent.families import Families
from agent.inference.reader import InferenceReader
from agent.interlock_config import InterlockReader
from agent.link_config import read_link
from agent.rules import reader as rule_reader
from agent.settings import (
    BusConfig,
    ChannelConfig,
    Config,
    DeviceConfig,
    GatewayConfig,
    MetricsConfig,
    SpoolConfig,
    UplinkConfig,
)
from agent.toml import ConfigError, Document, Table, nearest
from protocols import citycode
from protocols.errors import ProtocolError

if TYPE_CHECKING:
    from drivers.base import Described, Family, ReportingFamily, Unit

    AnyFamily: TypeAlias = Family | ReportingFamily

PREFIX = "HUTONG"
OVERRIDABLE = ("gateway", "uplink", "spool", "metrics")
PORTS = {"mqtt": 1883, "mqtts": 8883}  # the ports IANA registered
MAX_DEVICES = 1000  # protocols.edge.birth.MAX_DEVICES; a test holds the two together
KEY_BYTES = 32
PRIORITIES = {priority.name.lower(): priority for priority in Priority}
DESPIKERS = ("median", "hampel")  # agent.pipeline.filters has them too; a test holds the two together
MOUNTS = (citycode.Kind.COMPONENT, citycode.Kind.DEVICE)  # a pole or compartment, or a device that carries others


def load(
    path: Path, environ: Mapping[str, str], catalog: "Mapping[str, AnyFamily] | None" = None, text: str | None = None
) -> Config:
    """The configuration in `path`, or in `text` as if it stood there; raises ConfigError with all its mistakes.

    With a `catalog`, models and channels are checked against it, and the secrets' files as well.
    """
    document = Document(path, environ, PREFIX, OVERRIDABLE, text)
    families = Families(document.root.table("drivers"), catalog)
    try:
        config = _Reader(document, catalog, families).config()
    finally:
        families.close()
    document.refuse_if_wrong()
    return config


def read_password(config: UplinkConfig) -> str:
    """Raises ConfigError if the file holds no text, or none at all."""
    try:
        password = config.password_file.read_text("utf-8").strip()
    except ValueError:
        password = ""
    if not password:
        raise ConfigError([f"{config.password_file}: a password is a line of UTF-8 text"])
    return password


def read_key(config: UplinkConfig) -> bytes:
    """The gateway's 32-byte key. Raises ConfigError if the file holds anything else than 64 hex digits."""
    try:
        key = binascii.unhexlify(config.key_file.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError([f"{config.key_file}: a key is {2 * KEY_BYTES} hexadecimal digits"])
    return key


class _Reader:
    def __init__(self, document: Document, catalog: "Mapping[str, AnyFamily] | None", families: Families) -> None:
        self._document = document
        self._families = families
        self._catalog = catalog
        self._base = document.path.resolve().parent
        self._models: dict[tuple[str, str], Described] = {}
        self._codes: dict[str, str] = {}
        self._interlocks = InterlockReader(self._code)
        self._inferences = InferenceReader(self._base)

    def config(self) -> Config:
        root = self._document.root
        uplink = root.table("uplink")
        config = Config(
            path=self._document.path,
            gateway=self._gateway(root.table("gateway")),
            uplink=self._uplink(uplink),
            spool=self._spool(root.table("spool")),
            metrics=self._metrics(root.table("metrics")),
            buses=self._buses(root),
            models=self._models,
            drivers=self._families.config,
            outsiders=self._families.outsiders,
            nets=self._inferences.nets,
            text=self._document.text,
        )
        for table, link in zip([uplink, *uplink.tables("other")], [config.uplink, *config.uplink.others], strict=True):
            self._check_modem(table, link, config)
        self._interlocks.check(
            {
                device.code: self._models.get((device.driver, device.model))
                for bus in config.buses
                for device in bus.devices
            }
        )
        rules = rule_reader.read(root.tables("rule"))
        if rules and self._catalog is not None and not self._document.is_wrong:
            reach = rule_reader.reach(config)
            config = replace(
                config, rules=rule_reader.check(rules, reach), rings=rule_reader.check_captures(rules, reach)
            )
        root.done()
        return config

    def _check_modem(self, table: Table, uplink: UplinkConfig, config: Config) -> None:
        """Refuses a modem that is not there, or that cannot reach the broker, with the reason."""
        name, host, port = uplink.modem, uplink.host, uplink.port
        if not name or self._catalog is None:
            return
        bus = next((bus for bus in config.buses if bus.name == name), None)
        if bus is None:
            table.complain("modem", f"there is no bus {name!r}{nearest(name, [bus.name for bus in config.buses])}")
        elif bus.driver != "nbiot":
            table.complain("modem", f"bus {name!r} has driver {bus.driver}; a modem is one of driver nbiot")
        elif bus.options and host:
            from protocols.at.dialect import Kind
            from protocols.at.dialects import DIALECTS

            if reason := DIALECTS[str(bus.options["dialect"])].cannot_reach(Kind.TCP, host, port):
                table.complain("modem", f"bus {name!r} cannot carry the uplink: {reason}")

    def _gateway(self, table: Table) -> GatewayConfig:
        config = GatewayConfig(self._own_code(table), self._base / table.text("data_dir"))
        table.done()
        return config

    def _uplink(self, table: Table, first: UplinkConfig | None = None) -> UplinkConfig:
        """`first` is the one that a [[uplink.other]] stands beside: it shares the key, and the password unless told."""
        host, port, tls = self._broker(table)
        ca_file = table.text("ca_file", "")
        modem = table.text("modem", "")
        link = read_link(table, modem=bool(modem))
        config = UplinkConfig(
            host=host,
            port=port,
            tls=tls,
            password_file=self._secret(table, "password_file")
            if first is None or table.has("password_file")
            else first.password_file,
            key_file=self._secret(table, "key_file") if first is None else first.key_file,
            ca_file=self._base / ca_file if ca_file else None,
            modem=modem,
            kind=link.kind,
            budget_bytes=link.budget_bytes,
            windows=link.windows,
        )
        if first is None:
            config = replace(config, others=tuple(self._uplink(other, config) for other in table.tables("other")))
        for key, file, read in (
            ("password_file", config.password_file, read_password),
            ("key_file", config.key_file, read_key),
        ):
            try:
                if self._catalog is not None and file.is_file():
                    read(config)
            except ConfigError as error:
                table.complain(key, str(error))
            except OSError:
                pass  # _secret() has said so
        if self._catalog is not None and config.ca_file and not config.ca_file.is_file():
            table.complain("ca_file", f"there is no file {config.ca_file}")
        table.done()
        return config

    def _broker(self, table: Table) -> tuple[str, int, bool]:
        address = table.text("broker")
        try:
            url = urlsplit(address)
            host, port = url.hostname or "", url.port
        except ValueError as error:
            table.complain("broker", f"not a URL: {error}")
            return "", 0, False
        if url.username or url.password:
            table.complain("broker", "no user or password in the URL: the user is the gateway's code")
        elif address and (url.scheme not in PORTS or not _is_host(host) or url.path.strip("/") or url.query):
            table.complain("broker", f"expected mqtt://host:port or mqtts://host:port, not {address!r}")
        return host, port or PORTS.get(url.scheme, 0), url.scheme == "mqtts"

    def _secret(self, table: Table, key: str) -> Path:
        value = table.text(key)
        path = self._base / value
        if not value or self._catalog is None:
            return path
        try:
            mode = path.stat().st_mode
        except OSError as error:
            table.complain(key, f"cannot read {path}: {error.strerror}")
            return path
        if not stat.S_ISREG(mode):
            table.complain(key, f"{path} is not a file")
        elif mode & (stat.S_IRWXG | stat.S_IRWXO):
            table.complain(key, f"others may read this secret; run: chmod 600 {path}")
        elif not os.access(path, os.R_OK):
            table.complain(key, f"this user may not read {path}")
        return path

    def _spool(self, table: Table) -> SpoolConfig:
        quota = table.integer("quota_mb", 512, low=1, high=1_000_000)
        table.done()
        return SpoolConfig(quota * 1024 * 1024)

    def _metrics(self, table: Table) -> MetricsConfig:
        port = table.integer("port", low=0, high=65535) if table.has("port") else None
        table.done()
        return MetricsConfig(port)

    def _buses(self, root: Table) -> tuple[BusConfig, ...]:
        tables = root.tables("bus")
        buses = tuple(self._bus(table) for table in tables)
        self._refuse_twice(tables, [bus.name for bus in buses], "name")
        self._refuse_twice(tables, [bus.address for bus in buses], "address")
        if sum(len(bus.devices) for bus in buses) > MAX_DEVICES:
            root.complain("bus", f"a gateway describes at most {MAX_DEVICES} devices")
        return buses

    def _bus(self, table: Table) -> BusConfig:
        driver, family = self._families.choose(table)
        name, address = table.text("name", longest=64), table.text("address")
        serial = family.serial if family is not None else None
        if family is not None and serial is None:
            if address and not _is_host_port(address):
                table.complain("address", f"{driver} expects host:port, not {address!r}")
            for key in ("baud", "parity", "stop_bits"):
                if table.has(key):
                    table.complain(key, f"{driver} has no serial port to set this on")
        baud, parity, stop_bits = serial or (9600, "N", 1)
        tables = table.tables("device")
        bus = BusConfig(
            name=name,
            driver=driver,
            address=address,
            baud=table.integer("baud", baud, low=300, high=4_000_000),
            parity=table.choice("parity", "NEO", parity),
            stop_bits=table.integer("stop_bits", stop_bits, low=1, high=2),
            timeout_s=table.number("timeout_s", 0.5, low=0.01, high=60),
            devices=tuple(self._device(device, driver, family) for device in tables),
            options=self._options(table, family),
        )
        if not bus.devices:
            table.complain(None, "a bus without a device: add a [[bus.device]]")
        self._refuse_twice(tables, [device.unit for device in bus.devices], "unit")
        table.done()
        return bus

    def _options(self, table: Table, family: "AnyFamily | None") -> Mapping[str, object]:
        given = table.anything("options")
        if family is None:
            return given
        try:
            return family.options(given, self._base)
        except ValueError as error:
            table.complain("options", str(error))
            return {}

    def _device(self, table: Table, driver: str, family: "AnyFamily | None") -> DeviceConfig:
        """`driver` and `family` are the bus's."""
        if table.has("driver"):
            bus_driver, bus_family = driver, family
            driver, family = self._families.choose(table)
            if family is not None and bus_family is not None and not _may_share(family, bus_family):
                table.complain("driver", f"{driver} cannot share a line with {bus_driver}")
        source = table.text("model")
        model = self._model(table, driver, source)
        period_ms = round(1000 * table.number("period_s", 1.0, low=0.01, high=86_400))
        steady = family is None or not _reports(family)
        channels = {
            name: self._channel(settings, name, model, period_ms, steady=steady)
            for name, settings in table.named_tables("channel").items()
        }
        code = self._own_code(table)
        device = DeviceConfig(
            code=code,
            name=table.text("name"),
            driver=driver,
            model=source,
            unit=self._unit(table, family),
            period_ms=period_ms,
            priority=PRIORITIES.get(table.choice("priority", PRIORITIES, "normal"), Priority.NORMAL),
            position=self._position(table),
            mount=self._code(table, "mount", MOUNTS) if table.has("mount") else None,
            channels=channels,
            interlocks=self._interlocks.read(table, code, model),
            inferences=self._inferences.read(table, model, channels, period_ms, steady=steady),
        )
        table.done()
        return device

    def _unit(self, table: Table, family: "AnyFamily | None") -> "Unit":
        given = table.number_or_text("unit", 1)
        if family is None:
            return given
        try:
            return family.unit(given)
        except ValueError as error:
            table.complain("unit", str(error))
            return 0

    def _model(self, table: Table, driver: str, source: str) -> "Described | None":
        family = self._families.get(driver)
        if family is None or not source:
            return None
        if (driver, source) not in self._models:
            try:
                self._models[driver, source] = family.load_model(
                    str(self._base / source) if source.endswith(".toml") else source
                )
            except (OSError, ValueError, LookupError) as error:
                table.complain("model", str(error.args[0] if isinstance(error, KeyError) else error))
                return None
        return self._models[driver, source]

    def _channel(
        self, table: Table, name: str, model: "Described | None", period_ms: int, *, steady: bool
    ) -> ChannelConfig:
        config = ChannelConfig(
            unwrap=table.boolean("unwrap", False),
            steepest=_optional(table, "steepest"),
            stuck_s=table.number("stuck_s", low=0, high=86_400 * 365) if table.has("stuck_s") else None,
            despike=table.switch_or_choice("despike", DESPIKERS),
            highpass_hz=_optional(table, "highpass_hz"),
            bandpass_hz=_pair(table, "bandpass_hz"),
            bandstop_hz=_pair(table, "bandstop_hz"),
            notch_hz=table.some_numbers("notch_hz"),
            notch_q=table.number("notch_q", 30.0, low=0.1, high=1000),
            lowpass_hz=_optional(table, "lowpass_hz"),
            order=table.integer("order", 2, low=1, high=8),
            fir_hz=_optional(table, "fir_hz"),
            fir_taps=table.integer("fir_taps", 33, low=3, high=1001),
            antialias=table.boolean("antialias", False),
            decimate=table.integer("decimate", 1, low=1, high=100_000),
            window_s=table.number("window_s", low=0, high=86_400) if table.has("window_s") else None,
            statistics=table.texts("statistics") if table.has("statistics") else ChannelConfig.statistics,
            tones_hz=table.some_numbers("tones_hz"),
            bands_hz=table.pairs("bands_hz"),
            deadband=_optional(table, "deadband"),
            heartbeat_s=table.number("heartbeat_s", 60.0, low=1, high=86_400),
            period_ms=self._slower(table, period_ms, steady=steady),
        )
        table.done()
        if model is None:
            return config
        channels = {channel.name: channel for channel in model.channels}
        if name not in channels:
            table.complain(None, f"model {model.name!r} has no channel {name!r}{nearest(name, channels)}")
            return config
        from agent import pipeline  # numpy, and so only where models are

        settings = asdict(config)
        period_ms = settings.pop("period_ms") or period_ms
        filters = pipeline.FilterConfig(**settings)
        for problem in pipeline.problems(filters, channels[name], period_ms, steady=steady):
            key = problem.partition(" ")[0]
            table.complain(key if table.has(key) else None, problem)
        return config

    def _slower(self, table: Table, period_ms: int, *, steady: bool) -> int | None:
        """The channel's own period."""
        if not table.has("period_s"):
            return None
        own = round(1000 * table.number("period_s", low=0.01, high=86_400))
        if not steady:
            table.complain("period_s", "this device reports when it likes: nobody reads a channel of it less often")
        elif own <= period_ms or own % period_ms:
            table.complain("period_s", f"must be a multiple of the device's period, {period_ms / 1000:g} s")
        else:
            return own
        return None

    def _position(self, table: Table) -> tuple[float, float] | None:
        match table.numbers("position", 2):
            case (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180:
                return latitude, longitude
            case (_, _):
                table.complain("position", "expected [latitude, longitude] in degrees: within 90 and 180")
        return None

    def _own_code(self, table: Table) -> str:
        code = self._code(table, "code", (citycode.Kind.DEVICE,))
        if code in self._codes:
            table.complain("code", f"{code} stands twice; the other is {self._codes[code]}")
        elif code:
            self._codes[code] = table.name
        return code

    def _code(self, table: Table, key: str, kinds: tuple[citycode.Kind, ...]) -> str:
        """The code in its one spelling; "" where it is wrong."""
        text = table.text(key)
        if not text:
            return ""
        try:
            code = citycode.parse(text)
        except ProtocolError as error:
            table.complain(key, f"{text!r} is not a city code: {error}")
            return ""
        if code.kind not in kinds:
            table.complain(key, f"a code of kind {' or '.join(kinds)} is wanted here; {code} is of kind {code.kind}")
        return code.text

    def _refuse_twice(self, tables: list[Table], values: "Sequence[Unit]", key: str) -> None:
        for number, value in enumerate(values):
            if value != "" and value in values[:number]:
                tables[number].complain(key, f"{value!r} stands twice; the other is number {values.index(value) + 1}")


def _reports(family: "AnyFamily") -> bool:
    from drivers.base import ReportingFamily

    return isinstance(family, ReportingFamily)


def _may_share(family: "AnyFamily", other: "AnyFamily") -> bool:
    from drivers.transport.family import StreamFamily

    if not isinstance(family, StreamFamily) or not isinstance(other, StreamFamily):
        return family is other
    return family.over_tcp == other.over_tcp


def _optional(table: Table, key: str) -> float | None:
    return table.number(key, low=0, high=1e9) if table.has(key) else None


def _pair(table: Table, key: str) -> tuple[float, float] | None:
    match table.numbers(key, 2):
        case (low, high):
            return low, high
    return None


def _is_host_port(address: str) -> bool:
    host, colon, port = address.rpartition(":")
    return bool(_is_host(host) and colon and port.isdecimal() and 0 < int(port) < 65536)


def _is_host(host: str) -> bool:
    """Whether it could be looked up at all: no empty part, none of over 63 characters."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False
