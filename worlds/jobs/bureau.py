"""bureau: keeps the statistics of work. It takes nobody's word for a success: it asks `genesis_tasks`.

Storage: `piece:N` -> [worker, kind]; `task:N` -> [won, depth]; `won:TASK` -> its number
"""

import math

WINDOW = 100


def wrote(kind, task=None):
    """Called by workers with each piece of code, and with the task that it was submitted for, if any."""
    worker = call["caller"]
    _add("piece:", [worker, kind])
    if task is not None:
        entry = invoke("genesis_tasks", task, method="check")
        won = entry["winner"] == worker and storage_get("won:" + task) is None
        number = _add("task:", [won, _depth(entry["artifact"], worker) if won else 0])
        if won:
            storage_set("won:" + task, number)


def _add(prefix, row):
    number = storage_get("n:" + prefix, 0)
    storage_set("n:" + prefix, number + 1)
    storage_set(f"{prefix}{number:06d}", row)
    return number


def _depth(artifact, maker):
    """How many makers stand behind one another: 1 for own work, 2 if it builds on a part that was bought, and so on."""
    parts = get_artifact_info(artifact)["depends_on"]
    makers = [[part, get_artifact_info(part)["creator"]] for part in parts]
    return 1 + max((_depth(part, other) for part, other in makers if other != maker), default=0)


def _rows(prefix):
    return [storage_get(key) for key in storage_list(prefix)]


# Measures.


def specialisation_early():
    """The information, in bits, that the worker gives about the kind, over the first hundred pieces of code."""
    return _information(_rows("piece:")[:WINDOW])


def specialisation_late():
    """The same over the last hundred."""
    return _information(_rows("piece:")[-WINDOW:])


def _information(pieces):
    def entropy(things):
        counts = {}
        for thing in things:
            counts[thing] = counts.get(thing, 0) + 1
        return -sum(n / len(things) * math.log2(n / len(things)) for n in counts.values())

    if not pieces:
        return 0.0
    workers, kinds = [row[0] for row in pieces], [row[1] for row in pieces]
    return entropy(workers) + entropy(kinds) - entropy([f"{worker} {kind}" for worker, kind in pieces])


def success_early():
    """The share of the first hundred submissions that won."""
    return _share(_rows("task:")[:WINDOW])


def success_late():
    """The share of the last hundred submissions that won."""
    return _share(_rows("task:")[-WINDOW:])


def _share(tasks):
    return sum(1 for won, _ in tasks if won) / len(tasks) if tasks else 0.0


def solved():
    """How many tasks were solved."""
    return sum(1 for won, _ in _rows("task:") if won)


def subcontracted():
    """How many of them with parts that others had made."""
    return sum(1 for won, deep in _rows("task:") if won and deep > 1)


def depth():
    """The longest chain of makers behind a task that was solved."""
    return max((deep for _, deep in _rows("task:")), default=0)
