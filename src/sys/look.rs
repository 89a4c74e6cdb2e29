//! What this process is, asked without changing it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;

use super::ask;

thread_local! {
    static UNSEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes that a look at `what` failed, if that says nothing about it: nobody knows then what
/// stands there, and a plan that took it for missing would hold less than was asked for.
pub fn unseen(what: &str, errno: Errno) {
    use Errno::{
        EACCES, EINVAL, ELOOP, ENAMETOOLONG, ENODATA, ENODEV, ENOENT, ENOSYS, ENOTDIR, EOPNOTSUPP,
        EPERM, EROFS, ESRCH,
    };
    let told = [EACCES, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS];
    let lacked = [ENODATA, ENODEV, ENOSYS, EOPNOTSUPP, ESRCH];
    if !told.contains(&errno) && !lacked.contains(&errno) {
        let why = match (errno, getrlimit(Resource::RLIMIT_NOFILE)) {
            (Errno::EMFILE, Ok((most, _))) => {
                format!("this process may have no more than {most} files open (`ulimit -n`)")
            }
            _ => errno.desc().to_lowercase(),
        };
        UNSEEN.with_borrow_mut(|first| _ = first.get_or_insert(format!("{what}: {why}")));
    }
}

/// The first look that failed since this was asked last.
#[must_use]
pub fn take_unseen() -> Option<String> {
    UNSEEN.take()
}

/// The names in a directory, and whether each is a directory itself; none where it can't be read.
/// The standard library's own panics where the directory can't be closed.
#[must_use]
pub fn entries(path: &Path) -> Vec<(OsString, bool)> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(directory) = Dir::open(path, flags, Mode::empty()) else { return Vec::new() };
    let named = directory.into_iter().flatten().map(|entry| {
        let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
        (name, entry.file_type() == Some(Type::Directory))
    });
    named.filter(|(name, _)| name != "." && name != "..").collect()
}

/// The parent of a process, as proc_pid_stat(5) tells it.
#[must_use]
pub fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // It is the second field behind the name, which may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The kernel's release (uname(2)).
#[must_use]
pub fn release() -> String {
    // SAFETY: zero is a valid value of every field.
    let mut names: libc::utsname = unsafe { std::mem::MaybeUninit::zeroed().assume_init() };
    // SAFETY: `names` outlives the call.
    _ = unsafe { libc::uname(&raw mut names) };
    let bytes = names.release.iter().take_while(|byte| **byte != 0);
    bytes.map(|byte| char::from(byte.cast_unsigned())).collect()
}

/// The supplementary groups of this process.
#[must_use]
pub fn groups() -> Vec<u32> {
    // SAFETY: a size of 0 asks how many there are, and writes nothing.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).unwrap_or_default()];
    if groups.is_empty() {
        return groups;
    }
    // SAFETY: `groups` has room for so many, and outlives the call.
    let count = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(count).unwrap_or_default());
    groups
}

/// The personality of this process; 0 is plain Linux.
#[must_use]
pub fn personality() -> u32 {
    // SAFETY: no pointers; this value asks and sets nothing.
    let returned = unsafe { libc::personality(0xffff_ffff) };
    returned.cast_unsigned()
}

/// Whether this process goes before ordinary ones: by a real-time or deadline scheduler, as a
/// real-time process in the queue of a disk, or by timers that are more exact.
#[must_use]
pub fn realtime() -> bool {
    // SAFETY: no pointers.
    let policy = unsafe { libc::sched_getscheduler(0) };
    // SAFETY: no pointers. The class is in the upper bits (ioprio_get(2)).
    let queue = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) } >> 13;
    let exact = ask(libc::PR_GET_TIMERSLACK, 0, 0).is_ok_and(|slack| slack < ORDINARY_SLACK);
    matches!(policy & 0xff, libc::SCHED_FIFO | libc::SCHED_RR | 6) || queue == 1 || exact
}

/// How late a timer may be, in nanoseconds, where nobody asked for another value.
pub(super) const ORDINARY_SLACK: std::ffi::c_long = 50_000;

/// The nice value of this process.
#[must_use]
pub fn nice() -> i8 {
    // SAFETY: no pointers. The kernel's own call counts from 40 down, and never below 1.
    let returned = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) };
    i8::try_from(20 - returned).unwrap_or(0)
}

/// The version of Landlock that the kernel has on; 0 is none.
#[must_use]
pub fn landlock_version() -> u8 {
    const VERSION: u32 = 1;
    let null = std::ptr::null::<u8>();
    // SAFETY: without attributes and with this flag the call only answers.
    let returned =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, 0usize, VERSION) };
    if returned < 0 {
        unseen("the version of Landlock", Errno::last());
    }
    u8::try_from(returned).unwrap_or(0)
}

