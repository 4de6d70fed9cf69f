"""A scholar: buys a dispatch, has a tool study it, and sells what was found as a report.

All of that is one atomic action, its own method `study`: if the tool fails or costs more than was
planned, the dispatch is not paid for either. A scholar who finds no tool for its question says so in
a `wanted` notice, which makers read. Those whose style is "bold" do not count their money first.
"""

SKILLS = ["analysis", "patterns", "index"]
ON_SALE_MAX = 3


def step(observation):
    this = observation["self"]
    mine = query("artifacts", of=this["id"], type="report")
    if len(mine) > ON_SALE_MAX:
        return {"op": "delete", "artifact": mine[0]["id"]}
    sold = sum(1 for event in observation["events"] if event["type"] == "invoke")
    markup = storage_get("markup", 3)
    if sold != 1 and random() < 0.2:
        # Asks more when more than one was sold since the last step, less when none was.
        markup = min(20, markup + 1) if sold > 1 else max(1, markup - 1)
        return {"op": "store", "key": "markup", "value": markup}
    return plan(observation, markup)


def plan(observation, markup):
    this = observation["self"]
    tools = query("artifacts", type="tool")
    skill = this["content"]["skill"] if random() < 0.6 else SKILLS[int(random() * 3)]
    fits = [tool for tool in tools if tool["metadata"]["skill"] == skill]
    dispatches = query("artifacts", type="dispatch")
    if not fits:
        return notice(this, skill)
    if not dispatches:
        return None
    by_id = {tool["id"]: tool for tool in tools}
    # The cheapest; chance decides between equals.
    offers = sorted([total(by_id, tool["id"]), random(), tool["id"]] for tool in fits)
    bound, _, tool = offers[0]
    some = [dispatches[int(random() * len(dispatches))] for _ in range(3)]
    dispatch = min(some, key=lambda dispatch: dispatch["price"])
    cost = bound + dispatch["price"]
    if this["content"]["style"] == "careful" and cost > this["scrip"] // 2:
        return None
    if cost > this["content"]["worth"][skill] + this["scrip"] // 20:
        return notice(this, skill)
    name = "report_" + this["id"] + "_" + str(observation["tick"])
    args = [dispatch["id"], tool, bound, name, markup + cost // 2]
    return {
        "op": "invoke", "artifact": this["id"], "method": "study", "args": args, "max_spend": cost,
    }


def total(tools, name):
    """The cost of one use: the tool's own price, and those of the tools that it builds on."""
    tool = tools.get(name)
    if tool is None:
        return 0
    return tool["price"] + sum(total(tools, part) for part in tool["depends_on"])


def notice(this, skill):
    """Asks for a tool, or for a cheaper one."""
    offer = this["content"]["worth"][skill]
    name = "wanted_" + this["id"]
    content = {"skill": skill, "offer": offer}
    return {"op": "write", "artifact": name, "kind": "wanted", "content": content}


def study(dispatch, tool, bound, name, price):
    """Pays for a dispatch and for its study, and puts the result on sale."""
    text = invoke(dispatch)
    found = invoke(tool, text, max_spend=bound)
    code = "def run():\n    return " + repr(found) + "\n"
    write(name, kind="report", code=code, price=price, access_contract="paywall")
    invoke("census", method="count")
    return found["mood"]
