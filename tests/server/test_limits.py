"""What a GraphQL query costs, counted by hand, and where each limit lies."""

from typing import Any

import pytest
from graphql import GraphQLSyntaxError
from graphql.language import parse

from novamind.server.graphql.limits import RefusedError, _Measuring, parsed


def size(query: str, introspection: bool = True, **variables: Any) -> tuple[int, int, int]:
    """Depth, cost and aliases of the first operation."""
    document = parse(query)
    measuring = _Measuring(document, variables, introspection=introspection)
    return tuple(measuring.of(document.definitions[0].selection_set))  # type: ignore[attr-defined, return-value]


@pytest.mark.parametrize(
    ("query", "measured"),
    [
        ("{ a }", (1, 1, 0)),
        ("{ a b }", (1, 2, 0)),
        ("{ a { b } c }", (2, 3, 0)),
        ("{ a { b { c } } d { e } }", (3, 5, 0)),
        ("{ symptoms { a } }", (2, 6, 0)),
        ("{ auditTrail { a } }", (2, 11, 0)),
        ("{ forecasts { a } }", (2, 21, 0)),
        ("{ medicationAdvice { a } }", (2, 51, 0)),
        ("{ leadingSignals { a } }", (2, 101, 0)),
        ("{ insights { a } }", (2, 101, 0)),
        # a list costs what is asked of each, times its length
        ("{ patients(limit: 5) { id name } }", (2, 11, 0)),
        ("{ patients(limit: 1) { id } }", (2, 2, 0)),
        ("{ patients(limit: 0) { id } }", (2, 2, 0)),
        ("{ patients(limit: -3) { id } }", (2, 2, 0)),
        ("{ patients { id } }", (2, 101, 0)),
        ("{ patients(after: 3) { id } }", (2, 101, 0)),
        ("{ patients(limit: 101) { id } }", (2, 101, 0)),
        ("{ patients(limit: 99999999999999999999) { id } }", (2, 101, 0)),
        ("{ patients(limit: 2) { symptoms { a } } }", (3, 13, 0)),
        ("{ patients(limit: $n) { id } }", (2, 101, 0)),
        ('{ patients(limit: "5") { id } }', (2, 101, 0)),
        ("query ($n: Int = 3) { patients(limit: $n) { id } }", (2, 4, 0)),
        ("{ _entities(representations: [1, 2, 3]) { id } }", (2, 4, 0)),
        ("{ other(limit: 5) { id } }", (2, 2, 0)),
        # aliases and repeated names
        ("{ x: a }", (1, 1, 1)),
        ("{ x: a y: a a }", (1, 3, 2)),
        ("{ a a }", (1, 2, 1)),
        ("{ a x: b x }", (1, 3, 2)),
        ("{ a { x: b } c { y: d } }", (2, 4, 2)),
        # fragments
        ("{ ...f } fragment f on P { a { b } }", (2, 2, 0)),
        ("{ ...f ...f } fragment f on P { a x: b }", (1, 4, 2)),
        ("{ ... on P { a { b } } c }", (2, 3, 0)),
        ("{ ...missing }", (0, 0, 0)),
        # the form of the schema is one level, however deep
        ("{ __schema { a { b { c } } } }", (1, 4, 0)),
        ("{ _service { sdl } }", (1, 2, 0)),
        ('{ __type(name: "x") { a { b } } }', (1, 3, 0)),
    ],
)
def test_depth_cost_and_aliases_of_a_query(query: str, measured: tuple[int, int, int]) -> None:
    assert size(query) == measured


@pytest.mark.parametrize(("value", "cost"), [(7, 8), (500, 101), ("7", 101), (None, 101), ([1, 2], 3), (0, 2)])
def test_a_length_may_stand_in_a_variable(value: Any, cost: int) -> None:
    assert size("query ($n: Int = 3) { patients(limit: $n) { id } }", n=value)[1] == cost
    assert size("{ _entities(representations: $n) { id } }", n=value)[1] == cost


