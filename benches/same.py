"""Whether the limit program makes what sixdocker makes: a limit that did less would flatter, one that did more too."""
import os
import re
import shutil
import subprocess
import sys

from clocks import output

LOOK = ("cd /bin; for file in mountinfo status uid_map gid_map setgroups limits; do ./busybox sed \"s/^/$file /\" /proc/self/$file; done;"
        " ./busybox ls -l /proc/self/ns | ./busybox sed 's/.* \\([a-z_]* -> .*\\)/ns \\1/'; ./busybox find /dev | ./busybox sed 's/^/dev /'")
SETS = ("Uid", "Gid", "Groups", "Cap", "Seccomp:", "NoNewPrivs", "Umask")
CALLS = "/landlock,keyctl,seccomp,prctl"


def check(programs, features, makers=None):
    """Stops where the two are not the same."""
    makers = makers or programs.all()
    ours, limit = (made(makers[tool](features, ["/bin/sh", "-c", LOOK])) for tool in ("sixdocker", "limit"))
    if shutil.which("strace"):
        ours |= asked(makers["sixdocker"](features, ["/bin/true"]))
        limit |= asked(makers["limit"](features, ["/bin/true"]))
    if ours != limit:
        sys.exit(f"benches/run: limit.c is not the limit of this manifest (as uid {os.geteuid()}, with {sorted(features)})\n"
                 f"  only sixdocker: {sorted(ours - limit)}\n  only limit: {sorted(limit - ours)}")


def made(words):
    """What a process inside sees of itself and its mounts and namespaces."""
    return {thing for line in output(words).splitlines() for thing in seen(line)}


def seen(line):
    kind, _, rest = line.partition(" ")
    words = rest.split()
    if kind == "mountinfo":
        return [f"mount {words[4]} {' '.join(sorted(set(words[5].split(',')) - {'relatime'}))} {beyond(words)}"]
    if kind == "ns":
        return [] if words[2] == os.readlink(f"/proc/self/ns/{words[0]}") else [f"own {words[0]} namespace"]
    if kind in ("uid_map", "gid_map"):
        # Each run of root's has a range of its own.
        return [f"{kind} {words[0]} {'foreign' if int(words[1]) >= 0x80000 else words[1]} {words[2]}"]
    if kind == "status":
        return [rest] if rest.startswith(SETS) else []
    return [" ".join(line.split())]


def beyond(words):
    """A mount's file system, and its options but for the ids of this run. Whether it is read-only, the mount's flags tell."""
    after = words.index("-")
    options = [option for option in words[after + 3].split(",") if not option.startswith(("uid=", "gid=", "ro", "rw"))]
    return f"{words[after + 1]} {' '.join(sorted(options))}"


def asked(words):
    """What can't be seen from inside: the Landlock domain, the keyring, the size of the filter, the death signal."""
    done = subprocess.run(["strace", "-f", "-e", f"trace={CALLS}", "-e", "signal=none", "-qq", *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    lines, found = [re.sub(r"^\[pid +\d+\] ", "", line) for line in done.stderr.splitlines()], set()
    for line in lines:
        if "RULESET_VERSION" in line or " = -1 " in line:
            continue
        if match := re.search(r"\blen=(\d+), filter=", line):
            # Ours differs with the kernel's calls; within a tenth it costs the same.
            found.add(f"filter of about {round(int(match[1]) / 10)}0 instructions")
        elif line.startswith(("landlock", "keyctl")) or re.match(r"prctl\(PR_SET_(PDEATHSIG|DUMPABLE)", line):
            line = re.sub(r"0x[0-9a-f]{6,}", "?", line)
            found.add(re.sub(r"(rule\(|self\(|parent_fd=|= )\d+", r"\1_", line))
    return found
