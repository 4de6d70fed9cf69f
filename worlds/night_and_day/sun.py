"""Opens the market in the morning and closes it in the evening; sleeps in between."""


def step(observation):
    hours = observation["self"]["content"]
    is_open = query("artifact", artifact="market")["metadata"]["open"]
    now = observation["now"]
    if not is_open and now < hours["open"]:
        return {"op": "sleep", "until": hours["open"]}
    if not is_open and now < hours["close"]:
        return [
            {"op": "invoke", "artifact": "market", "method": "open"},
            {"op": "sleep", "until": hours["close"]},
        ]
    if is_open:
        return [
            {"op": "invoke", "artifact": "market", "method": "close"},
            {"op": "sleep", "for": "24h"},
        ]
    return {"op": "sleep", "for": "24h"}
