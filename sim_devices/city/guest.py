"""One gateway beside the block's, with buses that somebody else wrote down: to see a device of one's own."""

import json
import tomllib
from pathlib import Path

from sim_devices.city.parts import Gateway, device_code
from sim_devices.city.program import StartFailed

KEY = "guest"
GATEWAY = Gateway(KEY, device_code(79), "Guest", ())
ALLOWED = {"drivers", "bus"}


def buses(path: Path) -> str:
    """What stands in the file, to go behind the gateway's own settings; the paths of models, which are relative to the
    file, are made absolute. Raises StartFailed."""
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise StartFailed(f"--guest {path}: {error}") from None
    if not document.get("bus") or (others := document.keys() - ALLOWED):
        found = f"and it has {', '.join(sorted(others))}" if document.get("bus") else "and it has no [[bus]]"
        raise StartFailed(f"--guest {path} is to hold [[bus]] tables, and [drivers] if need be; {found}")
    models = {device.get("model") for bus in document["bus"] for device in bus.get("device", [])}
    for model in models:
        if isinstance(model, str) and model.endswith(".toml"):
            text = text.replace(json.dumps(model), json.dumps(str(path.parent / model)))
    return text
