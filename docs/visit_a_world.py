"""Visits a world as an MCP client does: python3 docs/visit_a_world.py WORLD PRINCIPAL [path of the binary oikos]

It speaks the protocol by hand, one JSON object a line, and prints what it calls (>) and what it is told (<).
"""

import json
import subprocess
import sys

ANALYSIS = '''
def run(text):
    """Counts the words of a text and weighs its mood."""
    words = {}
    for word in text.split():
        words[word] = words.get(word, 0) + 1
    good = sum(words.get(word, 0) for word in ["rich", "safe", "fine", "glad"])
    bad = sum(words.get(word, 0) for word in ["poor", "lost", "storm", "fear"])
    return {"words": words, "mood": good - bad}
'''


class Client:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.id = 0
        told = self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "visitor", "version": "1"})
        print("speaks", told["protocolVersion"], "with", told["serverInfo"]["name"])
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def say(self, message):
        print(json.dumps(message), file=self.process.stdin, flush=True)

    def ask(self, method, **params):
        self.id += 1
        self.say({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params})
        return json.loads(self.process.stdout.readline())["result"]

    def call(self, tool, **arguments):
        result = self.ask("tools/call", name=tool, arguments=arguments)
        told = result["structuredContent"]
        print(">", tool, shortened(arguments))
        if result["isError"]:
            error = told["error"]
            print("< refused:", error["message"] + "; " + (error.get("hint") or ""))
        else:
            print("<", shortened(told.get("result", told)))
        return told

    def leave(self):
        self.process.stdin.close()
        print("left, with exit code", self.process.wait())


def shortened(value):
    text = json.dumps(value)
    return text if len(text) < 160 else text[:156] + " …"


world, who, *binary = sys.argv[1:]
client = Client(*(binary or ["oikos"]), "mcp", world, "--as", who)
tools = client.ask("tools/list")["tools"]
print(len(tools), "tools:", ", ".join(tool["name"] for tool in tools))

has = client.call("observe")["self"]["scrip"]
client.call("handbook")
client.call("handbook", page="trade")

# The tools of others: somebody sells what I could make.
tools = client.call("query", what="artifacts", type="tool")["result"]
rivals = [tool for tool in tools if tool["metadata"]["skill"] == "analysis" and tool["price"] > 1]
rival = min(rivals, key=lambda tool: (tool["price"], tool["id"]))
refused = client.call("invoke", artifact=rival["id"], args=["rich and safe and glad"], max_spend=1)
client.call("invoke", artifact=rival["id"], args=["rich and safe and glad"], max_spend=refused["error"]["need"])

# The same for less.
client.call("write", artifact=who + "_analysis", kind="tool", code=ANALYSIS, price=1, metadata={"skill": "analysis"})
has = client.call("query", what="balance")["result"]
woken = client.call("sleep", **{"resource": "scrip", "level": has + 1, "for": "2h"})
print("woken at", woken["now"], "by", woken["ended"], "after", len(woken["events"]), "events; the last", shortened(woken["events"][-1]))
client.call("query", what="balance")
client.leave()
