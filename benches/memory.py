"""What a sandbox holds of memory beside its command, while that waits for input."""
import contextlib
import glob
import os
import time

from clocks import ended, spawn
from starts import LEVELS, possible

# What it prints says that it is there.
COMMAND = ["/bin/sh", "-c", "echo; exec cat"]
SETTLED = 0.5
FIELDS = ("Rss", "Pss", "Private_Clean", "Private_Dirty")


def children(pid):
    """This process and all below it, whichever of its threads made them."""
    below = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            below += file.read().split()
    return [pid, *(each for child in below for each in children(int(child)))]


def name(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()
    return "gone"


def resident(pid):
    """Of smaps_rollup in KiB; where that is closed, of status, which counts pages in lots."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file.read().splitlines()[1:])
        return {field: int(lines[field].split()[0]) for field in FIELDS}
    except PermissionError:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file.read().splitlines())
        return {"Rss": sum(int(lines[field].split()[0]) for field in ("RssAnon", "RssFile", "RssShmem"))}


def held(words, place):
    """All that the tool's own processes hold, once the command is there."""
    into, onto = os.pipe(), os.pipe()
    pid = spawn(words, place, {0: into[0], 1: onto[1]})
    os.close(into[0])
    os.close(onto[1])
    os.read(onto[0], 1)
    own = []
    while not any(name(each) == "cat" for each in own):
        own = children(pid)
    own = [each for each in own if name(each) != "cat"]
    # What a start needed may be given back while the command runs.
    time.sleep(SETTLED)
    found = {"processes": [name(each) for each in own]}
    for each in own:
        for field, value in resident(each).items():
            found[field] = found.get(field, 0) + value
    os.close(into[1])
    os.close(onto[0])
    ended(pid, words)
    return found


def measure(programs, _asked):
    found = {}
    for title in possible(programs):
        print(f"\n{title}\n{'':12} {'rss KiB':>8} {'pss':>8} {'private':>8}  processes")
        found[title] = {}
        for tool, maker in programs.all().items():
            words = maker(LEVELS[title], COMMAND)
            if words is None:
                continue
            row = found[title][tool] = held(words, programs.place)
            private = row.get("Private_Clean", 0) + row.get("Private_Dirty", 0)
            print(f"{tool:12} {row['Rss']:8} {row.get('Pss', 0):8} {private:8}  {' '.join(row['processes'])}", flush=True)
    return {"levels": found}
