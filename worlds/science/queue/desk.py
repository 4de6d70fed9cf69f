"""The desk: who stands in line, since when, and what it was like so far. Times in minutes.

Storage: `line` -> [when each came]; `book` -> {"opened", "at", "presence", "stays", "served"}, up to the last change
"""

import time


def join():
    line, book = _look()
    storage_set("line", line + [book["at"]])
    storage_set("book", book)


def serve():
    line, book = _look()
    book["stays"] += book["at"] - line[0]
    book["served"] += 1
    storage_set("line", line[1:])
    storage_set("book", book)


def present():
    return len(storage_get("line", []))


def _look():
    """The line, and the book as it is at this moment."""
    now_at, line = time.time() / 60, storage_get("line", [])
    book = storage_get("book", {"opened": now_at, "at": now_at, "presence": 0, "stays": 0, "served": 0})
    book["presence"] += len(line) * (now_at - book["at"])
    return line, {**book, "at": now_at}


# Measures.


def mean_present():
    """How many customers were there, on average over time."""
    book = _look()[1]
    return book["presence"] / max(book["at"] - book["opened"], 1)


def mean_stay():
    """How long a customer was there, on average over those who are served."""
    book = _look()[1]
    return book["stays"] / max(book["served"], 1)


def served():
    return _look()[1]["served"]
