"""Small Python programs and what they print. The program is never run: a walker over its syntax tree knows the few things
that our programs use, within bounds, and refuses everything else. The second derivation is a formula for each shape."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from synth.embedded.draws import Draw
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import Code, Name, Quantity, Unfit

MAX_STEPS = 2000
MAX_NUMBER = 10**12
RUN = (
    *say("ask", "what does [this|the] [Python program|program|code|Python code] print", "what is the output of [this|the] [Python program|program|code]",
         "what appears on the screen when [this|the] program is run"),
    *say("np", "the output of [this|the] [Python program|program|code]", "what [this|the] [Python program|program|code] prints"),
    *say("do", "[trace|go through|follow] the program and [give|state] its output", "work out what [this|the] program prints"),
)  # fmt: skip


class _Walker:
    """Evaluates one program. Everything that is not named here is refused."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.printed: list[str] = []
        self.left = MAX_STEPS

    def run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._tick()
            self._statement(statement)

    def _tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unfit("the program runs too long")

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.names[node.targets[0].id] = self.value(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.names[node.target.id] = self._binary(node.op, self.names[node.target.id], self.value(node.value))
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            for item in self.value(node.iter):
                self.names[node.target.id] = item
                self.run(node.body)
        elif isinstance(node, ast.If):
            self.run(node.body if self.value(node.test) else node.orelse)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and self._called(node.value) == "print":
            self.printed.append(" ".join(str(self.value(argument)) for argument in node.value.args))
        else:
            raise Unfit("a statement outside the known ones")

    def _called(self, node: ast.Call) -> str:
        return node.func.id if isinstance(node.func, ast.Name) and not node.keywords else ""

    def value(self, node: ast.expr) -> Any:
        """The value of an expression."""
        self._tick()
        handlers: dict[type[ast.expr], Callable[[Any], Any]] = {
            ast.Constant: lambda n: n.value,
            ast.Name: lambda n: self.names[n.id],
            ast.List: lambda n: [self.value(item) for item in n.elts],
            ast.BinOp: lambda n: self._binary(n.op, self.value(n.left), self.value(n.right)),
            ast.Compare: self._compare,
            ast.Call: self._call,
            ast.Subscript: self._part,
            ast.UnaryOp: self._sign,
        }
        handler = handlers.get(type(node))
        if handler is None:
            raise Unfit("an expression outside the known ones")
        return handler(node)

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if not isinstance(left, int) or not isinstance(right, int):
            raise Unfit("only whole numbers are worked with")
        if isinstance(op, ast.Mod) and right:
            return left % right
        table: dict[type[ast.operator], Callable[[int, int], int]] = {
            ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
        }  # fmt: skip
        if type(op) not in table:
            raise Unfit("an operation outside the known ones")
        result = table[type(op)](left, right)
        if abs(result) > MAX_NUMBER:
            raise Unfit("a number too large")
        return result

    def _compare(self, node: ast.Compare) -> bool:
        left, right = self.value(node.left), self.value(node.comparators[0])
        for kind, test in ((ast.Eq, left == right), (ast.Gt, left > right), (ast.Lt, left < right)):
            if isinstance(node.ops[0], kind) and len(node.ops) == 1:
                return bool(test)
        raise Unfit("a comparison outside the known ones")

    def _call(self, node: ast.Call) -> Any:
        name, values = self._called(node), [self.value(argument) for argument in node.args]
        known: dict[str, Callable[..., Any]] = {"len": len, "sum": sum, "max": max, "min": min, "sorted": sorted}
        if name == "range" and all(isinstance(v, int) and abs(v) <= MAX_STEPS for v in values):
            return range(*values)
        if name in known and len(values) == 1 and len(values[0]) <= MAX_STEPS:
            return known[name](values[0])
        raise Unfit("a call outside the known ones")

    def _part(self, node: ast.Subscript) -> Any:
        value = self.value(node.value)
        place = self.value(node.slice)
        if not isinstance(place, int):
            raise Unfit("a part outside the known ones")
        return value[place]

    def _sign(self, node: ast.UnaryOp) -> int:
        value = self.value(node.operand)
        if isinstance(node.op, ast.USub) and isinstance(value, int):
            return -value
        raise Unfit("a sign outside the known ones")


def _run(code: Code, args: Args) -> Name | Quantity:
    if len(code.text) > 1000:
        raise Unfit("a long program")
    walker = _Walker()
    try:
        walker.run(ast.parse(code.text).body)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, RecursionError, MemoryError) as error:
        raise Unfit("a program that does not run") from error
    if len(walker.printed) != 1:
        raise Unfit("it should print one thing")
    return _output(walker.printed[0])


