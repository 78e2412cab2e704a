"""The names that others rely on (docs/public-modules.md): `python -m tests.architecture.public_names` records them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "public-modules.md"
RECORD = ROOT / "docs" / "public-names.txt"


def modules() -> list[str]:
    """Those of the page's table."""
    return re.findall(r"^\| `([a-z0-9_.]+)` \|", PAGE.read_text("utf-8"), re.M)


def source(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def names() -> list[str]:
    """module:name, or module:Class.member, of all public modules."""
    return sorted(f"{module}:{name}" for module in modules() for name in _public(ast.parse(source(module).read_text())))


def _public(tree: ast.Module) -> Iterator[str]:
    exported = [node for node in tree.body if isinstance(node, ast.Assign) and _targets(node) == ["__all__"]]
    if exported:  # a package that offers what stands in its modules
        yield from ast.literal_eval(exported[0].value)
        return
    for node in tree.body:
        for name in _defined(node):
            yield name
            if isinstance(node, ast.ClassDef):
                yield from (f"{name}.{member}" for inner in node.body for member in _defined(inner))


def _defined(node: ast.stmt) -> list[str]:
    found = [node.name] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else _targets(node)
    return [name for name in found if not name.startswith("_")]


def _targets(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    flat = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [target.id for target in flat if isinstance(target, ast.Name)]


if __name__ == "__main__":
    RECORD.write_text("\n".join(names()) + "\n", "utf-8")
