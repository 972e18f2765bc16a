"""What a query may cost: measured on the query itself, before anything of it is validated or run.

Tokens are counted before the parser sees them. Fragments are measured once each, so that fragments within fragments,
which double with every level, are as quickly refused as they are written.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from graphql import GraphQLError
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    Lexer,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Source,
    TokenKind,
    ValueNode,
    VariableNode,
    parse,
)

#: As deep as the schema is: results hold no patients, so nothing goes round.
DEPTH: Final = 11
COST: Final = 1000
ALIASES: Final = 15
TOKENS: Final = 2000
#: Of a list whose length the query does not give.
LONGEST_LIST: Final = 100

#: What a field costs beside what is asked of it; all others cost 1.
_PRICES: Final = {
    "symptoms": 5,
    "auditTrail": 10,
    "forecasts": 20,
    "medicationAdvice": 50,
    "leadingSignals": 100,
    "insights": 100,
}
#: Lists whose every element costs what is asked of it: the argument that gives their length.
_LENGTHS: Final = {"patients": "limit", "_entities": "representations"}
#: What describes the schema.
_INTROSPECTION: Final = frozenset({"__schema", "__type", "_service"})
_NESTED: Final = 40  # brackets that the parser's recursion bears
_OPENING: Final = frozenset({TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L})
_CLOSING: Final = frozenset({TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R})


class RefusedError(GraphQLError):
    """The query asks for too much."""


class _Size(NamedTuple):
    depth: int
    cost: int
    aliases: int


def parsed(
    query: str, variables: Mapping[str, Any], operation: str | None = None, *, introspection: bool
) -> DocumentNode:
    """Return the document of a query that keeps within the limits.

    Parameters
    ----------
    variables
        They may hold the length of a list.
    operation
        Which one is to be run, where there are several.
    introspection
        Whether it may ask for the form of the schema.

    Raises
    ------
    RefusedError
        Naming the limit.
    GraphQLSyntaxError
        If it is no query.
    """
    _count(query)
    document = parse(query)
    measuring = _Measuring(document, variables, introspection=introspection)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if operation is None and len(operations) > 1:
        raise RefusedError("there are several operations: name one of them")
    for size in (measuring.of(node.selection_set) for node in operations):
        for what, is_, most in (
            ("nested deeper than", size.depth, DEPTH),
            ("costlier than", size.cost, COST),
            ("with more aliases and repeated fields than", size.aliases, ALIASES),
        ):
            if is_ > most:
                raise RefusedError(f"no query may be {what} {most}; ask for less at once")
    return document


def _count(query: str) -> None:
    lexer, tokens, nested = Lexer(Source(query)), 0, 0
    while (kind := lexer.advance().kind) is not TokenKind.EOF:
        tokens += 1
        nested += (kind in _OPENING) - (kind in _CLOSING)
        if tokens > TOKENS or nested > _NESTED:
            raise RefusedError(f"no query may be longer than {TOKENS} tokens or nested deeper than {DEPTH}")


class _Measuring:
    """Sizes of the selections of one document."""

    def __init__(self, document: DocumentNode, variables: Mapping[str, Any], *, introspection: bool) -> None:
        self._introspection = introspection
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, _Size] = {}
        self._open: set[str] = set()
        defaults = {
            definition.variable.name.value: int(definition.default_value.value)
            for operation in document.definitions
            if isinstance(operation, OperationDefinitionNode)
            for definition in operation.variable_definitions or ()
            if isinstance(definition.default_value, IntValueNode)
        }
        self._variables = defaults | dict(variables)

    def of(self, selected: SelectionSetNode | None) -> _Size:
        """Return the size of what stands between two braces."""
        depth = cost = aliases = 0
        names: set[str] = set()
        for node in selected.selections if selected else ():
            if isinstance(node, FieldNode):
                size = self._field(node)
                name = node.alias.value if node.alias else node.name.value
                aliases += node.alias is not None or name in names
                names.add(name)
            elif isinstance(node, FragmentSpreadNode):
                size = self._fragment(node.name.value)
            else:
                assert isinstance(node, InlineFragmentNode)  # noqa: S101 - there is no other selection
                size = self.of(node.selection_set)
            depth, cost, aliases = max(depth, size.depth), cost + size.cost, aliases + size.aliases
        return _Size(depth, cost, aliases)

    def _field(self, field: FieldNode) -> _Size:
        name = field.name.value
        if name in _INTROSPECTION and not self._introspection:
            raise RefusedError("the schema is not shown here; docs/server.md says where it is")
        within = self.of(field.selection_set)
        # The form of the schema is as deep as it is: the tools' own question for it is deeper than any about patients.
        depth = 1 if name in _INTROSPECTION else 1 + within.depth
        return _Size(depth, _PRICES.get(name, 1) + self._length(field) * within.cost, within.aliases)

    def _length(self, field: FieldNode) -> int:
        """Return how often the selection within a field is answered, at most."""
        by = _LENGTHS.get(field.name.value)
        if by is None:
            return 1
        length = next((argument.value for argument in field.arguments or () if argument.name.value == by), None)
        return max(1, LONGEST_LIST if length is None else self._number(length))

    def _number(self, node: ValueNode) -> int:
        value = self._variables.get(node.name.value) if isinstance(node, VariableNode) else None
        if isinstance(node, IntValueNode):
            return min(int(node.value[:9]), LONGEST_LIST)
        if isinstance(node, ListValueNode):
            return len(node.values)
        if isinstance(value, list):
            return len(value)
        return min(value, LONGEST_LIST) if isinstance(value, int) else LONGEST_LIST

    def _fragment(self, name: str) -> _Size:
        if name in self._open:
            raise RefusedError("fragments must not contain themselves")
        if name not in self._measured:
            fragment = self._fragments.get(name)
            self._open.add(name)
            self._measured[name] = self.of(fragment.selection_set if fragment else None)
            self._open.discard(name)
        return self._measured[name]
