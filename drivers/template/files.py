"""Where templates are: one folder a family under drivers/templates, or a file of the user's own."""

from pathlib import Path

from drivers.base import ModelError
from drivers.template.section import nearest

TEMPLATES = Path(__file__).parents[1] / "templates"


def names(family: str) -> list[str]:
    return sorted(path.stem for path in (TEMPLATES / family).glob("*.toml"))


def read(family: str, source: str) -> tuple[str, str]:
    """The text of the template of that name, or of the TOML file at that path (it ends in .toml), and what to call it
    in errors. Raises ModelError."""
    if source.endswith(".toml"):
        try:
            return Path(source).read_text("utf-8"), source
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{source}: cannot be read: {error}") from None
    known = names(family)
    if source not in known:
        raise ModelError(
            f"no model {source!r}{nearest(source, known)}; there are {', '.join(known)}, or the path of a .toml file"
        )
    return (TEMPLATES / family / f"{source}.toml").read_text("utf-8"), f"{source}.toml"
