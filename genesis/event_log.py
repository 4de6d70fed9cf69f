"""genesis_event_log: what happened in the world, for everyone to read.

Every committed effect of interest is an event: {"seq", "time", "type", "actor", …}. Keep the `seq` of
the last event you saw and ask for what came after it:

    invoke("genesis_event_log", last_seq, "transfer", method="read")
"""

PER_QUERY_MAX = 100


def read(since=0, type=None, limit=50):
    """Events after the number `since`, oldest first; only those of one type if it is named."""
    _takes_nothing()
    fields = {"since": since, "limit": min(limit, PER_QUERY_MAX)}
    if type is not None:
        fields["type"] = type
    return query("events", **fields)


def _takes_nothing():
    if call["paid"] or call["given"]:
        raise ValueError("this takes nothing: leave `pay` and `give` out")
