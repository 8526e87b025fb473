"""The import order of DESIGN: every module imports only from its own layer or a lower one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    ("types", "errors", "progress", "actions", "camera", "precision", "assets"),
    ("kernels",),
    ("model", "memory"),
    ("engine", "backends"),
    ("envs", "record"),
    ("play", "train", "evaluate"),
    ("cli", "tools", "__main__"),
)
LAYER_OF = {name: index for index, names in enumerate(LAYERS) for name in names}
MAPPED = ("kernels", "envs", "tools", "assets")

# Who may import what is dear, needs a display, or is nobody else's business.
HOMES = {
    "pygame": ("worldsim.play", "worldsim.envs.viewer", "worldsim.tools.ecosystem"),
    "moderngl": ("worldsim.envs.blocks.renderers", "worldsim.play"),
    "gymnasium": ("worldsim.envs", "worldsim.tools", "worldsim.record.exporters.minari"),
    "onnx": ("worldsim.backends", "worldsim.tools"),
    "onnxruntime": ("worldsim.backends", "worldsim.tools"),
    "triton": ("worldsim.kernels",),
    "av": ("worldsim.record", "worldsim.train", "worldsim.evaluate", "worldsim.tools"),
    "matplotlib": ("worldsim.evaluate.plots",),
    "tyro": ("worldsim.cli", "worldsim.tools", "worldsim.record", "worldsim.play"),
}


@cache
def modules() -> dict[str, Path]:
    """Every module's dotted name and file; the facade worldsim/__init__.py is left out."""
    found = {}
    for folder in ("worldsim", *MAPPED):
        prefix = () if folder == "worldsim" else ("worldsim",)
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = (*prefix, *path.relative_to(ROOT).with_suffix("").parts)
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(parts)] = path
    del found["worldsim"]
    return found


@cache
def imports(module: str, path: Path) -> tuple[str, ...]:
    """Dotted names of all imports, those inside functions and for types alone included.

    `import worldsim` counts by what is taken from it: `worldsim.__version__`.
    """
    package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(name for node in ast.walk(tree) for name in _imported(node, package))


def _imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name != "worldsim")
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        base = base + (node.module.split(".") if node.module else [])
        yield from (".".join((*base, alias.name)) for alias in node.names)
    elif isinstance(node, ast.Attribute) and _is_name(node.value, "worldsim"):
        yield f"worldsim.{node.attr}"


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def layer(dotted: str) -> int:
    """The layer of a module; what the facade alone offers lies above all of them."""
    first, *rest = dotted.split(".")
    if first != "worldsim" or rest[0] in ("__version__", "__file__"):
        return 0
    return LAYER_OF.get(rest[0], len(LAYERS))


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_nothing_from_a_higher_layer(module):
    own = layer(module)
    assert own < len(LAYERS), f"{module} belongs to no layer of LAYERS"
    higher = [name for name in imports(module, modules()[module]) if layer(name) > own]
    assert not higher, f"{module} (layer {own}) imports {higher}"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_only_where_it_belongs(library):
    strangers = [
        module
        for module, path in modules().items()
        if not any(module == home or module.startswith(home + ".") for home in HOMES[library])
        and any(name.split(".")[0] == library for name in imports(module, path))
    ]
    assert not strangers
