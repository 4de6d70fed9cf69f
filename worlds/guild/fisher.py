"""A fisher: goes out while it pays, worries when the catch falls, and keeps to the law, mostly.

The content names the lake, and the guild if there is one. Each has ideas of its own, drawn by chance on the second day
and kept: the catch at which it calls for a vote and votes for a law, and the number of boats that it would allow.
"""

HIRE = 1
DUES = 40


def step(observation):
    this = observation["self"]
    how, catch = this["content"], landed(observation["last"])
    go = {"op": "invoke", "artifact": how["lake"], "method": "fish", "pay": HIRE}
    guild = how.get("guild")
    if observation["step"] == 0:
        return [invoke_of(guild, "join"), go] if guild else go
    law = query("artifact", artifact=guild)["metadata"] if guild else {"boats": 0}
    if law["boats"]:
        return under_the_law(observation, guild, law, go)
    # A fisher who caught too little yesterday stays at home, and looks again now and then.
    idle = observation["last"] is None or (catch is not None and catch <= HIRE)
    fishing = [go] if not idle or random() < 0.05 else []
    if guild is None:
        return fishing or None
    if law["vote"] and law["ends"] <= observation["now"] and random() < 0.25:
        return invoke_of(guild, "enact")
    return (politics(observation, guild, law, catch) + fishing) or None


def politics(observation, guild, law, catch):
    """The vote, or the call for one."""
    if catch is None:
        return []
    ideas = storage_get("ideas")
    if ideas is None:
        low, high = observation["self"]["content"]["alarm"]
        ideas = {"alarm": catch * (low + (high - low) * random()), "boats": [4, 6, 6, 8][int(4 * random())]}
        return [{"op": "store", "key": "ideas", "value": ideas}]
    alarmed = catch <= ideas["alarm"]
    if not law["vote"]:
        return [invoke_of(guild, "propose")] if alarmed else []
    if observation["now"] < law["ends"] and storage_get("voted") != law["vote"]:
        option = str(ideas["boats"]) if alarmed else "open"
        vote = {"op": "invoke", "artifact": "genesis_vote", "method": "vote", "args": [law["vote"], option]}
        return [vote, {"op": "store", "key": "voted", "value": law["vote"]}]
    return []


def under_the_law(observation, guild, law, go):
    """Contributes on the first day of a season, if there is a place; fishes with one, and seldom without."""
    me_id = observation["self"]["id"]
    if law["season_ends"] <= observation["now"]:
        return [{**invoke_of(guild, "contribute"), "pay": DUES}, go]
    if me_id in law["fishers"] or random() < 0.02:
        return go
    return None


def landed(last):
    """The catch of the last step, if it went fishing."""
    if last is None or not last["ok"]:
        return None
    result = last["result"][-1] if isinstance(last["result"], list) else last["result"]
    return result.get("fish") if isinstance(result, dict) else None


def invoke_of(artifact, method):
    return {"op": "invoke", "artifact": artifact, "method": method}
