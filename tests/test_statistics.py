import math

import numpy as np
import pytest

from worldsim.evaluate.statistics import (
    bootstrap_interval,
    correlation,
    mean_or_none,
    means,
    rank_correlation,
    ratio_or_none,
    standard_errors,
    wilson,
)


def mean(values):
    return {"mean": mean_or_none(values)}


def test_a_mean_leaves_out_what_is_not_finite():
    assert mean_or_none([1.0, math.nan, 3.0, math.inf]) == 2.0
    assert mean_or_none([math.nan]) is None
    assert means([{"a": 1.0}, {"a": 2.0}], ("a",)) == {"a": 1.5}


def test_a_ratio_needs_both_of_its_sides():
    assert ratio_or_none(1.0, 4.0) == 0.25
    assert ratio_or_none(1.0, 0.0) is ratio_or_none(None, 1.0) is ratio_or_none(1.0, None) is None


def test_the_standard_error_of_a_mean_is_the_usual_one():
    values = [3.0, 5.0, 8.0, 1.0]
    usual = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    assert standard_errors(values, mean)["mean"] == pytest.approx(usual)


def test_the_standard_error_of_a_ratio_that_never_changes_is_zero():
    pairs = [(1.0, 2.0), (4.0, 8.0), (3.0, 6.0)]

    def ratio(some):
        return {"ratio": ratio_or_none(sum(a for a, _ in some), sum(b for _, b in some))}

    assert standard_errors(pairs, ratio)["ratio"] == pytest.approx(0.0)


def test_one_sample_or_one_value_has_no_standard_error():
    assert standard_errors([3.0], mean)["mean"] is None
    assert standard_errors([], mean)["mean"] is None
    assert standard_errors([3.0, math.nan], mean)["mean"] is None


@pytest.mark.parametrize(
    ("hits", "trials", "expected"),
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (8, 10, (0.4902, 0.9433)), (0, 0, (0, 1))],
)
def test_wilson_intervals_are_those_of_the_tables(hits, trials, expected):
    assert wilson(hits, trials) == pytest.approx(expected, abs=1e-4)


def test_the_bootstrap_of_many_values_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400).tolist()
    error = 1.96 * np.std(values) / math.sqrt(len(values))
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx(
        (np.mean(values) - error, np.mean(values) + error), abs=0.02
    )
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval([2.0]) == (2.0, 2.0)


def test_ranks_ask_for_order_alone_and_share_what_is_equal():
    assert rank_correlation([1.0, 2.0, 3.0], [0.0, 10.0, 1000.0]) == pytest.approx(1.0)
    assert rank_correlation([1.0, 2.0, 3.0], [5.0, 4.0, 3.0]) == pytest.approx(-1.0)
    assert rank_correlation([1.0, 2.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]) == pytest.approx(0.948683)


def test_a_constant_correlates_with_nothing():
    assert correlation([1.0, 1.0], [1.0, 2.0]) is rank_correlation([1.0, 2.0], [3.0, 3.0]) is None
    assert correlation([1.0, 2.0, 4.0], [3.0, 5.0, 9.0]) == pytest.approx(1.0)
