"""Which stable codes the sources can produce: follows string literals through assignments, returns and arguments.

What cannot be followed raises ``Unfollowed`` with its place, so that no code escapes without a word.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXPANSIONS = {
    "printed_{}_mismatch": ("iin", "birth_date", "document_number", "expiry_date", "name"),
    "printed_{}_not_read": ("iin", "birth_date", "name"),
}
"""What an f-string's blank can be (verification/crosscheck.py: names that ``record`` is given, ``_REASON`` applied)."""
KEYS_OF = {"sign_{}": ("verification.signals", "LIMITS")}
"""F-strings whose blank is a key of a dictionary: module and name."""
THROUGH = {"tuple", "list", "set", "sorted", "frozenset", "str", "fromkeys"}
"""Functions that give back what they are given, as far as strings are concerned."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Unfollowed(Exception):
    """An expression whose strings cannot be told."""


@dataclass
class Module:
    path: Path
    name: str
    tree: ast.Module
    functions: dict[str, list[Function]] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local name -> (module, name in it; "" for the module itself)."""


@dataclass(frozen=True)
class Scope:
    module: Module
    function: Function | None
    bound: tuple[tuple[str, ast.expr], ...] = ()
    """Names that a comprehension binds, with what it goes through."""


def _read(path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    module = Module(path, name, tree)
    for node in ast.walk(tree):
        if isinstance(node, Function):
            module.functions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ClassDef):
            module.classes[node.name] = node
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = ROOT / Path(*node.module.split("."), f"{alias.name}.py")
                target = (f"{node.module}.{alias.name}", "") if inner.exists() else (node.module, alias.name)
                module.imports[alias.asname or alias.name] = target
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            module.constants[statement.targets[0].id] = statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            module.constants[statement.target.id] = statement.value
    return module


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, without those of inner functions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, Function | ast.Lambda):
            yield from _inside(child)


