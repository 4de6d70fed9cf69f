"""A patron: writes to the broker which tool it would like, one in every second step, and pays for the errand."""


def step(observation):
    wishes = observation["self"]["content"]["wishes"]
    number, pause = divmod(observation["step"], 2)
    if pause or number >= len(wishes):
        return None
    return [
        {"op": "remember", "artifact": "broker_memory", "text": f"A guest wants a tool that {wishes[number]}."},
        {"op": "transfer", "to": "broker", "amount": 5},
    ]
