"""System calls and page faults of a run, of all its processes, the command's own included."""
import os
import shutil
import subprocess
import sys

from programs import FILTER
from starts import LEVELS, possible


def run(words, place):
    """Whether it ended well, and the minor page faults of whatever was waited for."""
    words = [word.replace("{name}", f"bench-{os.getpid()}") for word in words]
    with open(os.path.join(place, "filter"), "rb") as filter_file:
        os.dup2(filter_file.fileno(), FILTER)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, pass_fds=[FILTER], **quiet) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode == 0, used.ru_minflt


def count(words, place):
    """By name. strace slows a run down: its times mean nothing."""
    log = os.path.join(place, "calls")
    well, _ = run(["strace", "-f", "-c", "-U", "calls,name", "-o", log, *words], place)
    if not well:
        return None
    with open(log, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return {line[-1]: int(line[0]) for line in lines if len(line) == 2 and line[0].isdigit() and line[1] != "total"}


def measure(programs, _asked):
    if not shutil.which("strace"):
        sys.exit("benches/run: strace is not installed")
    found = {}
    for title in possible(programs):
        print(f"\n{title}\n{'':12} {'calls':>7} {'ratio':>7} {'faults':>7}  most frequent")
        found[title] = {}
        for tool, maker in programs.all().items():
            words = maker(LEVELS[title], ["/bin/true"])
            calls = words and count(words, programs.place)
            if not calls:
                continue
            total, most = sum(calls.values()), sorted(calls.items(), key=lambda call: -call[1])
            base = found[title].get("limit", {"calls": total})["calls"]
            _, faults = run(words, programs.place)
            found[title][tool] = {"calls": total, "ratio": total / base, "faults": faults, "names": dict(most)}
            print(f"{tool:12} {total:7} {total / base:7.3f} {faults:7}  {' '.join(f'{name} {n}' for name, n in most[:8])}", flush=True)
    return {"levels": found}
