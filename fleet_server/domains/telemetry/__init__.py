"""What devices said: present values, history, and the proof that all of it arrived."""

from fleet_server.domains.telemetry import jobs
from fleet_server.domains.telemetry.api import router
from fleet_server.domains.telemetry.pages import pages
from fleet_server.domains.telemetry.wiring import open_ports
from fleet_server.kernel.domain import Domain, Job

DOMAIN = Domain(
    "telemetry",
    router=router,
    pages=pages,
    tables=(
        "birth",
        "gateway_birth",
        "stream_device",
        "gateway_incarnation",
        "seq_digest",
        "gateway_state",
        "chunk",
        "undated_chunk",
        "clock_fix",
        "last_value",
        "rollup_minute",
        "rollup_hour",
        "dirty_bucket",
        "gateway_event",
        "capture",
        "capture_part",
        "quarantine",
        "ingest_rate",
        "ingest_count",
    ),
    permissions=("telemetry:read", "quarantine:read"),
    jobs=(
        Job("telemetry-partitions", every_s=3600.0, run=jobs.make_partitions),
        Job("telemetry-dating", every_s=5.0, run=jobs.date_chunks),
        Job("telemetry-rebuild", every_s=5.0, run=jobs.rebuild),
        Job("telemetry-compaction", every_s=60.0, run=jobs.compact),
        Job("telemetry-pruner", every_s=300.0, run=jobs.prune),
    ),
    ports=open_ports,
)
