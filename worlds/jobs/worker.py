"""A worker: writes programs for open tasks, and finds out which kinds of code it writes well.

The kinds that its content names as `well` it writes with care nine times of ten, all others two times of ten. Its
choices don't look at that. The hasty version of a program passes the plain example of a task and fails the hidden
ones, so the worker counts for each kind how often its code has won, and prefers the kinds that pay.

Work of several steps is shared. The worker writes the first or the last step, whichever it trusts itself with, and
asks for the rest in a `wanted` notice. Another who trusts itself sells the missing part through the escrow, and may
have ordered a part of that in the same way.

Storage: `record` -> {kind: [won, tried]}; `job` -> the work that waits for a part; `offered` -> [[part, order]]
"""

CARE = {
    "mirror": "return ' '.join(word[::-1] for word in text.split())",
    "sort": "return ' '.join(sorted(text.split(), key=str.lower))",
    "shift": "return ''.join(chr(ord(c) - 25) if c in 'zZ' else chr(ord(c) + 1) if c.isalpha() else c for c in text)",
    "squeeze": "return ''.join(c for i, c in enumerate(text) if text[i - 1:i] != c)",
    "vowels": "return ''.join(c for c in text if c.lower() not in 'aeiou')",
    "count": "w = text.split()\n    return ' '.join(x + ' ' + str(w.count(x)) for x in dict.fromkeys(w))",
}
HASTE = {
    "mirror": "return text[::-1]",
    "sort": "return ' '.join(sorted(text.split()))",
    "shift": "return ''.join(chr(ord(c) + 1) if c.isalpha() else c for c in text)",
    "squeeze": "for c in sorted(set(text)):\n        text = text.replace(c + c, c)\n    return text",
    "vowels": "return ''.join(c for c in text if c not in 'aeiou')",
    "count": "return ' '.join(x + ' ' + str(text.count(x)) for x in dict.fromkeys(text.split()))",
}
CAREFUL_WELL = 0.9
CAREFUL_ELSE = 0.2
# A trust in oneself, from 0 to 1: what it takes to try, and to promise something to others.
TRIES_AT = 0.4
PROMISES_AT = 0.7
EXPLORES = 0.1
PATIENCE = 6


def step(observation):
    return {"op": "invoke", "artifact": me, "method": "work", "args": [observation["tick"]], "max_spend": 0}


def work(tick):
    """One tick's work, all of it or nothing: goes on with a job, answers a notice, or takes a task."""
    take_back()
    job = storage_get("job")
    done = go_on(job, tick) if job is not None else None
    if done is not None:
        return done
    # A worker that waits for a part does smaller work meanwhile.
    longest = 9 if job is None else 1
    notices = query("artifacts", type="wanted")
    done = answer(notices, longest, tick)
    return done if done is not None else take_task(notices, longest, tick)


def answer(notices, longest, tick):
    """Takes on what others have ordered and nobody has begun, if it trusts itself."""
    begun = [part["metadata"]["order"] for part in query("artifacts", type="part")]
    begun += [notice["metadata"]["order"] for notice in notices]
    for notice in notices:
        order = notice["metadata"]
        kind = best_end(order["steps"])
        if notice["owner"] == me or notice["id"] in begun or len(order["steps"]) > longest:
            continue
        if trust(kind) >= PROMISES_AT:
            job = {"steps": order["steps"], "own": kind, "task": None, "order": notice["id"], "pay": order["price"]}
            return begin(job, tick)
    return None


def take_task(notices, longest, tick):
    """Takes the open task that promises most; sometimes just one, to learn."""
    at_work = [notice["metadata"]["task"] for notice in notices]
    explores, offers = random() < EXPLORES, []
    for task in invoke("genesis_tasks", method="list_open"):
        steps = task["spec"].split(" | ")
        kind = best_end(steps)
        enough = TRIES_AT if len(steps) == 1 else PROMISES_AT
        # Others leave a long task to the one who has ordered parts for it.
        if len(steps) > longest or task["task"] in at_work or (len(steps) > 1 and get_balance() < task["reward"]):
            continue
        if trust(kind) >= enough or (explores and len(steps) == 1):
            worth = random() if explores else trust(kind) * task["reward"] / len(steps)
            offers.append([worth, random(), task["task"], kind, steps, task["reward"]])
    if not offers:
        return None
    _, _, task, kind, steps, reward = max(offers)
    return begin({"steps": steps, "own": kind, "task": task, "order": None, "pay": reward}, tick)


