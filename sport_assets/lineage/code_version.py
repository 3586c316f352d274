"""The version of the code behind an asset: a hash found by reading source, without importing it.

Belongs here: following names from a function through its module and the modules it imports. Must not come here: which
packages count (the caller says so): an edit of the kernel must not make every asset stale.
"""

import ast
import copy
import functools
import gc
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class _Module:
    name: str
    path: Path
    tree: ast.Module


def code_version(
    targets: Iterable[str], *, packages: Sequence[str], data_files: Iterable[Path] = (), length: int = 16
) -> str:
    """Hash of the code that ``targets`` run, in hex.

    A target is ``package.module`` (the whole module) or ``package.module:function`` (that function and what it names).
    Modules inside ``packages`` that are imported on the way are followed; all others are left out. Comments, docstrings
    and layout do not count. ``data_files`` (YAML presets, say) count by their bytes.
    """
    pieces: dict[str, str] = {}
    collecting = gc.isenabled()
    gc.disable()  # syntax trees are many small objects and no garbage: looking through them takes a third of the time
    try:
        for target in targets:
            module, _, function = target.partition(":")
            _collect(module, function or None, tuple(packages), pieces)
    finally:
        if collecting:
            gc.enable()
    digest = hashlib.sha256()
    for name in sorted(pieces):
        module, _, function = name.partition(":")
        if function and f"{module}:" in pieces:
            continue  # the whole module counts already, in whichever order it was found
        digest.update(f"{name}\0{pieces[name]}\0".encode())
    for path in sorted(data_files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:length]


def _collect(module: str, function: str | None, packages: tuple[str, ...], pieces: dict[str, str]) -> None:
    label = f"{module}:{function or ''}"
    if label in pieces or f"{module}:" in pieces:
        return
    text, imported = _read(module, function, packages)
    pieces[label] = text
    for name in imported:
        _collect(name, None, packages, pieces)


@functools.cache  # every asset of a line follows the same modules
def _read(module: str, function: str | None, packages: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Normalised source of a module, or of a function with what it names, and the modules it imports."""
    source = _find(module)
    if source is None:
        raise LookupError(f"{module}: no such module on the path")
    nodes = list(source.tree.body) if function is None else _named(source, function)
    package = module.rpartition(".")[0]  # importing a module runs its package as well
    above = [package] if _inside(package, packages) else []
    return "\n".join(ast.unparse(node) for node in nodes), tuple(above + _imports(nodes, source, packages))


def _named(source: _Module, function: str) -> list[ast.stmt]:
    """The definition of ``function`` and of every top-level name that it reaches, in the order of the file."""
    definitions: dict[str, list[ast.stmt]] = {}
    body = [_undecorated(node) if function in _bound(node) else node for node in source.tree.body]
    for node in body:
        for name in _bound(node):
            definitions.setdefault(name, []).append(node)
    if function not in definitions:
        raise LookupError(f"{source.name} defines no {function}")
    wanted: dict[int, ast.stmt] = {}
    todo = [function, "*"]  # what a star import brings cannot be told from its text
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in definitions.get(name, []):
            wanted[id(node)] = node
            todo.extend(child.id for child in ast.walk(node) if isinstance(child, ast.Name))
    return [_only(node, seen) for node in body if id(node) in wanted]


def _only(node: ast.stmt, names: set[str]) -> ast.stmt:
    """An import of what is named alone: others that stand in the same statement are no part of the function."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return node
    only = copy.copy(node)
    only.names = [alias for alias in node.names if alias.name == "*" or _bound_by(alias) in names]
    return only


def _bound_by(alias: ast.alias) -> str:
    return (alias.asname or alias.name).split(".")[0]


def _undecorated(node: ast.stmt) -> ast.stmt:
    """The function without its decorators: an asset's hold descriptions and names of checks, nothing that it runs."""
    if not isinstance(node, ast.FunctionDef):
        return node
    bare = copy.copy(node)
    bare.decorator_list = []
    return bare


def _bound(node: ast.stmt) -> list[str]:
    """The names that a top-level statement gives a meaning to, or may change."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [_bound_by(alias) for alias in node.names]
    # a block (if, try, with, for), `TABLE += …`, `TABLE.update(…)`: whatever it names, it may have changed
    names = [name for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt) for name in _bound(child)]
    names += [name for handler in getattr(node, "handlers", []) for child in handler.body for name in _bound(child)]
    return names + [child.id for child in ast.walk(node) if isinstance(child, ast.Name)]


def _inside(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages) and _find(module) is not None


def _imports(nodes: Iterable[ast.stmt], source: _Module, packages: tuple[str, ...]) -> list[str]:
    """Modules inside ``packages`` that are imported anywhere in ``nodes``, also inside functions."""

    def counts(module: str) -> bool:
        return _inside(module, packages)

    found: list[str] = []
    for node in _statements(nodes):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if counts(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, source)
            # `from package import module` imports a module; `from module import name` does not
            names = [f"{base}.{alias.name}" for alias in node.names]
            modules = [name for name in names if counts(name)]
            found += modules
            if len(modules) < len(names) and counts(base):
                found.append(base)
    return found


def _statements(nodes: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement, also inside others. Expressions, most of a tree, hold none and are not looked at."""
    for node in nodes:
        yield node
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, ()))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _statements(part.body)


def _absolute(node: ast.ImportFrom, source: _Module) -> str:
    if not node.level:
        return node.module or ""
    package = source.name if source.path.name == "__init__.py" else source.name.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


@functools.cache
def _find(module: str) -> _Module | None:
    """Locate a module's source below its top package without importing anything."""
    if not module:
        return None
    search: list[str] | None = None
    path: Path | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        # the top package through every finder (an editable install has its own), what is below it by path
        spec = find_spec(part) if search is None else PathFinder.find_spec(name, search)
        if spec is None or (spec.origin is None and not spec.submodule_search_locations):
            return None
        search = list(spec.submodule_search_locations or [])
        path = Path(spec.origin) if spec.origin else None
    if path is None or path.suffix != ".py":
        return None
    return _Module(module, path, _without_docstrings(ast.parse(path.read_text(encoding="utf-8"))))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in (tree, *_statements(tree.body)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
