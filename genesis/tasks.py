"""genesis_tasks: rewards for code that passes tests.

    test = {"args": [2, 3], "result": 5}
    id = invoke("genesis_tasks", "add two numbers", [test], [{"args": [7, 1], "result": 8}], 50, "1h", method="post", pay=50)
    invoke("genesis_tasks", id, "my_adder", method="submit")

A submission is an own artifact under one of the library's contracts. All tests are run on it, `run` where a test names
no method, and its result must be the test's as JSON. The first submission that passes all of them is paid at once.
The answer is how many tests were passed, and nothing else: each takes the same work, whatever the code does, and the
submitter bears it. Hidden tests are shown when the task has ended.
"""

from datetime import datetime, timedelta, timezone

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
TESTS_MAX = 20
# Units of work that each test is given, and takes.
WORK_PER_TEST = 1_000
# Tasks that stay to be looked at when they have ended, and that are ended in one record.
KEPT = 100
AT_A_TIME = 20
SHOWN_MAX = 100


def post(spec, tests, hidden_tests, reward, until):
    """Offers the scrip sent along (`pay`), which is `reward`, for code that passes all tests until then."""
    count = len(tests) + len(hidden_tests)
    if not 1 <= count <= TESTS_MAX:
        raise ValueError(f"a task has 1 to {TESTS_MAX} tests, hidden ones included, and not {count}")
    for test in tests + hidden_tests:
        if set(test) - {"method", "args", "result"}:
            raise ValueError('a test is {"method"?, "args", "result"}')
    if call["paid"] != reward:
        raise ValueError(f"the reward is {reward}, and {call['paid']} was sent along: name it as `pay`")
    if not get_artifact_info(call["caller"])["has_standing"]:
        raise ValueError(f"{call['caller']} is no principal, so it could not have the reward back")
    ends = _instant(until)
    number = storage_get("n", 0) + 1
    id = f"task_{number}"
    entry = {
        "poster": call["caller"], "spec": spec, "tests": tests, "hidden": len(hidden_tests), "reward": reward,
        "until": ends, "status": "open", "winner": None, "artifact": None, "lent": 0,
    }
    entry["lent"] = _lent(800 + _bytes(entry) + 2 * _bytes(hidden_tests))
    storage_set("n", number)
    storage_set("task:" + id, entry)
    storage_set("hidden:" + id, hidden_tests)
    storage_set(f"open:{number:012d}", id)
    storage_set(f"q|{ends}|{number:012d}", id)
    _set_due()
    return id


def submit(task, artifact):
    """Runs all tests on an own artifact; the first that passes them all is paid."""
    entry, submitter = _task(task), call["caller"]
    if entry["status"] != "open" or entry["until"] <= now():
        raise ValueError(f"{task} has ended")
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
    info = get_artifact_info(artifact)
    if info["owner"] != submitter or not info["can_execute"]:
        raise ValueError(f"{artifact} is no code of yours: submit an own artifact with code")
    # Another contract would be asked with the arguments of the tests.
    if not info["access_contract"].startswith("genesis_contract_"):
        raise ValueError(f"{artifact} is under {info['access_contract']}: put it under a contract of the library first")
    if not get_artifact_info(submitter)["has_standing"]:
        raise ValueError(f"{submitter} is no principal, so it can't have the reward")
    passed = _passed(artifact, entry["tests"])
    hidden_passed = _passed(artifact, storage_get("hidden:" + task))
    won = passed == len(entry["tests"]) and hidden_passed == entry["hidden"]
    if won:
        entry["winner"], entry["artifact"] = submitter, artifact
        _end(task, entry, "done", submitter)
    return {
        "passed": passed, "tests": len(entry["tests"]), "hidden_passed": hidden_passed, "hidden": entry["hidden"],
        "won": won,
    }


def check(task):
    """A task with its public tests and status; with its hidden tests when it has ended; null if there is none."""
    _takes_nothing()
    entry = storage_get("task:" + task)
    return None if entry is None else {"task": task, **{key: entry[key] for key in entry if key != "lent"}}


def list_open(after=None, limit=100):
    """The open tasks, oldest first: those after an id, so many."""
    _takes_nothing()
    last = None if after is None else f"open:{int(after.removeprefix('task_')):012d}"
    ids = [storage_get(key) for key in storage_list("open:", last, min(limit, SHOWN_MAX))]
    return [{key: value for key, value in check(id).items() if key != "tests"} for id in ids]


