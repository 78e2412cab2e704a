"""Which configuration a gateway starts with: the file's, unless that failed its trial and there is a good one."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from agent import config
from agent.configuration.store import Store
from agent.configuration.versions import content_of, hash_of
from agent.settings import Config
from agent.toml import ConfigError

if TYPE_CHECKING:
    from drivers.base import Family, ReportingFamily

    AnyFamily: TypeAlias = Family | ReportingFamily

log = logging.getLogger(__name__)


def choose(settings: Config, environ: Mapping[str, str], catalog: "Mapping[str, AnyFamily]") -> Config:
    """`settings`, or the last good configuration. What no longer can be read stands back behind what can."""
    record = Store(settings.gateway.data_dir).record
    found = hash_of(content_of(settings))
    half_installed = record.installing == found
    if not half_installed and not record.distrusts(found):
        return settings
    try:
        good = config.load(settings.path, environ, catalog, record.text)
    except ConfigError as error:
        log.error("the last good configuration cannot be used any more, so %s is: %s", settings.path, error)
        return settings
    if half_installed:
        log.warning(
            "%s was about to be exchanged: configuration %s runs, and takes its place", settings.path, record.good
        )
        return good
    log.warning("%s failed its trial: the last good configuration %s runs instead", settings.path, record.good)
    return good