def _output(text: str) -> Name | Quantity:
    return Quantity(Decimal(text)) if re.fullmatch(r"-?\d+", text) else Name(text)


# --- the shapes ------------------------------------------------------------------------------------------------------

SUM_IF = "numbers = [{list}]\ntotal = 0\nfor n in numbers:\n    if n % {k} == {r}:\n        total += n\nprint(total)"
COUNT_IF = "numbers = [{list}]\ncount = 0\nfor n in numbers:\n    if n > {x}:\n        count += 1\nprint(count)"
REPEAT = "x = {x}\nfor i in range({k}):\n    x = x * {m} - {s}\nprint(x)"
SQUARES = "total = 0\nfor i in range(1, {k}):\n    total += i * i\nprint(total)"
RANKED = "numbers = [{list}]\nprint(sorted(numbers)[{place}])"
SPREAD = "numbers = [{list}]\nprint(max(numbers) - min(numbers))"
MEAN_GAP = "numbers = [{list}]\nprint(sum(numbers) - {x} * len(numbers))"


def sample(draw: Draw) -> Code:
    """A program of one of the shapes."""
    shape = draw.pick((SUM_IF, COUNT_IF, REPEAT, SQUARES, RANKED, SPREAD, MEAN_GAP))
    numbers = [draw.between(1, 40) for _ in range(draw.between(4, 7))]
    k = draw.between(2, 5)
    values = {
        "list": ", ".join(map(str, numbers)), "k": k, "r": draw.below(k), "x": draw.between(2, 25), "m": draw.between(2, 3),
        "s": draw.between(1, 9), "place": draw.pick((0, 1, -1, -2)),
    }  # fmt: skip
    return Code(shape.format(**values))


def _shape(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", text)
    return re.compile(
        "".join(re.escape(part) if n % 2 == 0 else rf"(?P<{part}>[-\d, ]+)" for n, part in enumerate(parts))
    )


def _sum_if(list: list[int], k: int, r: int) -> int:
    return sum(n for n in list if n % k == r)


def _count_if(list: list[int], x: int) -> int:
    return len([n for n in list if n > x])


def _repeat(x: int, k: int, m: int, s: int) -> int:
    """x·m^k minus s times the geometric series."""
    power = int(m**k)
    return x * power - s * (power - 1) // (m - 1)


def _squares(k: int) -> int:
    return (k - 1) * k * (2 * k - 1) // 6


def _ranked(list: list[int], place: int) -> int:
    rest = list[:]
    if place >= 0:
        for _ in range(place):
            rest.remove(min(rest))
        return min(rest)
    for _ in range(-place - 1):
        rest.remove(max(rest))
    return max(rest)


FORMULAS: tuple[tuple[re.Pattern[str], Callable[..., int]], ...] = (
    (_shape(SUM_IF), _sum_if),
    (_shape(COUNT_IF), _count_if),
    (_shape(REPEAT), _repeat),
    (_shape(SQUARES), _squares),
    (_shape(RANKED), _ranked),
    (_shape(SPREAD), lambda list: max(a - b for a in list for b in list)),
    (_shape(MEAN_GAP), lambda list, x: sum(n - x for n in list)),
)


def _run_again(code: Code, args: Args) -> Name | Quantity:
    for pattern, formula in FORMULAS:
        match = pattern.fullmatch(code.text)
        if match:
            read = {n: [int(p) for p in v.split(",")] if n == "list" else int(v) for n, v in match.groupdict().items()}
            return Quantity(Decimal(formula(**read)))
    raise Unfit("a shape without a formula")


def _draw_run(code: Code, draw: Draw) -> Args:
    return {}


OPERATIONS = (Operation("run_program", "code", "cell", "reduce", RUN, _draw_run, _run, _run_again, lambda a: "output"),)
