//! Which errors a call may fail with, by its manual page (and what mounts, control groups and
//! /proc add to it).

use nix::errno::Errno::{self, *};

const FILE: &[Errno] = &[EACCES, ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, EIO, EINTR];
const MAKE: &[Errno] = &[EACCES, EEXIST, EMLINK, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, EDQUOT];
const LOOK: &[Errno] = &[EACCES, ELOOP, ENOENT, ENOMEM, ENOTDIR, EIO];

const ERRNOS: &[(&str, &[Errno])] = &[
    ("access", &[EACCES, EROFS, ENOENT, EIO]),
    ("brk", &[ENOMEM]),
    ("capget", &[EPERM, EINVAL]),
    ("capset", &[EPERM, EINVAL]),
    ("chdir", LOOK),
    ("clone", &[EAGAIN, ENOMEM, ENOSPC, EPERM, EUSERS]),
    ("clone3", &[EAGAIN, ENOMEM, ENOSPC, EPERM, EUSERS, ENOSYS, EBUSY]),
    ("close", &[EINTR, EIO]),
    ("close_range", &[EMFILE, ENOMEM]),
    ("connect", &[ECONNREFUSED, EACCES, ENOENT, EAGAIN, EINTR]),
    ("dup2", &[EBUSY, EINTR, EMFILE]),
    ("dup3", &[EBUSY, EINTR, EMFILE]),
    ("eventfd2", &[EMFILE, ENFILE, ENODEV, ENOMEM]),
    (
        "execve",
        &[EACCES, E2BIG, EIO, ELOOP, EMFILE, ENOENT, ENOEXEC, ENOMEM, EPERM, ETXTBSY, EAGAIN],
    ),
    ("faccessat2", &[EACCES, EROFS, ENOENT, EIO]),
    ("fchdir", &[EACCES, ENOENT]),
    ("fchmod", &[EPERM, EROFS, EIO]),
    ("fchmodat", &[EPERM, EROFS, ENOENT, EIO]),
    ("fchmodat2", &[EPERM, EROFS, ENOENT, EIO]),
    ("fchown", &[EPERM, EROFS, EIO]),
    ("fcntl", &[EINVAL, EMFILE]),
    ("flock", &[EAGAIN, EINTR, ENOLCK]),
    ("fsconfig", &[EINVAL, ENOMEM, EPERM, EBUSY, ENOSPC, EACCES, ENODEV]),
    ("fsmount", &[EBUSY, EMFILE, ENFILE, ENOMEM, EPERM, ENOSPC]),
    ("fsopen", &[EMFILE, ENFILE, ENODEV, ENOMEM, EPERM]),
    ("fstat", &[ENOMEM, EIO]),
    ("fstatfs", &[EIO, ENOSYS, EINTR]),
    ("getdents64", &[EIO, ENOENT]),
    ("getgroups", &[EPERM]),
    ("getrandom", &[EAGAIN, EINTR, ENOSYS]),
    ("ioctl", &[EIO, ENOTTY, EPERM, EINTR, ENXIO]),
    ("ioprio_set", &[EPERM, EINVAL]),
    ("keyctl", &[EACCES, EDQUOT, ENOMEM, EPERM, EOPNOTSUPP]),
    ("kill", &[EPERM, ESRCH]),
    ("landlock_add_rule", &[EINVAL, ENOMSG, EPERM]),
    ("landlock_create_ruleset", &[EOPNOTSUPP, EINVAL, ENOSYS, EMFILE]),
    ("landlock_restrict_self", &[EPERM, E2BIG, EOPNOTSUPP]),
    ("lstat", LOOK),
    ("mkdir", MAKE),
    ("mkdirat", MAKE),
    ("mmap", &[ENOMEM, EAGAIN]),
    ("mount", &[EPERM, EACCES, EBUSY, EINVAL, ENOMEM]),
    ("mount_setattr", &[EINVAL, EPERM, EBUSY, ENOMEM]),
    ("move_mount", &[EACCES, EBUSY, EINVAL, ELOOP, ENOENT, ENOMEM, EPERM, ENOSPC]),
    ("mprotect", &[ENOMEM, EACCES]),
    ("mremap", &[ENOMEM, EAGAIN]),
    ("newfstatat", LOOK),
    ("open", FILE),
    ("open_tree", &[EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EPERM, ELOOP, EINVAL]),
    (
        "openat",
        &[
            EACCES, ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, EINTR, EIO, ENXIO,
            EBUSY,
        ],
    ),
    ("openat2", &[EACCES, EAGAIN, ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, EXDEV, ENOSYS, EIO]),
    ("personality", &[EINVAL]),
    ("pidfd_open", &[EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH]),
    ("pidfd_send_signal", &[EPERM, ESRCH, EBADF]),
    ("pipe2", &[EMFILE, ENFILE]),
    ("pivot_root", &[EBUSY, EINVAL, EPERM]),
    ("poll", &[EINTR, ENOMEM]),
    ("ppoll", &[EINTR, ENOMEM]),
    ("prctl", &[EINVAL, EPERM, EACCES]),
    ("pread64", &[EINTR, EIO]),
    ("prlimit64", &[EPERM, EINVAL, ESRCH]),
    ("pwrite64", &[EINTR, EIO, ENOSPC, EPERM]),
    ("read", &[EINTR, EIO, EAGAIN, EISDIR]),
    ("readlink", &[EACCES, EINVAL, EIO, ELOOP, ENOENT, ENOMEM]),
    ("readlinkat", &[EACCES, EINVAL, EIO, ELOOP, ENOENT, ENOMEM]),
    ("recvfrom", &[EINTR, ENOMEM, ECONNRESET]),
    ("recvmsg", &[EINTR, ENOMEM, ECONNRESET]),
    ("rename", &[EACCES, ENOSPC, EROFS, EIO, EXDEV]),
    ("renameat2", &[EACCES, ENOSPC, EROFS, EIO, EXDEV]),
    ("rmdir", &[EACCES, EBUSY, EPERM, EROFS]),
    ("rt_sigaction", &[EINVAL]),
    ("rt_sigprocmask", &[EINVAL]),
    ("rt_sigtimedwait", &[EINTR, EAGAIN]),
    ("sched_setscheduler", &[EPERM, EINVAL]),
    ("seccomp", &[EACCES, EINVAL, ENOMEM, ESRCH, EPERM]),
    ("sendmsg", &[EINTR, ENOBUFS, ENOMEM, EPIPE, ECONNRESET]),
    ("sendto", &[EINTR, ENOBUFS, ENOMEM, EPIPE, ECONNRESET]),
    ("setgroups", &[EPERM, ENOMEM, EINVAL]),
    ("sethostname", &[EPERM, EINVAL]),
    ("setns", &[EPERM, EINVAL, ENOMEM]),
    ("setpriority", &[EACCES, EPERM]),
    ("setresgid", &[EPERM, EAGAIN, EINVAL]),
    ("setresuid", &[EPERM, EAGAIN, EINVAL]),
    ("setsid", &[EPERM]),
    ("signalfd4", &[EMFILE, ENFILE, ENODEV, ENOMEM]),
    ("socket", &[EACCES, EAFNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM]),
    ("socketpair", &[EAFNOSUPPORT, EMFILE, ENFILE, ENOMEM]),
    ("stat", LOOK),
    ("statx", LOOK),
    ("symlinkat", MAKE),
    ("umount2", &[EBUSY, EINVAL, EPERM]),
    ("unlink", &[EACCES, EBUSY, EIO, ENOENT, EROFS]),
    ("unshare", &[EINVAL, ENOMEM, ENOSPC, EPERM, EUSERS]),
    ("wait4", &[ECHILD, EINTR]),
    ("waitid", &[ECHILD, EINTR]),
    ("write", &[EINTR, EIO, ENOSPC, EPERM, EINVAL, EPIPE, EBUSY, EACCES]),
];

/// Calls that do not fail.
const NEVER: &[&str] = &[
    "exit",
    "exit_group",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getppid",
    "gettid",
    "getuid",
    "rt_sigreturn",
    "sched_yield",
    "uname",
    "set_robust_list",
    "set_tid_address",
    "umask",
];

const OTHERS: &[Errno] = &[EPERM, EINVAL, ENOMEM, ENOSYS];

/// The errors of a call.
pub(crate) fn of(name: &str, about: &str) -> &'static [Errno] {
    if NEVER.contains(&name) {
        return &[];
    }
    // Nothing is written back when a directory is closed; the standard library counts on it.
    if name == "close" && about.ends_with('/') {
        return &[EINTR];
    }
    // A pipe is no disk and no directory.
    if name == "read" && about.starts_with("pipe:") {
        return &[EINTR, EAGAIN];
    }
    ERRNOS.iter().find(|(known, _)| *known == name).map_or(OTHERS, |(_, errnos)| errnos)
}