def begin(job, tick):
    """Does a job of one step at once; orders what is missing of a longer one, at the same pay for each step."""
    if len(job["steps"]) == 1:
        return deliver(job, [], tick)
    rest = [kind for kind in job["steps"] if kind != job["own"]]
    job["notice"], job["until"] = f"wanted_{me}_{tick}", tick + PATIENCE * len(rest)
    price = job["pay"] * len(rest) // len(job["steps"])
    order = {"steps": rest, "price": price, "task": job["task"], "order": job["order"]}
    write(job["notice"], kind="wanted", metadata=order)
    storage_set("job", job)
    return "ordered"


def go_on(job, tick):
    """Buys the part that was ordered, when somebody has made it, and delivers; gives up in time."""
    made = [part for part in query("artifacts", type="part") if part["metadata"]["order"] == job["notice"]]
    if not made or not wanted_still(job):
        if wanted_still(job) and tick < job["until"]:
            return None
        end(job)
        return "gave up"
    price = invoke("genesis_escrow", made[0]["id"], method="check")["price"]
    bought = invoke("genesis_escrow", made[0]["id"], method="purchase", pay=price)
    end(job)
    return deliver(job, bought["artifacts"], tick)


def deliver(job, parts, tick):
    """Writes the own step around the parts, and submits it or sells it."""
    name, kind = f"part_{me}_{tick}", job["own"]
    careful = random() < (CAREFUL_WELL if kind in read(me)["content"]["well"] else CAREFUL_ELSE)
    code = "def own(text):\n    " + (CARE if careful else HASTE)[kind] + "\n\n\ndef run(text):\n    return "
    if not parts:
        code += "own(text)\n"
    elif job["steps"][0] == kind:
        code += f"invoke({parts[0]!r}, own(text))\n"
    else:
        code += f"own(invoke({parts[0]!r}, text))\n"
    write(name, kind="part", code=code, depends_on=parts[:1], metadata={"order": job["order"]})
    if job["order"] is not None:
        buyer = get_artifact_info(job["order"])["owner"]
        invoke("genesis_escrow", job["pay"], buyer, method="list", give=[name] + parts)
        storage_set("offered", storage_get("offered", []) + [[name, job["order"]]])
        invoke("bureau", kind, method="wrote")
        return "supplied"
    won = invoke("genesis_tasks", job["task"], name, method="submit")["won"]
    invoke("bureau", kind, job["task"], method="wrote")
    if not parts:
        record = storage_get("record", {})
        wins, tries = record.get(kind, [0, 0])
        record[kind] = [wins + won, tries + 1]
        storage_set("record", record)
    for thing in [name] + parts:
        delete(thing)
    return "won" if won else "failed"


def trust(kind):
    """The chance that code of a kind wins, as far as the record shows."""
    wins, tries = storage_get("record", {}).get(kind, [0, 0])
    return (wins + 1) / (tries + 2)


def best_end(steps):
    return max(steps[0], steps[-1], key=trust)


def wanted_still(job):
    """Whether a task is open, or an order stands."""
    if job["task"] is not None:
        return invoke("genesis_tasks", job["task"], method="check")["status"] == "open"
    return attempt("get_artifact_info", job["order"])["ok"]


def end(job):
    delete(job["notice"])
    storage_delete("job")


def take_back():
    """Throws away what it made for an order that was given up."""
    unsold = []
    for part, order in storage_get("offered", []):
        listing = invoke("genesis_escrow", part, method="check")
        if listing is not None and attempt("get_artifact_info", order)["ok"]:
            unsold.append([part, order])
        elif listing is not None and listing["seller"] == me:
            for thing in invoke("genesis_escrow", part, method="cancel")["artifacts"]:
                delete(thing)
    storage_set("offered", unsold)
