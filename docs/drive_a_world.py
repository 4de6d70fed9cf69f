"""Drives a world from outside: python3 docs/drive_a_world.py [path of the binary oikos]"""

import json
import subprocess
import sys

binary = sys.argv[1] if len(sys.argv) > 1 else "oikos"
requests = [
    {"id": 1, "run": {"ticks": 20}},
    {"id": 2, "act": {"as": "writer_001", "op": "transfer", "to": "scholar_001", "amount": 5}},
    {"id": 3, "query": {"what": "artifacts", "type": "tool", "limit": 3}},
    {"id": 4, "verify": True},
]
with subprocess.Popen([binary, "session", "worlds/bazaar.toml"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as world:
    for request in requests:
        print(json.dumps(request), file=world.stdin, flush=True)
        print(json.dumps(json.loads(world.stdout.readline()), indent=2))
    world.stdin.close()
