"""`hutong-driver`: a device read by its driver alone, without gateway or server. Exit status: 0 well, 1 the device did
not answer as it should, 2 wrong arguments."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from drivers.base import Channel, DeviceError, Family, LineConfig, Model, ModelError, Number, Span, Unit
from protocols.quality import Quality

OK, FAILED, WRONG = 0, 1, 2


class Wrong(Exception):
    """Says what would be right."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_read(options))
    except (Wrong, ModelError, ValueError) as error:
        print(f"hutong-driver: {error}", file=sys.stderr)
        return WRONG
    except DeviceError as error:
        print(f"hutong-driver: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "hutong-driver", description="Tries a driver on a device, without a gateway and without a server."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    read = commands.add_parser("read", help="read a device, channel by channel, and print what it says")
    read.add_argument("driver", metavar="DRIVER", help="such as modbus-tcp; an installed distribution's, too")
    read.add_argument("model", metavar="MODEL", help="the name of a model of the driver, or a .toml file")
    read.add_argument("address", metavar="ADDRESS", help="host:port, or the path of a serial port")
    read.add_argument("--unit", default="1", help="what the device is called on its line (1)")
    read.add_argument("--timeout", type=float, default=1.0, metavar="S", help="how long it may take to answer (1)")
    read.add_argument("--baud", type=int, help="of a serial port; else the driver's usual")
    read.add_argument("--times", type=int, default=1, metavar="N", help="read so many times, once a second (1)")
    return parser


async def _read(options: argparse.Namespace) -> int:
    family = find(options.driver)
    model, unit = family.load_model(options.model), _unit(family, options.unit)
    serial = family.serial
    own = family.options({}, Path())
    config = LineConfig(options.driver, options.address, options=own)
    if serial is not None:
        baud = options.baud or serial.baud
        config = replace(config, baud=baud, parity=serial.parity, stop_bits=serial.stop_bits)
    line = family.create_line(config)
    await line.open()
    failed = False
    try:
        for time in range(options.times):
            if time:
                await asyncio.sleep(1.0)
            for span in dict.fromkeys(Span(*point[:3]) for point in model.points):
                try:
                    readings = model.decode(span, await line.read(unit, span, options.timeout))
                except DeviceError as error:
                    print(f"{', '.join(_names_at(model, span))}: {error}", file=sys.stderr)
                    failed = True
                    continue
                for reading in readings:
                    channel = model.channels[reading.channel]
                    print(f"{channel.name:<24} {text(channel, reading.value, reading.quality)}")
    finally:
        await line.close()
    return FAILED if failed else OK


def find(name: str) -> Family:
    """The family of that name: hutong's, or else an installed distribution's, which runs in this very process. Raises
    Wrong."""
    from importlib.metadata import entry_points

    from drivers.catalog import ALL
    from drivers.template.section import nearest

    family: object = ALL.get(name)
    others = entry_points(group="hutong.drivers")
    if family is None:
        family = next((entry.load() for entry in others if entry.name == name), None)
    if family is None:
        known = [*ALL, *(entry.name for entry in others)]
        raise Wrong(f"no driver {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    if not isinstance(family, Family):
        raise Wrong(f"devices of {name} report of themselves: they cannot be asked")
    return family


def _unit(family: Family, given: str) -> Unit:
    try:
        return family.unit(int(given)) if given.isdecimal() else family.unit(given)
    except ValueError:
        return family.unit(given)  # digits may be a text: a meter's number


def _names_at(model: Model, span: Span) -> Iterator[str]:
    return (model.channels[point.channel].name for point in model.points if Span(*point[:3]) == span)


def text(channel: Channel, value: Number | None, quality: int) -> str:
    """As a person reads it: the exact decimal, a state's word, the reason for no value."""
    if value is None:
        return f"no value ({Quality(quality).name.lower().replace('_', ' ')})"
    shown = str(Decimal(value).scaleb(channel.scale)) if isinstance(value, int) else f"{value:g}"
    word = channel.states.get(int(value)) if channel.states else None
    return f"{shown} {channel.unit}".rstrip() + (f" ({word['en']} {word['zh']})" if word else "")


if __name__ == "__main__":
    sys.exit(main())
