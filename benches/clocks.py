"""How runs are timed, and what is said of the times."""
import os
import random
import statistics
import subprocess
import sys
import time

from programs import FILTER


class Calm:
    """Waits, until all patience is used up, for a moment in which nobody else wants a processor."""

    spent = 0.0

    def __init__(self, patience):
        self.patience = patience

    def wait(self):
        quiet = 0
        while Calm.spent < self.patience and quiet < 3:
            with open("/proc/stat", encoding="utf-8") as file:
                running = next(int(line.split()[1]) for line in file if line.startswith("procs_running"))
            quiet = quiet + 1 if running == 1 else 0
            time.sleep(0.002)
            Calm.spent += 0.002


def spawn(words, place, streams=None):
    """Starts a command with nothing for its streams, or with these descriptors."""
    words = [word.replace("{name}", f"bench-{os.getpid()}-{time.monotonic_ns()}") for word in words]
    actions = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in range(3)]
    for fd, source in (streams or {}).items():
        actions.append((os.POSIX_SPAWN_DUP2, source, fd))
    if "--seccomp" in words and words[0] == "bwrap":
        actions.append((os.POSIX_SPAWN_OPEN, FILTER, os.path.join(place, "filter"), os.O_RDONLY, 0))
    return os.posix_spawnp(words[0], words, os.environ, file_actions=actions)


def ended(pid, words):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        sys.exit(f"benches/run: ended with {status}: {' '.join(words)}")


def once(words, place):
    """Seconds of a whole run."""
    begun = time.perf_counter()
    ended(spawn(words, place), words)
    return time.perf_counter() - begun


def works(name, words, place):
    """Whether a peer runs here at all. What it says if not is shown."""
    read, write = os.pipe()
    pid = spawn(words, place, {1: write, 2: write})
    os.close(write)
    with os.fdopen(read, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read().strip().splitlines()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        print(f"  {name} does not run here ({status}): {' '.join(said[:2])}", flush=True)
    return status == 0


def rounds(commands, count, patience, measure=once, place=""):
    """Every command once a round, in a new random order, so that the machine's moods fall on all."""
    values, calm = {name: [] for name in commands}, Calm(patience)
    for number in range(-3, count):
        calm.wait()
        for name in random.sample(list(commands), len(commands)):
            value = measure(commands[name], place)
            if number >= 0:
                values[name].append(value)
    return values


def spread(pairs):
    """The median of ratios, and where it lies in 95 of 100 samples drawn from them anew."""
    drawn = sorted(statistics.median(random.choices(pairs, k=len(pairs))) for _ in range(400))
    return {"ratio": statistics.median(pairs), "low": drawn[10], "high": drawn[-11]}


def compare(values, scale=1.0, base="limit"):
    """Figures of each command, and its ratios to the base's, round by round."""
    figures = {}
    for name, mine in values.items():
        quarters = statistics.quantiles(mine, n=4, method="inclusive")
        ratio = spread([a / b for a, b in zip(mine, values[base])])
        figures[name] = {"min": min(mine) * scale, "p25": quarters[0] * scale, "median": quarters[1] * scale,
                         "p75": quarters[2] * scale, "min_ratio": min(mine) / min(values[base]), **ratio}
    return figures


def table(title, figures, unit):
    print(f"\n{title}\n{'':12} {'min':>8} {'p25':>8} {'median':>8} {'p75':>8} {unit:4} {'min ×':>7} {'median ×':>9} {'95 %':>15}")
    for name, row in figures.items():
        print(f"{name:12} {row['min']:8.2f} {row['p25']:8.2f} {row['median']:8.2f} {row['p75']:8.2f} {'':4} "
              f"{row['min_ratio']:7.3f} {row['ratio']:9.3f} {row['low']:7.3f}–{row['high']:.3f}", flush=True)


def output(words, streams=subprocess.DEVNULL):
    """What a command prints."""
    done = subprocess.run(words, stdin=streams, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"benches/run: ended with {done.returncode}: {' '.join(words)}\n{done.stderr}")
    return done.stdout
