"""A line whose driver runs in a child, which outlives the line's closing: a device that is away costs no start."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

from drivers.base import DeviceError, LineConfig, LineDown, Model, ModelError, Nonsense, NotSent, Reading, Span, Unit
from drivers.outside.process import Child
from drivers.outside.told import OutsideModel, Space, read_about, read_model, read_readings
from drivers.outside.watch import Watch

LOAD_S = 9.0  # the line's owner waits for 10 (agent.bus.owner)
CLOSE_S = 2.0


class OutsideLine:
    """A child that is gone is started again by open()."""

    def __init__(self, watch: Watch, config: LineConfig, models: Mapping[str, OutsideModel]) -> None:
        self.child: Child | None = None
        self._watch = watch
        self._config = config
        self._models = models
        self._is_open = False
        self._turn = asyncio.Lock()  # a new child takes over between two calls
        watch.lines.append(self)

    async def open(self) -> None:
        async with self._turn:
            if refusal := await self._watch.refusal():
                raise LineDown(refusal)
            if self.child is None or self.child.lost:
                self.child = await self._start()
            await self.child.call("open")
            self._is_open = True

    async def close(self) -> None:
        async with self._turn:
            self._is_open = False
            if self.child is not None:
                await _close(self.child)

    async def read(self, unit: Unit, span: Span, timeout: float) -> bytes:
        """What OutsideModel.decode() takes: the child has decoded the answer already."""
        async with self._turn:
            return _octets(await self._working(timeout).call("read", unit, _source(span), list(span), timeout))

    async def write(self, unit: Unit, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:
        if not isinstance(model, OutsideModel):
            raise NotSent(f"{model.name} is no model of {self._watch.driver}; nothing was sent")
        async with self._turn:
            told = await self._working(timeout).call("write", unit, model.source, channel, str(value), timeout)
        match list(read_readings(_octets(told), model)):
            case [Reading(channel=read) as reading] if read == channel:
                return reading
        raise Nonsense(f"{self._watch.driver}: it gave no reading of what it had written")

    async def reload(self) -> None:
        """Puts a child with the driver's present code in the place of the one that runs. Raises DeviceError, with that
        one still at work, if the new one does not come up or its models are not what the fleet was told of."""
        fresh = await self._start()
        async with self._turn:
            old, self.child = self.child, fresh
            if old is not None:
                await _close(old)
                old.end()
            if self._is_open:
                self._is_open = False
                with suppress(DeviceError):  # the owner finds out by its next read, and opens the line
                    await fresh.call("open")
                    self._is_open = True

    def _working(self, timeout: float) -> Child:
        if self.child is None or not (self._is_open or self.child.lost):
            raise LineDown(f"{self._watch.driver}: the line is not open")
        self.child.vitals.expect(timeout)
        return self.child

    async def _start(self) -> Child:
        """A child whose driver is loaded and has made its line. Raises DeviceError."""
        child = await self._watch.start_child(self._config.address)
        try:
            async with asyncio.timeout(LOAD_S):
                await self._prepare(child)
        except TimeoutError:
            child.kill(f"it hung: it was not ready within {LOAD_S:g} s")
            raise LineDown(f"{self._watch.driver}: {child.lost}") from None
        except BaseException:
            child.end()
            raise
        child.watch()
        return child

    async def _prepare(self, child: Child) -> None:
        try:
            _, files = read_about(await child.call("load", self._watch.driver.value))
        except ModelError as error:
            raise LineDown(f"{self._watch.driver}: {error}") from None
        await self._watch.made_of(files)
        for source, model in self._models.items():
            if not await _is_still(child, source, model):
                raise LineDown(
                    f"{self._watch.driver}: its model {model.name} has other channels or addresses now; "
                    "the gateway takes them when it is started again"
                )
        config = self._config
        await child.call(
            "line",
            {
                "driver": config.driver,
                "address": config.address,
                "baud": config.baud,
                "parity": config.parity,
                "stop_bits": config.stop_bits,
                "options": config.options["given"],
            },
            config.options["base"],
        )


async def _is_still(child: Child, source: str, model: OutsideModel) -> bool:
    try:
        return read_model(await child.call("model", source), source) == model
    except ModelError:
        return False


async def _close(child: Child) -> None:
    """A close that takes too long is cut short, and is no failure of the driver: a dead peer may hold it up."""
    if child.lost:
        return
    try:
        async with asyncio.timeout(CLOSE_S):
            await child.call("close")
    except TimeoutError:
        child.end()
    except DeviceError:
        pass


def _source(span: Span) -> str:
    if not isinstance(span.space, Space):
        raise Nonsense(f"{span.space} {span.address} is no span of an outsider's model")
    return span.space.source


def _octets(told: Any) -> bytes:
    if not isinstance(told, bytes):
        raise Nonsense(f"the driver's child gave {told!r:.100} for readings")
    return told
