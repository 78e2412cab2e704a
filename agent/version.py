"""Which hutong this is."""

from importlib import metadata


def version() -> str:
    """The installed version; "unknown" where the code runs without having been installed."""
    try:
        return metadata.version("hutong")
    except metadata.PackageNotFoundError:
        return "unknown"
