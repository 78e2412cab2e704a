"""What the gateway says of itself, as one JSON object: `hutong-agent status` prints it, the metrics are made of it.

docs/configuration-agent.md lists the fields. Ages and times are in ms, times in UTC, shares between 0 and 1.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from protocols.edge.messages import Batch, Event, decode
from protocols.errors import ProtocolError

if TYPE_CHECKING:
    from agent.bus.listener import ListeningBus
    from agent.bus.owner import Bus
    from agent.clock import Now
    from agent.settings import BusConfig
    from agent.spool import Row
    from agent.supervisor import Agent
    from drivers.outside.watch import Watch

Report: TypeAlias = dict[str, Any]


def build(agent: Agent, oldest: Row | None) -> Report:
    """`oldest` is the first row the spool keeps."""
    now, snapshot = agent.now(), agent.spool.snapshot
    uplink = agent.site.config.uplink
    links = (uplink, *uplink.others)
    using = agent.uplink.using
    number = None if using is None else list(agent.uplink.traffic.total).index(using.name)
    return {
        "gateway": agent.gateway,
        "version": agent.version,
        "pid": os.getpid(),
        "utc_ms": now.utc_ms,
        "uptime_ms": now.boottime_ms - agent.started_ms,
        "clock": {
            "state": now.clock.state.name.lower(),
            "bound_ms": now.clock.bound_ms,
            "steps": agent.clock.steps,
        },
        "uplink": {
            "broker": (uplink if number is None else links[number]).url,
            "connected": agent.uplink.connected,
            "since_ms": agent.uplink.since_ms,
            "fault": "" if agent.uplink.connected else agent.uplink.fault,
            **asdict(agent.uplink.counters),
            "refused": dict(agent.uplink.counters.refused),  # asdict of Python 3.11 counts a Counter's own items
            "links": [
                {
                    "name": name,
                    "broker": link.url,
                    "kind": link.kind,
                    "in_use": agent.uplink.connected and place == number,
                    "sent_today": agent.uplink.traffic.today(name).sent,
                    "received_today": agent.uplink.traffic.today(name).received,
                    "budget": link.budget_bytes,
                    "sent": agent.uplink.traffic.total[name].sent,
                    "received": agent.uplink.traffic.total[name].received,
                }
                for place, (name, link) in enumerate(zip(agent.uplink.traffic.total, links, strict=True))
            ],
        },
        "spool": {
            "incarnation": f"{snapshot.incarnation:016x}",
            "rows": snapshot.rows,
            "bytes": snapshot.bytes,
            "quota": snapshot.quota,
            "first_kept": snapshot.first_kept,
            "next_seq": snapshot.next_seq,
            "oldest_ms": _time_of(oldest),
            "dropped": sum(gap.last - gap.first + 1 for gap in snapshot.dropped),
            "refuses": agent.spool.refused,
            "counters": asdict(snapshot.counters),
        },
        "configuration": agent.configuration.report(),
        "pipeline": asdict(agent.pipeline.counters),
        "commands": asdict(agent.executor.counters),
        "captures": {} if agent.recorder is None else dict(agent.recorder.counts),
        "rules": [] if agent.rules is None else agent.rules.report(),
        "models": [] if agent.models is None else agent.models.report(),
        "drivers": [_driver(family.watch) for family in agent.site.config.outsiders.values()],
        "buses": [
            of_bus(bus, settings, now) for bus, settings in zip(agent.buses, agent.site.config.buses, strict=True)
        ],
    }


def _driver(watch: Watch) -> Report:
    return {
        "name": watch.driver.name,
        "distribution": watch.driver.distribution,
        "version": watch.driver.version,
        "running": watch.running,
        "memory": watch.memory,
        "failures": watch.conduct.failures,
        "fault": watch.conduct.last,
        "disabled": watch.conduct.disabled,
    }


def of_bus(bus: Bus | ListeningBus, settings: BusConfig, now: Now) -> Report:
    return {
        "name": bus.name,
        "driver": settings.driver,
        "address": settings.address,
        "open": bus.is_open,
        "fault": bus.fault,
        "utilisation": round(bus.utilisation.share(now.boottime_ms), 4),
        "opened": bus.counters.opened,
        "requests": bus.counters.requests,
        "writes": bus.counters.writes,
        "repeats": bus.counters.repeats,
        "strangers": bus.counters.strangers,
        "nonsense": bus.counters.nonsense,
        "devices": [
            {
                "code": device.code,
                "name": device.name,
                "model": device.model.name,
                "unit": device.unit,
                "period_ms": device.period_ms,
                "reachable": health.reachable,
                "since_ms": now.utc_of(health.since),
                "fault": health.detail,
                "age_ms": None if counters.last_tick is None else now.boottime_ms - counters.last_tick,
                "last_good_ms": None if counters.last_tick is None else now.utc_of(counters.last_tick),
                "latency_ms": None if (took := counters.latency.percentiles()) is None else took._asdict(),
                "error_rate": round(counters.recent.error_rate, 4),
                "polls": counters.polls,
                "values": counters.values,
                "missed": counters.missed,
                "errors": dict(counters.errors),
            }
            for device, health, counters in zip(bus.devices, bus.health.devices, bus.counters.devices, strict=True)
        ],
    }


def _time_of(row: Row | None) -> int | None:
    if row is None:
        return None
    try:
        message = decode(row.payload)
    except ProtocolError:
        return None
    match message:
        case Batch():
            return message.t0
        case Event():
            return message.t
    return None
