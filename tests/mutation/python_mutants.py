"""Faults in Python: `<` for `<=`, `and` for `or`, a condition turned round, a statement left out, and so on.

Most are made by mutmut's operators. Its own runner changes functions through trampolines, which neither
constants and fields of a module nor decorated classes can have, so that here whole modules are changed. Left
out are its operators that nearly always end in a `TypeError` (`None` for an argument or a value); in their
place arguments are swapped and keywords left out.
"""

from collections.abc import Iterator, Sequence

import libcst as cst
from libcst import matchers
from mutmut.mutation import mutators

NOT_USED = {mutators.operator_string, mutators.operator_arg_removal, mutators.operator_assignment}
"""Texts are either SQL, which has operators of its own, or messages."""
UNTOUCHED = (cst.Raise, cst.Decorator, cst.Import, cst.ImportFrom)
"""What errors say is tested by a part of it; a class that is not frozen is none the worse."""
FOR_PEOPLE = matchers.Arg(keyword=matchers.Name("description"))
COMMUTATIVE = matchers.Name("max") | matchers.Name("min") | matchers.Attribute(attr=matchers.Name("maximum"))

Elements = Sequence[cst.Arg] | Sequence[cst.BaseElement]


def python_mutants(source: str) -> list[str]:
    """Return the module's source with one fault each."""
    module = cst.parse_module(source)
    collector = _Collector()
    module.visit(collector)
    return [module.deep_replace(old, new).code for old, new in collector.changes]


class _Collector(cst.CSTVisitor):
    """Gathers pairs of a node and what may stand in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[cst.CSTNode, cst.CSTNode]] = []
        self._annotations = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, UNTOUCHED) or matchers.matches(node, FOR_PEOPLE):
            return False
        self._annotations += isinstance(node, cst.Annotation)
        # An annotation is only for readers, except for what its calls say of a field's range.
        if not self._annotations or isinstance(node, cst.Call | cst.BaseNumber):
            for kind, operator in OPERATORS:
                if isinstance(node, kind):
                    self.changes += [(node, changed) for changed in operator(node)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        self._annotations -= isinstance(original_node, cst.Annotation)


def without_a_keyword(call: cst.Call) -> Iterator[cst.Call]:
    """Leave out each argument that is given by name."""
    for argument in call.args:
        if argument.keyword and not matchers.matches(argument, FOR_PEOPLE):
            yield call.with_changes(args=[other for other in call.args if other is not argument])


def with_swapped_arguments(call: cst.Call) -> Iterator[cst.Call]:
    """Swap each two neighbouring arguments that are given by place."""
    if matchers.matches(call.func, COMMUTATIVE):
        return
    for args in _swapped([argument for argument in call.args if not (argument.keyword or argument.star)]):
        yield call.with_changes(args=[*args, *call.args[len(args) :]])


def with_swapped_elements(sequence: cst.List | cst.Tuple) -> Iterator[cst.BaseExpression]:
    """Swap each two neighbouring elements."""
    for elements in _swapped(sequence.elements):
        yield sequence.with_changes(elements=elements)


def _swapped(elements: Elements) -> Iterator[Elements]:
    for place in range(len(elements) - 1):
        first, second = elements[place], elements[place + 1]
        if isinstance(first, cst.Arg | cst.Element) and isinstance(second, cst.Arg | cst.Element):
            swapped = [first.with_changes(value=second.value), second.with_changes(value=first.value)]
            yield [*elements[:place], *swapped, *elements[place + 2 :]]


def without_the_statement(line: cst.SimpleStatementLine) -> Iterator[cst.SimpleStatementLine]:
    """Leave out a call that is made for its effect."""
    if matchers.matches(line, matchers.SimpleStatementLine(body=[matchers.Expr(matchers.Call())])):
        yield line.with_changes(body=[cst.Pass()])


def turned_round(statement: cst.If | cst.IfExp) -> Iterator[cst.If | cst.IfExp]:
    """Take the other branch."""
    test = statement.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield statement.with_changes(test=cst.UnaryOperation(cst.Not(), test))


OPERATORS = [
    *(pair for pair in mutators.mutation_operators if pair[1] not in NOT_USED),
    (cst.Call, without_a_keyword),
    (cst.Call, with_swapped_arguments),
    (cst.List | cst.Tuple, with_swapped_elements),
    (cst.SimpleStatementLine, without_the_statement),
    (cst.If | cst.IfExp, turned_round),
]