class Sources:
    """The product's Python sources."""

    def __init__(self, *folders: str) -> None:
        paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
        self.modules = {module.name: module for module in map(_read, paths)}
        self._following: set[tuple[int, int]] = set()
        self._calls: dict[str, list[tuple[Scope, ast.Call]]] = {}
        for module in self.modules.values():
            self._note_calls(Scope(module, None), module.tree)

    def _note_calls(self, scope: Scope, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            inner = Scope(scope.module, child) if isinstance(child, Function) else scope
            if isinstance(child, ast.Call):
                self._calls.setdefault(_called(child), []).append((inner, child))
            self._note_calls(inner, child)

    def reached_from(self, name: str) -> set[str]:
        """Modules that this module imports, and that those import, and so on."""
        reached, waiting = {name}, [name]
        while waiting:
            for source, _ in self.modules[waiting.pop()].imports.values():
                if source in self.modules and source not in reached:
                    reached.add(source)
                    waiting.append(source)
        return reached

    def calls(self, *names: str) -> list[tuple[Scope, ast.Call]]:
        """Every call of a function, class or method of that name."""
        return [call for name in names for call in self._calls.get(name, [])]

    def argument(self, call: ast.Call, place: int, name: str) -> ast.expr | None:
        """The argument at that place or of that name."""
        named = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
        return named if named is not None else call.args[place] if place < len(call.args) else None

    def strings(self, node: ast.expr | None, scope: Scope) -> set[str]:
        """Every string that the expression (or its elements) can be. Raises Unfollowed."""
        if node is None:
            return set()
        mark = (id(node), id(scope.function))
        if mark in self._following:  # a name that is made from itself adds nothing
            return set()
        self._following.add(mark)
        try:
            return self._strings(node, scope)
        finally:
            self._following.discard(mark)

    def _strings(self, node: ast.expr, scope: Scope) -> set[str]:
        match node:
            case ast.Constant(value=value):
                return {value} if isinstance(value, str) and value else set()
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts) | ast.BoolOp(values=parts):
                return self._union(parts, scope)
            case ast.IfExp(body=first, orelse=second):
                return self._union([first, second], scope)
            case ast.Starred(value=value) | ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.strings(value, scope)
            case ast.Dict(values=values):
                return self._union(values, scope)
            case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element) | ast.SetComp(elt=element):
                chosen = _chosen(element, node.generators)
                if chosen is not None:
                    return self.strings(chosen, scope)
                bound = tuple(pair for generator in node.generators for pair in _bound(generator, scope))
                return self.strings(element, Scope(scope.module, scope.function, scope.bound + bound))
            case ast.Name(id=name):
                return self._name(name, node, scope)
            case ast.Subscript(value=value, slice=ast.Constant(value=int(place))):
                return self._element(value, place, scope)
            case ast.Subscript(slice=ast.Constant(value=str())):
                return set()  # out of a message or a row: said first by somebody else, where it is collected
            case ast.Subscript(value=value, slice=ast.Slice()):
                return self.strings(value, scope)
            case ast.Attribute():
                return self._attribute(node, scope)
            case ast.JoinedStr(values=parts):
                pattern = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
                if pattern in EXPANSIONS:
                    return {pattern.format(word) for word in EXPANSIONS[pattern]}
                if pattern in KEYS_OF:
                    home, name = KEYS_OF[pattern]
                    table = self.modules[home].constants[name]
                    assert isinstance(table, ast.Dict)
                    return {pattern.format(key.value) for key in table.keys if isinstance(key, ast.Constant)}
            case ast.Call():
                return self._call(node, scope)
        raise self._unfollowed(node, scope)

    def _union(self, nodes: list[ast.expr], scope: Scope) -> set[str]:
        return set().union(*(self.strings(node, scope) for node in nodes))

    def _unfollowed(self, node: ast.expr, scope: Scope) -> Unfollowed:
        return Unfollowed(f"{scope.module.path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")

    def _name(self, name: str, node: ast.expr, scope: Scope) -> set[str]:
        for bound, iterated in reversed(scope.bound):
            if bound == name:
                return self.strings(iterated, Scope(scope.module, scope.function))
        if scope.function is not None:
            found, known = set[str](), False
            for value, place in _assigned(name, scope.function):
                known = True
                found |= self.strings(value, scope) if place is None else self._element(value, place, scope)
            if (argument := _parameter(name, scope.function)) is not None:
                known = True
                found |= self._given(name, argument, scope)
            if known:
                return found
        target, original = self._origin(name, scope.module)
        if target is not None and original in target.constants:
            return self.strings(target.constants[original], Scope(target, None))
        raise self._unfollowed(node, scope)

    def _origin(self, name: str, module: Module) -> tuple[Module | None, str]:
        if name in module.imports and name not in module.constants:
            source, original = module.imports[name]
            return self.modules.get(source), original
        return module, name

    def _given(self, name: str, place: int, scope: Scope) -> set[str]:
        """What callers pass for a parameter."""
        function = scope.function
        assert function is not None
        found = set[str]()
        for caller, call in self.calls(function.name):
            if self._functions(call.func, caller) and function in self._functions(call.func, caller):
                found |= self.strings(self.argument(call, place, name), caller)
        return found

    def _functions(self, func: ast.expr, scope: Scope) -> list[Function]:
        match func:
            case ast.Name(id=name):
                module, original = self._origin(name, scope.module)
                return module.functions.get(original, []) if module else []
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return scope.module.functions.get(name, [])
            case ast.Attribute(value=ast.Name(id=alias), attr=name):
                module = self.modules.get(scope.module.imports.get(alias, ("", ""))[0])
                return module.functions.get(name, []) if module else []
        return []

    def _returned(self, func: ast.expr, scope: Scope) -> list[tuple[ast.expr, Scope]]:
        return [
            (node.value, Scope(module, function))
            for function in self._functions(func, scope)
            for module in [self._home(function)]
            for node in _inside(function)
            if isinstance(node, ast.Return) and node.value is not None
        ]

    def returned_elements(self, scope: Scope, place: int) -> set[str]:
        """Strings of one element of the tuples that a function returns."""
        assert scope.function is not None
        values = (node.value for node in _inside(scope.function) if isinstance(node, ast.Return))
        return set().union(*(self._element(value, place, scope) for value in values if value is not None))

    def _home(self, function: Function) -> Module:
        return next(module for module in self.modules.values() if function in module.functions.get(function.name, []))

    def _call(self, node: ast.Call, scope: Scope) -> set[str]:
        if _called(node) in THROUGH:
            return self._union(node.args, scope)
        if _called(node) == "get" and isinstance(node.func, ast.Attribute):
            return self._union([node.func.value, *node.args[1:]], scope)
        returned = self._returned(node.func, scope)
        if not returned:
            raise self._unfollowed(node, scope)
        return set().union(*(self.strings(value, home) for value, home in returned))

    def _element(self, node: ast.expr, place: int, scope: Scope) -> set[str]:
        """Strings of one element of a tuple that is unpacked or indexed."""
        match node:
            case ast.Tuple(elts=parts):
                return self.strings(parts[place], scope)
            case ast.IfExp(body=first, orelse=second):
                return self._element(first, place, scope) | self._element(second, place, scope)
            case ast.Constant(value=None) | ast.Subscript(slice=ast.Constant(value=str())):
                return set()
            case ast.Dict(values=values):
                return set().union(*(self._element(value, place, scope) for value in values))
            case ast.Name(id=name):
                made = list(_assigned(name, scope.function)) if scope.function else []
                if made:
                    return set().union(*(self._element(value, place, scope) for value, _ in made))
                target, original = self._origin(name, scope.module)
                if target is not None and original in target.constants:
                    return self._element(target.constants[original], place, Scope(target, None))
            case ast.Call():
                if _called(node) == "get" and isinstance(node.func, ast.Attribute):
                    parts = [node.func.value, *node.args[1:]]
                    return set().union(*(self._element(part, place, scope) for part in parts))
                returned = self._returned(node.func, scope)
                if returned:
                    return set().union(*(self._element(value, place, home) for value, home in returned))
        raise self._unfollowed(node, scope)

    def _attribute(self, node: ast.Attribute, scope: Scope) -> set[str]:
        if isinstance(node.value, ast.Name):
            alias = self.modules.get(scope.module.imports.get(node.value.id, ("", ""))[0])
            if alias is not None and node.attr in alias.constants:
                return self.strings(alias.constants[node.attr], Scope(alias, None))
            if node.attr == "code":
                return self._caught(node, node.value.id, scope)
            kind = self._type(node.value.id, scope)
            if kind is not None:
                return self._field(kind, node.attr)
        raise self._unfollowed(node, scope)

    def _caught(self, node: ast.Attribute, name: str, scope: Scope) -> set[str]:
        """Codes of an exception of the sources that is caught under the name; another's code is only passed on."""
        found = set[str]()
        for handler in _inside(scope.function or scope.module.tree):
            if not isinstance(handler, ast.ExceptHandler) or handler.name != name:
                continue
            if handler.type is not None and any(inner is node for inner in ast.walk(handler)):
                kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                for name_of_kind in (ast.unparse(kind).rsplit(".", 1)[-1] for kind in kinds):
                    if not any(name_of_kind in module.classes for module in self.modules.values()):
                        continue
                    fixed = self._fixed_code(name_of_kind)
                    found |= fixed
                    for caller, call in [] if fixed else self.calls(name_of_kind):
                        found |= self.strings(self.argument(call, 0, "code"), caller)
        return found

    def _fixed_code(self, kind: str) -> set[str]:
        """The code of an exception class that has one for all: ``code = "..."`` in its body."""
        return {
            str(statement.value.value)
            for module in self.modules.values()
            if kind in module.classes
            for statement in module.classes[kind].body
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "code"
            if isinstance(statement.value, ast.Constant)
        }

    def _type(self, name: str, scope: Scope) -> ast.ClassDef | None:
        """The class of a local name: of the function that made it, by its annotation, or of the parameter."""
        if scope.function is None:
            return None
        annotations = [a.annotation for a in _parameters(scope.function) if a.arg == name]
        for value, _ in _assigned(name, scope.function):
            if isinstance(value, ast.Call):
                annotations += [function.returns for function in self._functions(value.func, scope)]
        for annotation in annotations:
            if annotation is not None:
                kind = ast.unparse(annotation).rsplit(".", 1)[-1]
                for module in self.modules.values():
                    if kind in module.classes:
                        return module.classes[kind]
        return None

    def _field(self, kind: ast.ClassDef, name: str) -> set[str]:
        """What a field of a data class is given wherever one is made."""
        fields = [s.target.id for s in kind.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        found = set[str]()
        for caller, call in self.calls(kind.name):
            found |= self.strings(self.argument(call, fields.index(name), name), caller)
        return found


def _chosen(element: ast.expr, generators: list[ast.comprehension]) -> ast.expr | None:
    """What a condition of the comprehension leaves: ``x for ... if x in (...)``."""
    for test in (test for generator in generators for test in generator.ifs):
        if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.In):
            continue
        if ast.dump(test.left) == ast.dump(element) and isinstance(test.comparators[0], ast.Tuple | ast.Set):
            return test.comparators[0]
    return None


