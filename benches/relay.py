"""How fast a terminal is passed on, beside a relay in C without a sandbox (benches/relay.c)."""
import os
import pty
import threading
import time

from clocks import compare, ended, rounds, spawn
from programs import compile_c

CHUNK, TTY = 65536, "tty: true\n"


def received(fd, size, first=b""):
    """Seconds from the first byte to this many."""
    count, begun = len(first or os.read(fd, CHUNK)), time.perf_counter()
    while count < size:
        count += len(os.read(fd, CHUNK))
    return time.perf_counter() - begun


def from_inside(size, terminal):
    """Bytes of the command's to us, through a pipe, or through a terminal of the caller's."""
    def run(words, place):
        onto = pty.openpty() if terminal else os.pipe()
        pid = spawn(words, place, {0: onto[1], 1: onto[1]} if terminal else {1: onto[1]})
        os.close(onto[1])
        took = received(onto[0], size)
        rest(onto[0])
        ended(pid, words)
        return size / took

    return run


def rest(fd):
    try:
        while os.read(fd, CHUNK):
            pass
    except OSError:
        # What a terminal says that nobody has open.
        pass
    os.close(fd)


def to_inside(size):
    """Bytes of ours to the command, which says when it is ready for them."""
    def run(words, place):
        into, onto = os.pipe(), os.pipe()
        pid = spawn(words, place, {0: into[0], 1: onto[1]})
        os.close(into[0])
        os.close(onto[1])
        while b"ready" not in os.read(onto[0], CHUNK):
            pass
        begun = time.perf_counter()
        writer = threading.Thread(target=pour, args=(into[1], size))
        writer.start()
        said = b""
        while b"done" not in said:
            said = os.read(onto[0], CHUNK)
        took = time.perf_counter() - begun
        writer.join()
        rest(onto[0])
        os.close(into[1])
        ended(pid, words)
        return size / took

    return run


def pour(fd, size):
    block = b"x" * CHUNK
    for _ in range(size // CHUNK):
        os.write(fd, block)


def measure(programs, asked):
    relay = compile_c("relay", programs.place)
    count, megabytes = max(3, asked.rounds // 10), 32 if asked.rounds >= 100 else 2
    size = megabytes << 20
    busybox = "/bin/busybox"
    zeros = [busybox, "dd", "if=/dev/zero", "bs=64k", f"count={size // CHUNK}"]
    taking = [busybox, "sh", "-c", f"{busybox} stty raw -echo; echo ready; {busybox} head -c {size} >/dev/null; echo done"]
    ways = {"from the command to a pipe": (zeros, from_inside(size, False)),
            "from the command to a terminal": (zeros, from_inside(size, True)),
            "from a pipe to the command": (taking, to_inside(size))}
    found = {"bytes": size, "ways": {}}
    for way, (command, run) in ways.items():
        outside = [os.path.join(programs.root, word[1:]) if word == busybox else word.replace("/bin/", f"{programs.root}/bin/")
                   for word in command]
        commands = {"relay.c": [relay, *outside], "sixdocker": programs.sixdocker(set(), command, TTY)}
        rates = rounds(commands, count, asked.patience, run, programs.place)
        found["ways"][way] = figures = compare(rates, 1e-6, "relay.c")
        print(f"\n{way}\n{'':12} {'median':>8} {'best':>8} MB/s {'ratio':>7} {'95 %':>13}")
        for name, row in figures.items():
            row["best"] = max(rates[name]) / 1e6
            print(f"{name:12} {row['median']:8.1f} {row['best']:8.1f} {'':4} {row['ratio']:7.3f} {row['low']:6.3f}–{row['high']:.3f}", flush=True)
    return found
