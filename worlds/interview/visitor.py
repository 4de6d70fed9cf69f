"""A visitor: gives something to both guests of the inn, and later pays a coin to ask how much it was."""


def step(observation):
    plan = observation["self"]["content"]
    amounts = {plan["gives_at"]: plan["gives"], plan["asks_at"]: 1}
    amount = amounts.get(observation["step"])
    if amount is None:
        return None
    return [{"op": "transfer", "to": guest, "amount": amount} for guest in ("witness", "stranger")]
