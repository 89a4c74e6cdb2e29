"""What is measured: sixdocker, the limit program and the peers, with sandboxes as alike as they can make them."""
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys

import spaces

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(HERE)
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(PROJECT, "target"))
PEERS = os.path.join(PROJECT, "target", "peers")
MEMORY, PIDS = 268435456, 64
# bubblewrap reads its filter from this descriptor.
FILTER = 9
LIMITS, LOCK = "limits", "lock"


def built(*places):
    paths = [os.path.join(TARGET, place, "sixdocker") for place in places]
    return next(filter(os.path.exists, paths), None)


def binary():
    return built(f"{platform.machine()}-unknown-linux-gnu/release", "release") or sys.exit(
        "benches/run: there is no release build: cargo build --release")


def compile_c(name, place, *flags):
    path = os.path.join(place, name)
    subprocess.run(["gcc", "-O2", "-static", *flags, "-o", path, os.path.join(HERE, f"{name}.c")], check=True)
    return path


def allowed_calls():
    """The calls that the default filter lets through, so that the peers get a filter as long as ours."""
    with open(os.path.join(PROJECT, "src/seccomp/calls/table.rs"), encoding="utf-8") as file:
        return re.findall(r"^ +\d+ +\S+ (\w+): (?:Strict|Default|Arguments)", file.read(), re.M)


