"""genesis_store: finding artifacts, and what is known of them.

    invoke("genesis_store", "analyse text", "tool", method="search")
    invoke("genesis_store", "text_analyzer", method="reputation")

`create` and `delete` are for code that only knows how to invoke.
"""

ROWS_MAX = 100
LOOKED_AT_MAX = 10_000
# The remains of an artifact take at most so much.
TOMBSTONE_BYTES = 256


def search(text="", kind=None, owner=None, limit=20, after=None):
    """Artifacts with all words of a text, of a kind and of an owner; those after an id, so many."""
    _takes_nothing()
    fields = {"limit": LOOKED_AT_MAX if after is not None else limit}
    if kind is not None:
        fields["type"] = kind
    if owner is not None:
        fields["of"] = owner
    found = query("search", text=text, **fields) if text else query("artifacts", **fields)
    if after is not None:
        ids = [row["id"] for row in found]
        found = found[ids.index(after) + 1:] if after in ids else []
    return found[:limit]


def get_metadata(artifact):
    """All that is known of an artifact without reading it."""
    _takes_nothing()
    return get_artifact_info(artifact)


def get_interface(artifact):
    """The methods that an artifact lists, with their arguments; null if it lists none."""
    _takes_nothing()
    return get_artifact_info(artifact)["interface"]


def prices(kind=None, limit=100):
    """The price of an invocation of each artifact with code, the cheapest first."""
    _takes_nothing()
    fields = {"limit": LOOKED_AT_MAX} if kind is None else {"limit": LOOKED_AT_MAX, "type": kind}
    rows = [row for row in query("artifacts", **fields) if row["can_execute"]]
    rows.sort(key=lambda row: (row["price"], row["id"]))
    return [{"artifact": row["id"], "price": row["price"], "owner": row["owner"]} for row in rows[:limit]]


def reputation(artifact):
    """The kernel's counts of an artifact, and of a principal also the scrip that it earned and spent, with the age in
    seconds."""
    _takes_nothing()
    info = get_artifact_info(artifact)
    facts = query("reputation", artifact=artifact)
    shown = {
        "artifact": artifact, "owner": info["owner"], "invocations": facts["invocations"],
        "failures": facts["failures"], "customers": facts["customers"], "revenue": facts["revenue"],
        "first_used": facts["first_used"], "last_used": facts["last_used"], "age": _age(info["created_at"]),
    }
    if info["has_standing"]:
        dealings = query("reputation", of=artifact)
        shown["principal"] = {key: dealings[key] for key in dealings if key != "principal"}
    return shown


def create(artifact, content=None, kind="data", code=None, interface=None, price=0, metadata=None):
    """Creates an artifact that is the caller's."""
    _takes_nothing()
    done = write(artifact, content, kind=kind, code=code, interface=interface, price=price, metadata=metadata)
    if not done["created"]:
        raise ValueError(f"there is {artifact} already: who may change it does that with `write`")
    transfer_ownership(artifact, call["caller"])
    return {"artifact": artifact, "owner": call["caller"]}


def delete():
    """Deletes the artifacts that are sent along as `give`. Their remains stay on the disk sent along."""
    _refuse_pay()
    items = [gift for gift in call["given"] if isinstance(gift, str)]
    if not items:
        raise ValueError("nothing is to be deleted: send it along as `give`")
    lent = sum(gift["amount"] for gift in call["given"] if not isinstance(gift, str) and gift["resource"] == "disk")
    kept = TOMBSTONE_BYTES * len(items)
    if len(items) + (lent > 0) < len(call["given"]):
        raise ValueError("nothing but artifacts and disk is to be given here")
    if 0 < lent < kept:
        raise ValueError(f'this takes {kept} bytes: `give` also {{"resource": "disk", "amount": {kept}}}')
    for item in items:
        _delete(item)
    if lent > kept:
        transfer(call["caller"], lent - kept, "disk")
    return {"deleted": items}


def _delete(item):
    # A method of the same name hides the op, so it is called through `attempt`.
    done = attempt("delete", item)
    if not done["ok"]:
        raise ValueError(f"{item}: {done['error']['code']}: {done['error']['message']}")


def _refuse_pay():
    if call["paid"]:
        raise ValueError("this costs nothing: leave `pay` out")


def _age(since):
    from datetime import datetime

    return int((datetime.fromisoformat(now()) - datetime.fromisoformat(since)).total_seconds())


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
