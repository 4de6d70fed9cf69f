"""Makes one sweep here, by Ray, by Ray killed half-way, by GNU parallel, and by the texts for clusters in
docs/sweeps.md; all files but timings.csv must be the same. Words: a folder, the page; or `ray` and a folder."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import oikos

WORLD = """
[world]
name = "dice"
[execution]
ticks = 600
tick_duration = "60s"
[scrip]
start = 3
[measures]
every = "1h"
gini = "gini(scrip)"
[[agents]]
id = "person"
count = 4
code_file = "mind.py"
"""
MIND = """
import random

def step(observation):
    if observation['self']['scrip'] == 0:
        return {'op': 'delete', 'artifact': 'nothing'}
    other = query('agents', sample=1)[0]['id']
    return {'op': 'transfer', 'to': other, 'amount': random.randint(1, observation['self']['scrip'])}
"""
SWEEP = {"seeds": range(1, 9), "set": {"scrip.start": [1, 2, 5], "execution.ticks": [100, 600]}}
RUNS = 48
WORDS = ["--seeds", "1..8", "--set", "scrip.start=1,2,5", "--set", "execution.ticks=100,600"]
ELSEWHERE = {"plan.json", "rows"}


def by_ray(folder):
    return oikos.sweep(folder.parent / "dice.toml", out=folder, on="ray", jobs=2, progress=False, **SWEEP)


def rows(folder):
    return sum(path.read_text().count("\n") > 1 for path in folder.glob("rows/*/*.jsonl"))


def same(here, there):
    """Compares the files of two folders."""
    names = {path.name for path in here.iterdir()}
    found = {path.name for path in there.iterdir()}
    assert found == names | ELSEWHERE, f"{there.name} has {sorted(found ^ (names | ELSEWHERE))}"
    for name in names - {"timings.csv"}:
        assert (here / name).read_bytes() == (there / name).read_bytes(), f"{there.name}/{name} differs"
    assert (there / "timings.csv").read_text().count("\n") == RUNS + 1
    print(f"{there.name}: the same {len(names) - 1} files", flush=True)


def killed(folder):
    """Kills the process that sweeps by Ray half-way, and begins it again; returns the rows that there were."""
    command = [sys.executable, __file__, "ray", os.fspath(folder)]
    process = subprocess.Popen(command, start_new_session=True)
    while rows(folder) < RUNS // 3:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there = rows(folder)
    assert there < RUNS, "it came to its end"
    subprocess.run(command, check=True)
    return there


def block(page, title, language):
    """The text for a launcher in the page."""
    section = page.split(f"### {title}\n")[1].split("\n### ")[0]
    return re.search(rf"```{language}\n(.*?)```", section, re.S)[1]


def plan(folder):
    oikos.binary.call(["sweep", "plan", os.fspath(folder.parent / "dice.toml"), "--out", os.fspath(folder), *WORDS])


def by_parallel(folder, text):
    plan(folder)
    script = folder.parent / "parallel.sh"
    script.write_text(text)
    subprocess.run(["bash", os.fspath(script), os.fspath(folder)], check=True, stdout=subprocess.DEVNULL)


def by_slurm(folder, text):
    """Runs the script as the tasks of an array would, ten runs each."""
    plan(folder)
    script = folder.parent / "slurm.sh"
    script.write_text(text)
    for task in range(-(-RUNS // 10)):
        surroundings = {**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "EACH": "10"}
        command = ["bash", os.fspath(script), os.fspath(folder)]
        subprocess.run(command, check=True, env=surroundings, stdout=subprocess.DEVNULL)
    oikos.binary.call(["sweep", "merge", os.fspath(folder)])


def by_pods(folder, text):
    """Reads the job, and runs the command of its pod for each index."""
    import yaml

    spec = yaml.safe_load(text)["spec"]
    assert spec["completionMode"] == "Indexed" and spec["backoffLimitPerIndex"] > 0
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert container["volumeMounts"][0]["name"] == pod["volumes"][0]["name"]
    plan(folder)
    command = [word.replace("/sweeps/coins-sweep", os.fspath(folder)) for word in container["command"]]
    assert command != container["command"]
    for index in range(RUNS):
        surroundings = {**os.environ, "JOB_COMPLETION_INDEX": str(index)}
        subprocess.run(command, check=True, env=surroundings, stdout=subprocess.DEVNULL)
    oikos.binary.call(["sweep", "merge", os.fspath(folder)])


def main(place, page):
    (place / "dice.toml").write_text(WORLD)
    (place / "mind.py").write_text(MIND)
    here = place / "here"
    oikos.sweep(place / "dice.toml", out=here, progress=False, **SWEEP)
    by_ray(place / "ray")
    same(here, place / "ray")
    there = killed(place / "ray-killed")
    print(f"killed when {there} of {RUNS} rows were there", flush=True)
    same(here, place / "ray-killed")
    # The launchers find the binary by its name.
    shutil.copy(oikos.binary.find_binary(), place / "oikos")
    os.environ["PATH"] = f"{place}{os.pathsep}{os.environ['PATH']}"
    for name, title, language, make in [
        ("slurm", "SLURM", "bash", by_slurm),
        ("pods", "Kubernetes", "yaml", by_pods),
        ("parallel", "GNU parallel", "bash", by_parallel),
    ]:
        if name == "parallel" and shutil.which("parallel") is None:
            print("there is no GNU parallel here, so its script is not tried", flush=True)
            continue
        make(place / name, block(page, title, language))
        same(here, place / name)


if sys.argv[1] == "ray":
    by_ray(pathlib.Path(sys.argv[2]))
else:
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text())
