"""The faults that `mutants.py` puts in: one small change to a line of code or to a fact of a table.

A fault of code changes what one expression or statement does: a comparison, a sign, a limit, a key, a condition, a
statement left out. Annotations, docstrings, imports and the texts of messages are left alone. A fault of a fact changes
one cell of a packaged CSV table to another value of its kind, or leaves a row out.
"""

import ast
import csv
import io
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.MatMult: ("@", "*"),
}
_CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sum": "len",
    "minimum": "maximum",
    "maximum": "minimum",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One small change of one file.

    Attributes
    ----------
    path, room
        The file, relative to the repository, and the room of the house that it stands in.
    kind
        ``code`` or ``fact``.
    operator
        What sort of change it is.
    line, statement_line
        Where it stands, and where the statement that holds it begins, from 1.
    start, end
        The bytes that are replaced.
    before, after
        The lines or row that hold it, without the fault and with it, white space folded.
    replacement
        What is put in their place.
    function
        The first line of the function around it, or 0 where it runs when the module is imported.
    name
        What a module or class binds in that statement, where it does.
    """

    path: str
    room: str
    kind: str
    operator: str
    line: int
    statement_line: int
    start: int
    end: int
    before: str
    after: str
    replacement: str
    function: int = 0
    name: str = ""

    def put_in(self, root: Path) -> None:
        """Write the file with the fault below another root."""
        file = root / self.path
        text = file.read_bytes()
        file.write_bytes(text[: self.start] + self.replacement.encode() + text[self.end :])


def room_of(path: str) -> str:
    """Return the folder below the package, or the file's own name for what stands beside the rooms."""
    parts = Path(path).parts[2:]
    return parts[0] if len(parts) > 1 else "package"


class _Finder:
    """Every change of one module that could be made, in the order of the file."""

    def __init__(self, path: str, source: bytes, rng: random.Random) -> None:
        self._path, self._source, self._rng = path, source, rng
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self.faults: list[Fault] = []

    def _position(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset

    def _add(self, operator: str, start: int, end: int, replacement: str, place: "_Place") -> None:
        line = bisect_right(self._starts, start)
        first = self._starts[line - 1]
        last = self._starts[bisect_left(self._starts, end)]
        before = self._source[first:last].decode()
        after = (self._source[first:start] + replacement.encode() + self._source[end:last]).decode()
        self.faults.append(
            Fault(
                self._path,
                room_of(self._path),
                "code",
                operator,
                line,
                place.statement.lineno,
                start,
                end,
                " ".join(before.split()),
                " ".join(after.split()),
                replacement,
                place.function,
                place.name,
            )
        )

    def statements(self, body: list[ast.stmt], function: int, klass: str = "") -> None:
        for statement in body:
            if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass | ast.Assert | ast.Global | ast.Nonlocal):
                continue
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring, or the body of a protocol
            if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
                continue
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = function or statement.lineno
                place = _Place(statement, inner, "")
                for default in [*statement.args.defaults, *filter(None, statement.args.kw_defaults)]:
                    self._expression(default, place)
                self.statements(statement.body, inner)
                continue
            if isinstance(statement, ast.ClassDef):
                if not any("Protocol" in ast.unparse(base) for base in statement.bases):
                    self.statements(statement.body, function, statement.name)
                continue
            name = "" if function else (_bound(statement) or klass)
            if name.strip("_") in {"all", "slots"} and name.startswith("__"):
                continue
            self._statement(statement, _Place(statement, function, name))
            for field in ("body", "orelse", "finalbody"):
                self.statements(getattr(statement, field, []), function, klass)
            for handler in getattr(statement, "handlers", []):
                self.statements(handler.body, function, klass)
            for case in getattr(statement, "cases", []):
                self.statements(case.body, function, klass)

    def _statement(self, statement: ast.stmt, place: "_Place") -> None:
        start, end = self._position(statement)
        match statement:
            case ast.Expr(value=ast.Call() | ast.Await() as value):
                self._add("statement left out", start, end, "pass", place)
                self._expression(value, place)
            case ast.Raise():
                self._add("refusal left out", start, end, "pass", place)
            case ast.AugAssign():
                self._add("statement left out", start, end, "pass", place)
                self._expression(statement.value, place)
            case ast.Continue():
                self._add("continue and break", start, end, "break", place)
            case ast.Break():
                self._add("continue and break", start, end, "continue", place)
            case ast.Return(value=value) if value is not None:
                if not (isinstance(value, ast.Constant) and value.value is None):
                    self._add("nothing returned", start, end, "return None", place)
                self._expression(value, place)
            case ast.If() | ast.While():
                low, high = self._position(statement.test)
                if isinstance(statement, ast.If):
                    self._add("condition turned", low, high, f"not ({self._source[low:high].decode()})", place)
                self._expression(statement.test, place)
            case ast.For() | ast.AsyncFor():
                self._expression(statement.iter, place)
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    self._expression(item.context_expr, place)
            case ast.Match():
                self._expression(statement.subject, place)
            case ast.Assign() | ast.AnnAssign():
                if isinstance(statement, ast.Assign) and isinstance(
                    statement.targets[0], ast.Attribute | ast.Subscript
                ):
                    self._add("statement left out", start, end, "pass", place)
                if statement.value is not None:
                    self._expression(statement.value, place)
            case _:
                pass

    def _expression(self, node: ast.expr, place: "_Place") -> None:
        start, end = self._position(node)
        match node:
            case ast.Call(func=ast.Name(id="TypeVar")):
                return  # speaks to the type checker alone
            case ast.Call(func=ast.Name(id="cast"), args=[_, value]):
                self._expression(value, place)
                return
            case ast.JoinedStr():
                return  # positions inside are not reliable before Python 3.12
            case ast.Constant(value=bool() as value):
                self._add("true and false", start, end, str(not value), place)
            case ast.Constant(value=int() | float() as value):
                self._add("number", start, end, self._number(value), place)
            case ast.Constant(value=str() as value):
                if value and not re.search(r"\s", value) and self._source[start : start + 1] in b"\"'":
                    self._add("text", start, end, repr(value[:-1] if value.endswith("~") else value + "~"), place)
            case ast.Compare():
                low = self._position(node.left)[1]
                for symbol, right in zip(node.ops, node.comparators, strict=True):
                    high = self._position(right)[0]
                    self._swap("comparison", low, high, _COMPARISONS[type(symbol)], place)
                    low = self._position(right)[1]
            case ast.BinOp() if type(node.op) in _ARITHMETIC and not _is_text(node):
                low, high = self._position(node.left)[1], self._position(node.right)[0]
                self._swap("arithmetic", low, high, _ARITHMETIC[type(node.op)], place)
            case ast.BoolOp():
                words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    self._swap("and and or", self._position(left)[1], self._position(right)[0], words, place)
            case ast.UnaryOp(op=ast.Not()):
                low, high = self._position(node.operand)
                self._add("not left out", start, end, f"({self._source[low:high].decode()})", place)
            case ast.UnaryOp(op=ast.USub()) if not isinstance(node.operand, ast.Constant):
                low, high = self._position(node.operand)
                self._add("sign left out", start, end, f"({self._source[low:high].decode()})", place)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _CALLS:
                high = self._position(node.func)[1]
                self._add("function", high - len(name), high, _CALLS[name], place)
            case ast.IfExp():
                low, high = self._position(node.test)
                self._add("condition turned", low, high, f"not ({self._source[low:high].decode()})", place)
            case _:
                pass
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr) and not (isinstance(node, ast.Lambda) and child is not node.body):
                self._expression(child, place)
            elif isinstance(child, ast.keyword) and child.arg != "encoding":  # Python forgives its misspellings
                self._expression(child.value, place)
            elif isinstance(child, ast.comprehension):
                for part in (child.iter, *child.ifs):
                    self._expression(part, place)

    def _swap(self, operator: str, low: int, high: int, symbols: tuple[str, str], place: "_Place") -> None:
        before, after = symbols
        found = re.search(rb"(?<![=<>*/])" + re.escape(before).replace(r"\ ", r"\s+").encode(), self._source[low:high])
        if found:
            self._add(operator, low + found.start(), low + found.end(), after, place)

    def _number(self, value: float) -> str:
        if isinstance(value, int):
            return str(value + self._rng.choice((1, -1)) if value > 1 else 1 - value)
        return repr(value * self._rng.choice((0.5, 2.0)) if value else 1.0)


