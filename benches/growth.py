"""How cost grows: with mounts, with the manifest, with sandboxes at once, with the mounts of the host."""
import os
import resource
import statistics
import time

import same
import spaces
from clocks import compare, rounds, spawn
from starts import possible

TRUE = ["/bin/true"]
MOUNTS, SIZES = (1, 10, 100, 1000), (1 << 10, 10 << 10, 100 << 10, 1000 << 10)
AT_ONCE, HOST = (1, 10, 50, 100, 200, 500), (10, 100, 1000, 10000)
# Below this many rounds it is a test of the bench, for which two points of a curve are enough.
FEW = 10


def some(points, asked):
    return points if asked.rounds >= FEW else points[:2]


def mounts(programs, asked):
    """Directories bound into the sandbox."""
    source = os.path.join(programs.place, "source")
    for number in range(max(MOUNTS)):
        os.makedirs(os.path.join(source, str(number)), exist_ok=True)
        os.makedirs(os.path.join(programs.root, f"m/{number}"), exist_ok=True)
    for count in some(MOUNTS, asked):
        more = "".join(f'  - "{source}/{number}:/m/{number}"\n' for number in range(count))
        made = {"limit": lambda features, command: programs.limit(features, command, (source, count)),
                "sixdocker": lambda features, command: programs.sixdocker(features, command, f"mounts:\n{more}")}
        same.check(programs, set(), made)
        yield count, timed({tool: maker(set(), TRUE) for tool, maker in made.items()}, programs, asked, 1 if count < 1000 else 4)


def manifest(programs, asked):
    """Bytes of the manifest, most of them labels."""
    for size in some(SIZES, asked):
        lines, length = ["labels:"], 200
        while length < size:
            lines.append(f"  label{len(lines)}: some text that somebody wants to find in the report")
            length += len(lines[-1]) + 1
        words = programs.sixdocker(set(), TRUE, "\n".join(lines) + "\n")
        yield os.path.getsize(words[-1]), timed({"limit": programs.limit(set(), TRUE), "sixdocker": words}, programs, asked)


def at_once(programs, asked):
    """Sandboxes that are there at the same time: milliseconds for each, from the first call until all commands run, and
    until all are gone."""
    command = ["/bin/sh", "-c", "echo; read line"]
    commands = {"limit": programs.limit(set(), command), "sixdocker": programs.sixdocker(set(), command)}
    for count in some(AT_ONCE, asked):
        turns = max(2, min(asked.rounds // 10, 1000 // count))
        pairs = rounds(commands, turns, 0, lambda words, place, count=count: crowd(words, place, count), programs.place)
        figures = {}
        for tool, values in pairs.items():
            up, down = ([value[part] for value in values] for part in (0, 1))
            figures[tool] = {"median": statistics.median(up) * 1000, "min": min(up) * 1000, "down": statistics.median(down) * 1000}
            figures[tool]["ratio"] = statistics.median([a[0] / b[0] for a, b in zip(values, pairs["limit"])])
        yield count, figures


def crowd(words, place, count):
    into, onto = os.pipe(), os.pipe()
    begun = time.perf_counter()
    pids = [spawn(words, place, {0: into[0], 1: onto[1]}) for _ in range(count)]
    there = 0
    while there < count:
        there += len(os.read(onto[0], count))
    up = time.perf_counter() - begun
    begun = time.perf_counter()
    for fd in (*into, *onto):
        if fd != onto[0]:
            os.close(fd)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(onto[0])
    return up / count, (time.perf_counter() - begun) / count


def host(programs, asked):
    """Mounts of the host, in a mount namespace that is thrown away."""
    if os.geteuid():
        return
    # Everything is mounted below one directory, which nobody asks for.
    place = os.path.join(programs.place, "host")
    spaces.own_mounts()
    os.makedirs(place)
    spaces.mount("none", place, "tmpfs")
    have = 0
    for count in some(HOST, asked):
        for number in range(have, count):
            target = os.path.join(place, str(number))
            os.mkdir(target)
            spaces.mount("none", target, "tmpfs")
        have = count
        # With limits, for which the hierarchies must be found among the mounts.
        features = max(possible(programs).values(), key=len)
        commands = {"limit": programs.limit(features, TRUE), "sixdocker": programs.sixdocker(features, TRUE)}
        yield count, timed(commands, programs, asked, 1 if count < 1000 else 4)
    spaces.unmount(place)


def timed(commands, programs, asked, divide=1):
    return compare(rounds(commands, max(3, asked.rounds // divide), asked.patience, place=programs.place), 1000)


def measure(programs, asked):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    found = {}
    for curve in (mounts, manifest, at_once, host):
        print(f"\n{curve.__doc__}\n{'':8} {'limit':>9} {'sixdocker':>9} ms {'ratio':>7}")
        points = []
        for at, figures in curve(programs, asked):
            points.append({"at": at, **figures})
            print(f"{at:8} {figures['limit']['median']:9.2f} {figures['sixdocker']['median']:9.2f} {'':2} "
                  f"{figures['sixdocker']['ratio']:7.3f}", flush=True)
        found[curve.__name__] = points
    return {"curves": found}