def _bound(generator: ast.comprehension, scope: Scope) -> list[tuple[str, ast.expr]]:
    """Names that one ``for`` of a comprehension binds, with what their strings come from."""
    target, through = generator.target, generator.iter
    if isinstance(target, ast.Name):
        return [(target.id, through)]
    items = isinstance(through, ast.Call) and _called(through) == "items" and isinstance(through.func, ast.Attribute)
    if items and isinstance(target, ast.Tuple) and isinstance(target.elts[0], ast.Name) and scope.function:
        owner = through.func.value  # type: ignore[attr-defined]
        values = [value for value, _ in _assigned(owner.id, scope.function)] if isinstance(owner, ast.Name) else []
        keys = [key for value in values if isinstance(value, ast.Dict) for key in value.keys if key is not None]
        return [(target.elts[0].id, ast.List(elts=keys, ctx=ast.Load()))]
    return []


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _parameters(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def _parameter(name: str, function: Function) -> int | None:
    """Place of the parameter among the arguments of a call (``self`` is not one of them)."""
    names = [argument.arg for argument in _parameters(function) if argument.arg != "self"]
    return names.index(name) if name in names else None


def _assigned(name: str, function: Function) -> Iterator[tuple[ast.expr, int | None]]:
    """What is assigned to the name or appended to it, and which element of it (None: all of it)."""
    for node in _inside(function):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            targets, value = [node.target], node.value
        elif isinstance(node, ast.For):
            targets, value = [node.target], node.iter
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            if isinstance(node.func.value, ast.Name) and node.func.value.id == name:
                yield node.args[0], None
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield value, None
            elif isinstance(target, ast.Tuple):
                for place, part in enumerate(target.elts):
                    if isinstance(part, ast.Name) and part.id == name:
                        yield value, place