@dataclass(frozen=True, slots=True)
class _Place:
    statement: ast.stmt
    function: int
    name: str


def _bound(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return ""


def _is_text(node: ast.BinOp) -> bool:
    """Return whether an operand is written as a text or looks like a type (``int | None``)."""
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str | None))
        for part in (node.left, node.right)
    )


def code_faults(root: Path, path: Path, rng: random.Random) -> list[Fault]:
    """Every fault that can be put into one module."""
    source = path.read_bytes()
    finder = _Finder(path.relative_to(root).as_posix(), source, rng)
    finder.statements(ast.parse(source).body, 0)
    return finder.faults


def fact_faults(root: Path, path: Path, rng: random.Random) -> list[Fault]:
    """One fault for every cell of a table, and one for every row that could be missing."""
    name = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    rows = list(csv.reader(lines))
    if len(rows) != len(lines):
        raise ValueError(f"{name} has a row of several lines")
    header, start, faults = rows[0], len(lines[0].encode()), []
    for index, (row, line) in enumerate(zip(rows[1:], lines[1:], strict=True), start=2):
        end = start + len(line.encode())
        for cell, column in enumerate(header):
            changed = [*row[:cell], _other([r[cell] for r in rows[1:]], row[cell], rng), *row[cell + 1 :]]
            if changed != row:
                after = _written(changed)
                faults.append(_fact(name, f"cell {column}", index, start, end, line, after))
        faults.append(_fact(name, "row left out", index, start, end, line, ""))
        start = end
    return faults


def _fact(name: str, operator: str, line: int, start: int, end: int, before: str, after: str) -> Fault:
    return Fault(name, room_of(name), "fact", operator, line, line, start, end, before.strip(), after.strip(), after)


def _other(column: list[str], value: str, rng: random.Random) -> str:
    """Return another value of the same kind: a number moved by a tenth or a factor, else another row's text."""
    try:
        number = float(value)
    except ValueError:
        others = sorted(set(column) - {value})
        return rng.choice(others) if others else value + "x"
    moved = number * rng.choice((0.5, 0.9, 1.1, 2.0)) if number else 1.0
    return str(round(moved) if value.lstrip("-").isdigit() and round(moved) != number else round(moved, 6))


def _written(row: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


def candidates(root: Path, rng: random.Random, wanted: Callable[[str], bool]) -> Iterator[Fault]:
    """Every fault of the package's files that ``wanted`` accepts (paths relative to the root), in a fixed order."""
    for path in sorted((root / "src").rglob("*")):
        if not wanted(path.relative_to(root).as_posix()):
            continue
        if path.suffix == ".py":
            yield from code_faults(root, path, rng)
        elif path.suffix == ".csv":
            yield from fact_faults(root, path, rng)
