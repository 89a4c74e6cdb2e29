"""Sandboxes per second, by as many workers as the machine has processors and more."""
import random
import statistics
import subprocess
import sys

import same
from programs import LOCK
from starts import possible, runnable

WORKERS = (1, 2, 16)


def turn(programs, workers, seconds, words):
    """Runs per second; none where a run failed."""
    done = subprocess.run([programs.clock, str(workers), str(seconds), *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    runs, took = done.stdout.split()
    return int(runs) / float(took)


def turns_of(programs, workers, turns, seconds, commands):
    """The rates of each, in turns; without those that fail beside others of their kind."""
    rates = {name: [] for name in commands}
    for _ in range(turns):
        for name in random.sample(list(rates), len(rates)):
            rate = turn(programs, workers, seconds, commands[name])
            if rate is None and name in ("limit", "sixdocker"):
                sys.exit(f"benches/run: {name} fails with {workers} workers")
            if rate is None:
                print(f"  {name} fails with {workers} workers", flush=True)
                del rates[name]
            else:
                rates[name].append(rate)
    return rates


def measure(programs, asked):
    features = max(possible(programs).values(), key=len) or {LOCK}
    same.check(programs, features)
    turns, seconds = max(3, asked.rounds // 20), min(1.0, asked.rounds / 100)
    # Whoever wants another name for each run, or a descriptor, can't be started by clock.c.
    commands = runnable(programs, features, ["/bin/true"])
    commands = {tool: words for tool, words in commands.items() if not {"{name}", "--seccomp"} & set(words) or tool == "hakoniwa"}
    found = {"turns": turns, "seconds": seconds, "features": sorted(features), "workers": {}}
    for workers in WORKERS:
        found["workers"][workers] = table(workers, turns_of(programs, workers, turns, seconds, commands))
    return found


def table(workers, rates):
    print(f"\n{workers} workers{'':3} {'median/s':>9} {'best/s':>9} {'ratio':>7} {'p25–p75':>13}")
    figures = {}
    for name, mine in rates.items():
        ratios = statistics.quantiles([a / b for a, b in zip(mine, rates["limit"])], n=4, method="inclusive")
        figures[name] = {"median": statistics.median(mine), "best": max(mine), "ratio": ratios[1], "p25": ratios[0], "p75": ratios[2]}
        print(f"{name:12} {statistics.median(mine):9.1f} {max(mine):9.1f} {ratios[1]:7.3f} {ratios[0]:6.3f}–{ratios[2]:.3f}", flush=True)
    return figures
