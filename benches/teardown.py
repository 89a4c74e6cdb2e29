"""From the call to the command's first instruction, and from its last one to the end of the run."""
import os
import struct
import time

import same
from clocks import compare, ended, rounds, spawn, table
from starts import possible, runnable


def phases(words, place):
    read, write = os.pipe()
    begun = time.monotonic()
    pid = spawn(words, place, {1: write})
    ended(pid, words)
    over = time.monotonic()
    os.close(write)
    said = os.read(read, 64)
    os.close(read)
    seconds = struct.unpack("4q", said)
    return seconds[0] + seconds[1] / 1e9 - begun, over - seconds[2] - seconds[3] / 1e9


def measure(programs, asked):
    found = {}
    for title, features in possible(programs).items():
        same.check(programs, features)
        commands = runnable(programs, features, ["/bin/last"])
        times = rounds(commands, asked.rounds, asked.patience, phases, programs.place)
        for part, phase in enumerate(("from the call to the command", "from the command's end to ours")):
            figures = compare({tool: [pair[part] for pair in pairs] for tool, pairs in times.items()}, 1000)
            table(f"{title}: {phase}", figures, "ms")
            found[f"{title}: {phase}"] = figures
    return {"levels": found}
