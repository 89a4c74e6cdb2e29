"""A mount namespace of the bench's own, and mounts in it."""
import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, BIND, RECURSIVE, PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def must(returned, what):
    if returned:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0):
    words = [word.encode() if word else None for word in (source, target, kind)]
    must(LIBC.mount(*words, ctypes.c_ulong(flags), None), f"mount on {target}")


def unmount(target):
    must(LIBC.umount2(target.encode(), 2), f"umount of {target}")


def own_mounts():
    must(LIBC.unshare(NEW_MOUNTS), "unshare")
    mount(None, "/", None, RECURSIVE | PRIVATE)


def one_hierarchy():
    """Hides cgroup v2 where v1 stands beside it: crun refuses to run where it sees both."""
    unified = "/sys/fs/cgroup/unified"
    if os.geteuid() == 0 and os.path.isdir(unified):
        own_mounts()
        mount("none", unified, "tmpfs")
