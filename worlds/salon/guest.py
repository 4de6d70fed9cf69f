"""A guest: says what it would like, has whatever the shopkeeper sells by then, and complains about the price."""


def step(observation):
    content = observation["self"]["content"]
    if observation["step"] == content["comes"]:
        return {"op": "remember", "artifact": "shopkeeper_memory", "text": f"A guest would like {content['likes']}."}
    goods = [row for kind in ("drink", "food") for row in query("artifacts", type=kind)]
    if not goods:
        return None
    best = min(goods, key=lambda row: (row["price"], row["id"]))
    if best["price"] > content["limit"]:
        return {"op": "remember", "artifact": "shopkeeper_memory", "text": f"{best['id']} is too dear."}
    return {"op": "invoke", "artifact": best["id"]}
