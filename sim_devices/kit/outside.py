"""Simulators that come from elsewhere: a module, or a .py file, with PROTOCOLS and MODELS of its own."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sim_devices import lines
from sim_devices.models import catalog


class CannotAdd(Exception):
    """Says which module, and what is the matter with it."""


def add(source: str) -> None:
    """Makes known what `source` has: PROTOCOLS, as sim_devices.lines.BUILTIN, and MODELS, as
    sim_devices.models.catalog.BUILTIN has them; either may be missing. Its code is run. Raises CannotAdd, and then
    has added nothing."""
    module = _load(source)
    found: list[tuple[dict[str, Any], Mapping[str, Any]]] = []
    for name, known in (("PROTOCOLS", lines.BUILTIN), ("MODELS", catalog.BUILTIN)):
        given = getattr(module, name, {})
        if not isinstance(given, dict):
            raise CannotAdd(f"{source}: {name} must be a dict by name")
        if taken := given.keys() & known.keys():
            raise CannotAdd(f"{source}: {name} has {', '.join(sorted(taken))}, which hutong has already")
        found.append((known, given))
    if not any(given for _, given in found):
        raise CannotAdd(f"{source} has neither PROTOCOLS nor MODELS (docs/tutorials/driver-from-nothing.md)")
    for known, given in found:
        known.update(given)


def _load(source: str) -> ModuleType:
    try:
        if not source.endswith(".py"):
            return importlib.import_module(source)
        name = Path(source).stem
        spec = importlib.util.spec_from_file_location(name, source)
        if spec is None or spec.loader is None:
            raise ImportError(f"{source} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look there for their own module
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the code of another does while it is loaded
        raise CannotAdd(f"{source}: {type(error).__name__}: {error}") from error
    return module