/// Whether something is mounted right at `path` (statx(2)).
#[must_use]
pub fn is_mount_point(path: &std::ffi::CStr) -> bool {
    // SAFETY: zero is a valid value of every field.
    let mut status: libc::statx = unsafe { std::mem::MaybeUninit::zeroed().assume_init() };
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // SAFETY: `path` and `status` outlive the call.
    let returned = unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, 0, &raw mut status) };
    if returned < 0 {
        unseen(&path.to_string_lossy(), Errno::last());
    }
    let bit = u64::from(libc::STATX_ATTR_MOUNT_ROOT.unsigned_abs());
    returned == 0 && status.stx_attributes & bit != 0
}

/// Whether who executes this file gets privileges by it: it is root's and setuid, or has
/// capabilities, where its mount lets that be (statvfs(3), capabilities(7)).
#[must_use]
pub fn gives_privileges(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let found = nix::sys::statvfs::statvfs(path);
    let mounted = found.is_ok_and(|it| !it.flags().contains(nix::sys::statvfs::FsFlags::ST_NOSUID));
    let setuid =
        || std::fs::metadata(path).is_ok_and(|it| it.uid() == 0 && it.mode() & libc::S_ISUID != 0);
    mounted && (setuid() || has_capabilities(path))
}

fn has_capabilities(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    let (name, none) = (c"security.capability".as_ptr(), std::ptr::null_mut());
    // SAFETY: both names end in zero; of no room, the kernel tells the length and writes nothing.
    unsafe { libc::getxattr(path.as_ptr(), name, none, 0) > 0 }
}

/// Whether a file has this extended attribute with this value (getxattr(2)).
#[must_use]
pub fn has_attribute(path: &std::ffi::CStr, name: &std::ffi::CStr, value: &[u8]) -> bool {
    let mut found = [0u8; 16];
    let (into, size) = (found.as_mut_ptr().cast(), found.len());
    // SAFETY: both names end in zero, and the kernel writes no more than `size` bytes.
    let returned = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), into, size) };
    usize::try_from(returned).is_ok_and(|length| found.get(..length) == Some(value))
}

/// What stands where a path was followed: each is asked for once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ways(BTreeMap<PathBuf, Way>);

/// What a path may lead through.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// A symbolic link, and what it says.
    Link(PathBuf),
    /// Something else.
    There,
    /// Nothing that can be seen, and why.
    Gone(Errno),
}

impl Ways {
    /// What stands at an absolute path whose parts were followed.
    pub fn at(&mut self, path: &Path) -> &Way {
        // Not by entry(), which would copy the path of what is known.
        if !self.0.contains_key(path) {
            let way = match nix::fcntl::readlink(path) {
                Ok(to) => Way::Link(to.into()),
                Err(Errno::EINVAL) => Way::There,
                Err(errno) => {
                    unseen(&path.to_string_lossy(), errno);
                    Way::Gone(errno)
                }
            };
            self.0.insert(path.to_owned(), way);
        }
        self.0.get(path).unwrap_or(&Way::There)
    }

    /// Where a path leads, links followed, and where each of them stands that was met: also of what
    /// is still to be made. None where they lead in a circle. `from`, in which no link is, is what a
    /// relative path is relative to.
    ///
    /// Unlike realpath(3) it tells the links: whoever may write to a directory may lay them there.
    /// What /proc shows as links of others is none (proc_pid_fd(5), proc_pid_root(5)): they lead to
    /// what is open there, and not to what bears that name here.
    pub fn real(&mut self, from: &Path, path: &Path) -> Option<(PathBuf, Vec<PathBuf>)> {
        // The kernel follows no more (path_resolution(7)).
        const MOST: usize = 40;
        let (mut at, mut links) = (from.to_owned(), Vec::new());
        let mut rest: Vec<OsString> = parts(path);
        let mut gone = false;
        while let Some(part) = rest.pop() {
            if part == ".." {
                at.pop();
                continue;
            }
            at.push(&part);
            // Nothing stands below what is not there. What is this process's own leads where it
            // reads. The root is no link.
            let foreign = at.starts_with("/proc") && (rest.is_empty() || !is_own(&at));
            if gone || foreign || part == "/" {
                continue;
            }
            match self.at(&at) {
                Way::Link(to) => {
                    rest.extend(parts(to));
                    links.push(at.clone());
                    if links.len() > MOST {
                        return None;
                    }
                    at.pop();
                }
                way => gone = matches!(way, Way::Gone(_)),
            }
        }
        Some((at, links))
    }
}

/// A link of /proc's that leads this process where it reads: it may be gone through, but at the
/// end of a path it is what is open.
fn is_own(path: &Path) -> bool {
    ["/proc/self", "/proc/thread-self"].iter().any(|own| {
        path.strip_prefix(own).is_ok_and(|rest| {
            ["cwd", "root"].iter().any(|word| rest == Path::new(word)) || rest.starts_with("fd")
        })
    })
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}
