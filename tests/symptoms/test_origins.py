"""Earlier origins are those with enough reports before them and some outcome after them."""

import numpy as np
import pytest

from novamind.symptoms.forecaster.features import summarise
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.preprocessing import Histories
from tests.symptoms.diaries import varied


def records(values: np.ndarray) -> Histories:
    return Histories.untreated(values.astype(np.float32), np.zeros(len(values), np.float32), np.zeros(len(values), int))


def test_the_present_is_the_last_day_of_everyone() -> None:
    origins = Origins.present(varied())
    assert origins.back == (0,)
    assert origins.rows[0].tolist() == list(range(16))
    np.testing.assert_array_equal(origins.summaries[0].table, summarise(varied()).table)


@pytest.mark.parametrize(("reports", "counts"), [(9, False), (10, True), (11, True)])
def test_an_origin_needs_so_many_reports_before_it(reports: int, counts: bool) -> None:
    values = np.full((1, 60), np.nan)
    values[0, 60 - 14 - reports : 60 - 14] = 0.5
    values[0, -14] = 0.5
    origins = Origins.present(records(values)).and_earlier((14,), 10, 7)
    assert origins.back == ((0, 14) if counts else (0,))


@pytest.mark.parametrize(("day_after", "counts"), [(1, True), (7, True), (8, False)])
def test_an_origin_needs_an_outcome_in_the_days_after_it(day_after: int, counts: bool) -> None:
    values = np.full((1, 60), np.nan)
    values[0, :46] = 0.5
    values[0, 45 + day_after] = 0.5
    origins = Origins.present(records(values)).and_earlier((14,), 10, 7)
    assert origins.back == ((0, 14) if counts else (0,))


@pytest.mark.parametrize(("days", "back"), [(21, (0, 7, 14)), (22, (0, 7, 14, 21)), (7, (0,))])
def test_no_origin_lies_before_the_record(days: int, back: tuple[int, ...]) -> None:
    origins = Origins.present(records(np.full((2, days), 0.5))).and_earlier((7, 14, 21), 1, 7)
    assert origins.back == back


def test_rows_and_summaries_are_those_of_the_record_as_it_stood() -> None:
    histories = varied()
    origins = Origins.present(histories).and_earlier((7, 21), 10, 7)
    assert origins.back == (0, 7, 21)
    for back, rows, summary in zip(origins.back[1:], origins.rows[1:], origins.summaries[1:], strict=True):
        seen = np.isfinite(histories.values)
        expected = [i for i in range(16) if seen[i, :-back].sum() >= 10 and seen[i, -back : 130 - back + 7].any()]
        assert rows.tolist() == expected
        np.testing.assert_array_equal(summary.table, summarise(histories.before(back).rows(rows)).table)


def test_an_origin_of_nobody_is_left_out_and_earlier_ones_are_kept() -> None:
    values = np.full((1, 60), np.nan)
    values[0, :32] = 0.5  # silent since: nothing came in the week after 7 or 14 days ago
    values[0, 40] = 0.5
    origins = Origins.present(records(values)).and_earlier((7, 14, 21, 35), 10, 7)
    assert origins.back == (0, 21, 35)