def accepted(query: str, **more: Any) -> bool:
    try:
        parsed(
            query, more.pop("variables", {}), more.pop("operation", None), introspection=more.pop("introspection", True)
        )
    except RefusedError:
        return False
    return True


def deep(levels: int) -> str:
    return "{ a " * levels + "}" * levels


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        (deep(11), deep(12), "no query may be nested deeper than 11; ask for less at once"),
        (
            "{ patients(limit: 9) { insights { a } } forecasts { c } }",
            "{ patients(limit: 10) { insights { a } } }",
            "no query may be costlier than 1000; ask for less at once",
        ),
        (
            "{ " + " ".join(f"x{i}: a" for i in range(15)) + " }",
            "{ " + " ".join(f"x{i}: a" for i in range(16)) + " }",
            "no query may be with more aliases and repeated fields than 15; ask for less at once",
        ),
        (
            "{ " + "a" * 3 + " @x" * 998 + " b }",
            "{ " + "a" * 3 + " @x" * 999 + " }",
            "no query may be longer than 2000 tokens or nested deeper than 11",
        ),
        (
            '{ a(x: ' + "[" * 38 + "]" * 38 + ") }",
            '{ a(x: ' + "[" * 39 + "]" * 39 + ") }",
            "no query may be longer than 2000 tokens or nested deeper than 11",
        ),
        ("{ ...f } fragment f on P { a }", "{ ...f } fragment f on P { ...f }",
         "fragments must not contain themselves"),
        ("query A { a }", "query A { a } query B { b }", "there are several operations: name one of them"),
    ],
)  # fmt: skip
def test_the_most_that_is_let_in_and_the_least_that_is_refused(right: str, wrong: str, says: str) -> None:
    assert accepted(right)
    with pytest.raises(RefusedError) as caught:
        parsed(wrong, {}, introspection=True)
    assert caught.value.message == says


@pytest.mark.parametrize(("tokens", "right"), [(2000, True), (2001, False)])
def test_tokens_are_counted_to_the_last(tokens: int, right: bool) -> None:
    query = "{a" + " @x" * ((tokens - 3) // 2) + (" b" if tokens % 2 == 0 else "") + "}"
    assert accepted(query) is right


@pytest.mark.parametrize(("cost", "right"), [(1000, True), (1001, False)])
def test_the_cost_is_counted_to_the_last(cost: int, right: bool) -> None:
    """The list itself is 1 and the insights 100; plain fields make up the rest."""
    fields = " ".join(f"b{i}" for i in range(cost - 101))
    assert accepted("{ patients(limit: 1) { insights { " + fields + " } } }") is right


def test_of_several_operations_every_one_keeps_the_limits() -> None:
    two = "query A { a } query B " + deep(12)
    assert not accepted(two, operation="A")
    assert accepted("query A { a } query B { b }", operation="A")


@pytest.mark.parametrize("name", ["__schema", "__type", "_service"])
def test_the_form_of_the_schema_is_told_only_where_it_may_be(name: str) -> None:
    assert accepted(f"{{ {name} {{ a }} }}")
    assert accepted("{ a { __typename } }", introspection=False)
    with pytest.raises(RefusedError) as caught:
        parsed(f"{{ a {{ {name} {{ a }} }} }}", {}, introspection=False)
    assert caught.value.message == "the schema is not shown here; docs/server.md says where it is"


def test_what_is_no_query_is_a_syntax_error_and_what_is_one_comes_back_parsed() -> None:
    with pytest.raises(GraphQLSyntaxError):
        parsed("{ a", {}, introspection=True)
    assert parsed("{ a }", {}, introspection=True) == parse("{ a }")


def test_fragments_that_double_at_every_level_are_measured_once_each() -> None:
    doubling = "{ ...f0 } " + " ".join(f"fragment f{i} on P {{ ...f{i + 1} ...f{i + 1} }}" for i in range(60))
    assert not accepted(doubling + " fragment f60 on P { a }")
