"""That pipes and files pass with no copy: what the command has open is what the caller has open."""
import ctypes
import os
import sys
import time

from clocks import compare, ended, rounds, spawn
from memory import children, name

LIBC = ctypes.CDLL(None, use_errno=True)
KCMP, KCMP_FILE, CHUNK = 312, 0, 1 << 16


def same_file(pid, inside, outside):
    """Whether both are one open file description, by kcmp(2)."""
    numbers = [ctypes.c_ulong(number) for number in (inside, outside)]
    result = LIBC.syscall(KCMP, os.getpid(), pid, KCMP_FILE, numbers[1], numbers[0])
    if result < 0:
        sys.exit(f"benches/run: kcmp: {os.strerror(ctypes.get_errno())}")
    return result == 0


def handed(words, place, streams):
    """Which streams are the caller's very own, seen while the command waits for its input."""
    keep, onto = streams["input"], streams["output"]
    pid = spawn(words, place, {0: keep[0], 1: onto[1], 2: streams["file"]})
    os.read(onto[0], 1)
    command = next(each for each in iter(lambda: found(pid), None) if each)
    outside = (keep[0], onto[1], streams["file"])
    result = [same_file(command, fd, ours) for fd, ours in enumerate(outside)]
    os.close(keep[1])
    ended(pid, words)
    return result


def found(pid):
    return next((each for each in children(pid) if name(each) == "cat"), 0)


def through_a_pipe(size):
    def run(words, place):
        read, write = os.pipe()
        pid = spawn(words, place, {1: write})
        os.close(write)
        count, begun = len(os.read(read, CHUNK)), time.perf_counter()
        while count < size:
            count += len(os.read(read, CHUNK))
        took = time.perf_counter() - begun
        os.close(read)
        ended(pid, words)
        return size / took

    return run


def measure(programs, asked):
    words = programs.sixdocker(set(), ["/bin/sh", "-c", "echo; exec cat"], "tty: false\n")
    path = programs.write("file", "")
    with open(path, "r+b") as file:
        streams = {"input": os.pipe(), "output": os.pipe(), "file": file.fileno()}
        same = dict(zip(("pipe on stdin", "pipe on stdout", "file on stderr"), handed(words, programs.place, streams)))
    print("\nopen file descriptions of the caller's that the command has:")
    for stream, is_same in same.items():
        print(f"  {stream:16} {'the same' if is_same else 'ANOTHER'}")
    if not all(same.values()):
        sys.exit("benches/run: a stream was copied")
    size = (1 << 30) if asked.rounds >= 100 else (1 << 26)
    zeros = ["/bin/dd", "if=/dev/zero", "bs=64k", f"count={size // CHUNK}"]
    commands = {"no sandbox": [programs.root + zeros[0], *zeros[1:]], "sixdocker": programs.sixdocker(set(), zeros)}
    rates = rounds(commands, max(3, asked.rounds // 20), asked.patience, through_a_pipe(size), programs.place)
    figures = compare(rates, 1e-9, "no sandbox")
    print(f"\nthrough a pipe\n{'':12} {'median':>8} GB/s {'ratio':>7}")
    for tool, row in figures.items():
        print(f"{tool:12} {row['median']:8.2f} {'':4} {row['ratio']:7.3f}", flush=True)
    return {"same open file": same, "pipe": figures}