def cancel(task):
    """The poster takes the reward of a task back that nobody earned until its end."""
    entry = _task(task)
    if call["caller"] != entry["poster"]:
        raise ValueError(f"only {entry['poster']} may cancel {task}")
    if entry["status"] != "open":
        raise ValueError(f"{task} is {entry['status']}")
    if entry["until"] > now():
        raise ValueError(f"{task} is open until {entry['until']}")
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
    _end(task, entry, "ended", entry["poster"])
    return {"task": task}


def due():
    """Ends the tasks whose time is up; the scheduler calls it."""
    _takes_nothing()
    for key in storage_list("q|", limit=AT_A_TIME):
        if key[2:26] > now():
            break
        task = storage_get(key)
        entry = _task(task)
        _end(task, entry, "ended", entry["poster"])


def _passed(artifact, tests):
    passed, bounds = 0, {"max_resources": {"cpu": 10 ** 15}}
    for test in tests:
        method = test.get("method", "run")
        passed += invoke(artifact, *test["args"], method=method, trial=WORK_PER_TEST, expect=test["result"], **bounds)
    return passed


def _end(task, entry, status, to):
    """Ends a task: the reward is `to`'s, the hidden tests are everybody's."""
    number = int(task.removeprefix("task_"))
    lent, entry["lent"], entry["status"] = entry["lent"], 0, status
    entry["hidden_tests"] = storage_get("hidden:" + task)
    storage_delete("hidden:" + task)
    storage_delete(f"open:{number:012d}")
    storage_delete(f"q|{entry['until']}|{number:012d}")
    storage_delete("task:" + task)
    _set_due()
    if status == "done":
        pay(to, entry["reward"])
    else:
        _hand(to, entry["reward"])
    if lent:
        _hand(entry["poster"], lent, "disk")
    _remember(task, entry)


def _remember(task, entry):
    """Keeps an ended task to be looked at, as far as there is room; the oldest of them makes room."""
    ended = storage_get("ended", 0) + 1
    place = f"e:{ended % KEPT}"
    oldest = storage_get(place)
    try:
        storage_set("ended", ended)
        storage_set("task:" + task, entry)
        storage_set(place, task)
    except Exception as error:
        if not str(error).startswith("quota_exceeded"):
            raise
        storage_delete("task:" + task)
    else:
        if oldest is not None:
            storage_delete("task:" + oldest)


def _task(task):
    entry = storage_get("task:" + task)
    if entry is None:
        raise ValueError(f"there is no task {task}")
    return entry


def _set_due():
    waiting = storage_list("q|", limit=1)
    if waiting:
        storage_set("due", waiting[0][2:26])
    elif storage_get("due") is not None:
        storage_delete("due")


def _lent(need):
    """The disk that came with the call, which is to bear what is kept for it; none where disk is unlimited."""
    lent = 0
    for gift in call["given"]:
        if isinstance(gift, str) or gift["resource"] != "disk":
            raise ValueError("nothing but disk is to be given here")
        lent = gift["amount"]
    if 0 < lent < need:
        raise ValueError(f'this takes {need} bytes: `give` {{"resource": "disk", "amount": {need}}}')
    return lent


def _instant(when):
    """The instant that a time, or a duration from now, names; written as `now()` writes it."""
    at = datetime.fromisoformat(now())
    try:
        if isinstance(when, int):
            at += timedelta(seconds=when)
        elif "T" in when:
            at = datetime.fromisoformat(when).astimezone(timezone.utc)
        else:
            for part in when.split():
                number = part.rstrip("abcdefghijklmnopqrstuvwxyz")
                at += timedelta(milliseconds=int(number) * UNITS[part[len(number):]])
    except (ValueError, KeyError, OverflowError, TypeError):
        raise ValueError(f"`until`: {when} is neither a time nor a duration such as 1h 30m") from None
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if text <= now():
        raise ValueError(f"`until`: {text} has passed")
    return text


def _hand(to, amount, *resource):
    """Hands something on. One who is gone, or can't hold it, leaves it here; all else that fails undoes the call."""
    try:
        transfer(to, amount, *resource)
    except Exception as error:
        if not str(error).startswith(("not_found", "invalid_argument")):
            raise
        return False
    return True


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")


def _bytes(value):
    # The bytes of a value as JSON, or some more: repr writes control characters shorter, and quotes.
    text = repr(value)
    return len(text.encode()) + text.count('"') + 2 * text.count("\\x")
