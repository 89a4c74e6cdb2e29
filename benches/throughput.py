"""Sandboxes per second, by as many workers as the machine has processors and more."""
import random
import statistics

import same
from clocks import output
from programs import LOCK
from starts import possible, runnable

WORKERS = (1, 2, 16)


def turn(programs, workers, seconds, words):
    runs, took = output([programs.clock, str(workers), str(seconds), *words]).split()
    return int(runs) / float(took)


def measure(programs, asked):
    features = max(possible(programs).values(), key=len) or {LOCK}
    same.check(programs, features)
    turns, seconds = max(3, asked.rounds // 20), min(1.0, asked.rounds / 100)
    # Whoever wants another name for each run, or a descriptor, can't be started by clock.c.
    commands = runnable(programs, features, ["/bin/true"])
    commands = {tool: words for tool, words in commands.items() if not {"{name}", "--seccomp"} & set(words) or tool == "hakoniwa"}
    found = {"turns": turns, "seconds": seconds, "features": sorted(features), "workers": {}}
    for workers in WORKERS:
        rates = {name: [] for name in commands}
        for _ in range(turns):
            for name in random.sample(list(commands), len(commands)):
                rates[name].append(turn(programs, workers, seconds, commands[name]))
        found["workers"][workers] = table(workers, rates)
    return found


def table(workers, rates):
    print(f"\n{workers} workers{'':3} {'median/s':>9} {'best/s':>9} {'ratio':>7} {'p25–p75':>13}")
    figures = {}
    for name, mine in rates.items():
        ratios = statistics.quantiles([a / b for a, b in zip(mine, rates["limit"])], n=4, method="inclusive")
        figures[name] = {"median": statistics.median(mine), "best": max(mine), "ratio": ratios[1], "p25": ratios[0], "p75": ratios[2]}
        print(f"{name:12} {statistics.median(mine):9.1f} {max(mine):9.1f} {ratios[1]:7.3f} {ratios[0]:6.3f}–{ratios[2]:.3f}", flush=True)
    return figures