class Programs:
    """A directory with all that the runs need, and the command lines that start a sandbox in it.

    Every command line takes the features that it must have: limits of memory and processes, a lock
    (filter, Landlock and masked paths). Namespaces and mounts it has always, capabilities never."""

    def __init__(self, place, sixdocker=None, alone=False):
        self.alone, self.place, self.root = alone, place, os.path.join(place, "root")
        os.chmod(place, 0o755)
        for name in ("bin", "proc", "dev", "tmp", "run", "sys", "etc", "usr", "var", "m"):
            os.makedirs(os.path.join(self.root, name))
        shutil.copy(shutil.which("busybox"), os.path.join(self.root, "bin/busybox"))
        for name in ("true", "sh", "cat", "sleep", "dd"):
            os.symlink("busybox", os.path.join(self.root, "bin", name))
        self.limit_program = compile_c("limit", place)
        self.clock = compile_c("clock", place)
        compile_c("last", os.path.join(self.root, "bin"), "-nostdlib")
        self.sixdocker_program = shutil.copy(sixdocker or binary(), os.path.join(place, "sixdocker"))
        musl = None if sixdocker else built(f"{platform.machine()}-unknown-linux-musl/release")
        # One of another day is another program.
        if musl and abs(os.path.getmtime(musl) - os.path.getmtime(binary())) > 3600:
            musl = None
        self.musl_program = musl and shutil.copy(musl, os.path.join(place, "sixdocker-musl"))
        self.filter = os.path.join(place, "filter")
        with open(self.filter, "wb") as file:
            subprocess.run([self.limit_program, "-s"], stdout=file, check=True)
        self.groups, self.serial = group_directories(), 0
        spaces.one_hierarchy()

    def user(self, groups):
        """From here on this process is uid 1000, with these directories for its groups, and what it has made is that user's."""
        self.groups = groups
        for directory, _, names in os.walk(self.place):
            for path in [directory, *(os.path.join(directory, name) for name in names)]:
                os.lchown(path, 1000, 1000)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(1000, 1000, 1000)
            os.setresuid(1000, 1000, 1000)

    def write(self, name, text):
        path = os.path.join(self.place, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def number(self):
        self.serial += 1
        return self.serial

    def limit(self, features, command, binds=()):
        words = [self.limit_program]
        # With more mounts sixdocker, too, leaves root its own ids (MAPPED_MOUNTS / 2).
        words += ["-f"] if os.geteuid() == 0 and (not binds or binds[1] < 32) else []
        words += [word for group in self.groups for word in ("-g", group) if LIMITS in features]
        words += ["-l"] if LOCK in features else []
        words += ["-b", f"{binds[0]}:{binds[1]}"] if binds else []
        return [*words, self.root, *command]

    def sixdocker(self, features, command, more=""):
        text = f"rootfs: {{path: {self.root}, write: none}}\ncommand: {json.dumps(command)}\n{more}"
        if LIMITS in features:
            text += f"limits: {{memory: {MEMORY}, pids: {PIDS}}}\n"
            if os.geteuid():
                text += f"cgroup: {{manager: fs, parent: /{os.path.basename(self.groups[0])}}}\n"
        else:
            # Where the manifest is silent, root gets a cgroup against fork bombs.
            text += "cgroup: none\n"
        if LOCK not in features:
            text += "security: {seccomp: none, landlock: none, masked_paths: [], readonly_paths: []}\n"
        return [self.sixdocker_program, "up", self.write(f"box{self.number()}.yaml", text)]

    def sixdocker_musl(self, features, command):
        """The same program without glibc, where it has been built as the README says."""
        return self.musl_program and [self.musl_program, *self.sixdocker(features, command)[1:]]

    def bubblewrap(self, features, command):
        if LIMITS in features or not shutil.which("bwrap"):
            return None
        words = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--hostname", "sandbox",
                 "--ro-bind", self.root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run",
                 "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
        return [*words, *(["--seccomp", str(FILTER)] if LOCK in features else []), *command]

    def hakoniwa(self, features, command):
        program = shutil.which("hakoniwa", path=f"{PEERS}/bin:{os.environ.get('PATH', '')}")
        if not program or (LIMITS in features and os.geteuid()):
            return None
        words = [program, "run", "--unshare-all", "--rootdir", f"{self.root}:ro", "--devfs", "/dev", "--tmpfs", "/tmp",
                 "--tmpfs", "/run", "--hostname", "sandbox", "-u", f"0:{os.geteuid()}:1", "-g", f"0:{os.getegid()}:1"]
        if LIMITS in features:
            words += ["--cgroup-memory", str(MEMORY), "--cgroup-pids-limit", str(PIDS)]
        return [*words, "--seccomp", "podman" if LOCK in features else "unconfined", "--", *command]

    def nsjail(self, features, command):
        program = shutil.which("nsjail", path=f"{PEERS}/python/nsjail/bin:{os.environ.get('PATH', '')}")
        if not program or (LIMITS in features and os.geteuid()):
            return None
        words = [program, "-Q", "-Mo", "--chroot", self.root, "-u", f"0:{os.geteuid()}:1", "-g", f"0:{os.getegid()}:1",
                 "-H", "sandbox", "--proc_rw", "--nice_level", "0", "-T", "/tmp", "-T", "/run", "-T", "/dev"]
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            words += ["-B", f"/dev/{name}"]
        words += ["-m", "none:/dev/pts:devpts:newinstance,ptmxmode=0666", "-m", "none:/dev/mqueue:mqueue:"]
        if LIMITS in features:
            words += ["--cgroup_mem_max", str(MEMORY), "--cgroup_mem_parent", ".",
                      "--cgroup_pids_max", str(PIDS), "--cgroup_pids_parent", "."]
        if LOCK in features:
            words += ["--seccomp_string", "ERRNO(1) { kexec_load, swapon, uselib, init_module, reboot } DEFAULT ALLOW"]
        return [*words, "--", *command]

    def crun(self, features, command):
        return self.runtime("crun", features, command)

    def runc(self, features, command):
        return self.runtime("runc", features, command)

    def runtime(self, tool, features, command):
        # Without root they make no group on cgroup v1, and say nothing about it.
        if not shutil.which(tool) or (LIMITS in features and os.geteuid()):
            return None
        bundle = os.path.join(self.place, f"bundle{self.number()}")
        os.makedirs(bundle)
        with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(self.specification(features, command), file)
        state = os.path.join(self.place, f"{tool}-state")
        return [tool, "--root", state, "run", "-b", bundle, "{name}"]

    def specification(self, features, command):
        """An OCI runtime's word for the same sandbox."""
        closed, none = ["nosuid", "noexec", "nodev"], {"bounding": [], "effective": [], "permitted": []}
        outside = {"uid": os.geteuid(), "gid": os.getegid()}
        linux = {
            "namespaces": [{"type": kind} for kind in ("user", "pid", "network", "ipc", "uts", "mount", "cgroup")],
            "uidMappings": [{"containerID": 0, "hostID": outside["uid"], "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": outside["gid"], "size": 1}],
        }
        if LIMITS in features:
            linux["resources"] = {"memory": {"limit": MEMORY}, "pids": {"limit": PIDS}}
        if LOCK in features:
            linux["maskedPaths"] = [f"/proc/{name}" for name in ("acpi", "asound", "interrupts", "kcore", "keys",
                                    "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats")]
            linux["readonlyPaths"] = [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]
            linux["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
                                "syscalls": [{"names": allowed_calls(), "action": "SCMP_ACT_ALLOW"}]}

        def mount(target, kind, *options):
            return {"destination": target, "type": kind, "source": kind, "options": list(options)}

        return {
            "ociVersion": "1.0.2", "hostname": "sandbox", "root": {"path": self.root, "readonly": True}, "linux": linux,
            "process": {"args": command, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
                        "capabilities": none, "noNewPrivileges": True},
            "mounts": [
                mount("/proc", "proc", *closed), mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
                mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
                mount("/dev/mqueue", "mqueue", *closed), mount("/tmp", "tmpfs", "nosuid", "nodev", "mode=1777"),
                mount("/run", "tmpfs", "nosuid", "nodev", "mode=755")]}

    def all(self):
        return {"limit": self.limit, "sixdocker": self.sixdocker, **self.peers()}

    def peers(self):
        return {} if self.alone else {
            "on musl": self.sixdocker_musl, "bubblewrap": self.bubblewrap, "crun": self.crun, "hakoniwa": self.hakoniwa, "nsjail": self.nsjail,
            "runc": self.runc}


def group_directories():
    """Where a limit program may make its groups: one directory for cgroup v2, two for v1, none where it may not."""
    given, top = os.environ.get("BENCH_CGROUP"), "/sys/fs/cgroup"
    if given:
        return given.split(":")
    v1 = [f"{top}/memory", f"{top}/pids"]
    if os.geteuid():
        return []
    if all(os.path.isdir(path) for path in v1):
        return v1
    with contextlib.suppress(OSError), open(f"{top}/cgroup.subtree_control", encoding="utf-8") as file:
        return [top] if {"memory", "pids"} <= set(file.read().split()) else []
    return []


@contextlib.contextmanager
def delegated(user):
    """Directories of uid 1000's below those of root's, while they are needed; none, where root does not ask."""
    groups = group_directories() if user and os.geteuid() == 0 else []
    mine = [os.path.join(group, f"sixdocker-bench-{os.getpid()}") for group in groups if len(groups) == 2]
    try:
        for path in mine:
            os.mkdir(path)
            for name in ["", *os.listdir(path)]:
                os.chown(os.path.join(path, name), 1000, 1000)
        yield mine
    finally:
        for path in filter(os.path.isdir, mine):
            os.rmdir(path)
