"""Shared by the Mesa versions of the worlds of science: a mean and a standard deviation over seeds."""

import statistics
import sys


def gini(values):
    ordered, n = sorted(values), len(values)
    return sum((2 * i - n + 1) * x for i, x in enumerate(ordered)) / (n * sum(ordered))


def last(model):
    """The last row that a model's data collector has."""
    return {name: values[-1] for name, values in model.datacollector.model_vars.items()}


def report(run):
    """Prints the figures of `run(seed)` over so many seeds as the command line says."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rows = [run(seed) for seed in range(1, seeds + 1)]
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name} {statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}")
