"""One way to interpolate and one to round, checked against numpy's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.symptoms.forecaster.experts import HORIZON_GROUPS, REPORT_GROUPS, by_group
from novamind.symptoms.interpolation import interpolate, on_ends, on_steps, places


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 2))
def test_interpolation_is_numpy_s_along_any_axis(seed: int, knots: int, axis: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [2, 3, 4]
    shape[axis] = knots
    values, places = rng.standard_normal(shape), np.cumsum(rng.uniform(0.1, 2, knots))
    at = rng.uniform(-1, 12, 5)
    expected = np.apply_along_axis(lambda row: np.interp(at, places, row), axis, values)
    np.testing.assert_allclose(interpolate(values, places, at, axis), expected, atol=1e-12)


def test_what_is_known_is_read_as_it_is() -> None:
    values = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)
    np.testing.assert_array_equal(interpolate(values, np.arange(5), np.array([3, 0, 4]), 1), values[:, [3, 0, 4]])


@pytest.mark.parametrize("step", [0.0, 0.1, 0.25, 1.0])
def test_rounding_reaches_the_nearest_step(step: float) -> None:
    values = np.random.default_rng(0).random((50, 3))
    rounded = on_steps(values, step)
    if step == 0:
        np.testing.assert_array_equal(rounded, values)
    else:
        assert np.abs(rounded - values).max() <= step / 2 + 1e-12
        np.testing.assert_allclose(rounded / step, np.round(rounded / step), atol=1e-9)


def test_values_of_groups_glide() -> None:
    """At the middle of a group its own value holds; a day or a report more never jumps."""
    rng = np.random.default_rng(1)
    table = rng.random((len(HORIZON_GROUPS), len(REPORT_GROUPS) + 1, 2)).astype(np.float32)
    reports = np.arange(1, 200, dtype=np.float32)
    out = by_group(table, 30, reports)
    assert out.shape == (199, 30, 2)
    np.testing.assert_allclose(out[14, 10], table[3, 1], atol=1e-6)  # 15 reports, day 11
    np.testing.assert_allclose(out[0, 0], table[0, 0], atol=1e-6)
    np.testing.assert_allclose(out[198, 29], table[-1, -1], atol=1e-6)
    between_groups = np.abs(np.diff(table, axis=1)).max()
    assert np.abs(np.diff(out, axis=0)).max() <= between_groups / 8 + 1e-6


@pytest.mark.parametrize(
    ("value", "answer"), [(0.0049, 0), (0.0051, 0.0051), (0.5, 0.5), (0.9949, 0.9949), (0.9951, 1), (-0.1, 0), (1.2, 1)]
)
def test_what_is_within_half_a_point_of_an_end_is_that_end(value: float, answer: float) -> None:
    assert on_ends(np.array([value])).tolist() == [answer]
    assert on_ends(np.array([value], np.float32)).dtype == np.float32


def test_places_are_the_knot_below_and_the_share_of_the_way() -> None:
    below, share = places(np.array([1, 2, 4]), np.array([0, 1, 1.5, 2, 3.5, 4, 9]))
    assert below.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert share.tolist() == [0, 0, 0.5, 0, 0.75, 0, 0]
    assert below.dtype == np.int64


def test_interpolation_keeps_the_kind_of_number_and_the_values() -> None:
    values = np.array([[0.0, 1.0, 4.0]], np.float32)
    kept = values.copy()
    out = interpolate(values, np.array([0, 1, 2]), np.array([0.5, 1.25]), 1)
    assert out.tolist() == [[0.5, 1.75]]
    assert out.dtype == np.float32
    np.testing.assert_array_equal(values, kept)


def test_each_row_is_rounded_to_its_own_step() -> None:
    values = np.full((3, 1), 0.37)
    assert on_steps(values, np.array([[0.0], [0.25], [0.1]])).ravel() == pytest.approx([0.37, 0.25, 0.4])
