//! The file that a report goes to.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::libc;

use super::Report;
use crate::sys;

/// Where a report goes, held since before the command ran: a command that may write there may lay
/// links, but leads nothing astray that was found before.
#[derive(Debug)]
pub enum Place {
    /// A name in a directory. The file of that name is replaced.
    File(OwnedFd, OsString),
    /// A pipe, a device, or another name of an open file.
    Special(OwnedFd),
}

impl Place {
    /// Where the path leads, in which nothing may be a link: the planner has followed them, and
    /// found that they lead nowhere that a command chose.
    pub fn of(path: &Path) -> io::Result<Self> {
        if sys::is_kernels(path) {
            return Ok(Self::Special(sys::open(path, OFlag::O_PATH).map_err(error)?));
        }
        let path = std::path::absolute(path)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let dir = sys::open_unled(dir, OFlag::O_PATH | OFlag::O_DIRECTORY, 0).map_err(error)?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        match sys::openat(dir.as_fd(), Path::new(&name), flags, 0) {
            Ok(file) if is_special(&file) => Ok(Self::Special(file)),
            _ => Ok(Self::File(dir, name)),
        }
    }

    /// Writes a report: a regular file is whole at every moment, old or new, and no old one stays
    /// that would be taken for this run's; a pipe or device gets it as it is.
    pub fn write(&self, report: &Report) -> io::Result<()> {
        let text = crate::render::json_text(report);
        match self {
            Self::File(dir, name) => {
                let path = held(dir).join(name);
                replace(&path, text.as_bytes()).inspect_err(|_| _ = fs::remove_file(&path))
            }
            Self::Special(file) => {
                let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
                let mut options = fs::OpenOptions::new();
                let mut file = options.append(true).custom_flags(flags).open(held(file))?;
                file.write_all(text.as_bytes())
            }
        }
    }
}

/// The name of what is open, whatever the path now leads to (proc_pid_fd(5)).
fn held(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn error(fault: sys::Fault) -> io::Error {
    io::Error::from_raw_os_error(fault.errno as i32)
}

/// Not a file that may be replaced, nor a link that may be: a pipe, a device.
fn is_special(file: &OwnedFd) -> bool {
    let kind = sys::seen(file.as_fd()).map_or(0, |seen| seen.st_mode & libc::S_IFMT);
    ![libc::S_IFREG, libc::S_IFLNK, libc::S_IFDIR, 0].contains(&kind)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path);
    left_beside(path).iter().for_each(|left| _ = fs::remove_file(left));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(&new)?;
    _ = sys::supervise::lock(file.as_fd());
    let written = file.write_all(content).and_then(|()| fs::rename(&new, path));
    written.inspect_err(|_| _ = fs::remove_file(&new))
}

/// A name in the same directory that nobody else takes, not even a command that knows us and
/// wants no report to be written.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{:016x}.tmp", std::process::id(), sys::secret()));
    path.with_file_name(name)
}

/// A directory where commands write may hold any number of such names.
const MOST_LEFT: usize = 64;

/// Such files of runners that are dead: they were killed before they could rename them. A pid may
/// be that of another PID namespace, so the lock decides.
fn left_beside(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let left = |file: &OsString| {
        let rest = file.as_bytes().strip_prefix(b".")?.strip_prefix(name)?.strip_prefix(b".")?;
        let rest = str::from_utf8(rest.strip_suffix(b".tmp")?).ok()?;
        let pid: i32 = rest.split('.').next()?.parse().ok()?;
        let own = i64::from(pid) == i64::from(std::process::id());
        let file = || {
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
            sys::open(&path.with_file_name(file), flags).ok()
        };
        let left = pid > 0 && (own || sys::is_dead(pid));
        file().filter(|file| left && sys::supervise::lock(file.as_fd()))
    };
    let names =
        path.parent().map(sys::entries).unwrap_or_default().into_iter().map(|(name, _)| name);
    let like = |file: &OsString| {
        let rest = file.as_bytes().strip_prefix(b".").and_then(|file| file.strip_prefix(name));
        rest.is_some_and(|rest| rest.ends_with(b".tmp"))
    };
    let names = names.filter(like).take(MOST_LEFT);
    names.filter(|name| left(name).is_some()).map(|name| path.with_file_name(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_killed_have_left_is_removed_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("sixdocker-report-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let names =
            [".r.json.4194303.tmp", ".r.json.1.tmp", ".r.json.x.tmp", ".s.json.4194303.tmp"];
        names.iter().for_each(|name| fs::write(dir.join(name), "").unwrap());
        replace(&dir.join("r.json"), b"{}").unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(left, [".r.json.1.tmp", ".r.json.x.tmp", ".s.json.4194303.tmp", "r.json"]);
    }
}
