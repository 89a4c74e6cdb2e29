//! What stands at a path: of the host, or in a root file system that nobody trusts.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::libc;
use nix::sys::stat::SFlag;
use nix::unistd::{AccessFlags, geteuid};

use super::Found;
use crate::sys;

/// No text that a manifest names is longer.
const LONGEST: u64 = 1024 * 1024;

pub(super) fn found(path: &Path) -> Found {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_missing(&error) => return Found::Missing,
        Err(error) => {
            unseen(path, &error);
            return Found::Denied(reason(&error));
        }
    };
    let kind = metadata.file_type();
    let device = |letter| Found::Device(letter, major(metadata.rdev()), minor(metadata.rdev()));
    if kind.is_dir() {
        Found::Directory
    } else if kind.is_file() {
        Found::File(None)
    } else if kind.is_block_device() {
        device('b')
    } else if kind.is_char_device() {
        device('c')
    } else if kind.is_fifo() {
        Found::Other("a FIFO")
    } else {
        Found::Other("a socket")
    }
}

/// Why nothing is at `path`, or which path may have been meant.
pub(crate) fn hint(path: &Path) -> Option<String> {
    if let Ok(to) = std::fs::read_link(path) {
        return Some(format!("it is a symbolic link to {}, where nothing is", to.display()));
    }
    let (dir, name) = (path.parent()?, path.file_name()?.to_string_lossy());
    if !dir.is_dir() {
        let gone = dir.ancestors().take_while(|dir| !dir.exists()).last()?;
        return Some(format!("{} is not there either", gone.display()));
    }
    let distance = |entry: &std::fs::DirEntry| {
        strsim::damerau_levenshtein(&entry.file_name().to_string_lossy(), &name)
    };
    let entries = std::fs::read_dir(dir).ok()?.take(ENTRIES).flatten();
    let near = entries.map(|entry| (distance(&entry), entry.path())).min()?;
    let close = near.0 * 3 <= name.chars().count();
    close.then(|| format!("did you mean {}?", near.1.display()))
}

/// Asks as an open would be asked: access(2) itself asks for the real user, without capabilities.
pub(super) fn may(path: &Path, asked: AccessFlags) -> nix::Result<()> {
    let answer = nix::unistd::faccessat(nix::fcntl::AT_FDCWD, path, asked, AtFlags::AT_EACCESS);
    match answer {
        // Also what the filter of an old container says to faccessat2(2).
        Err(Errno::EPERM) => nix::unistd::access(path, asked),
        answer => answer,
    }
}

/// What keeps the caller from what is at `path`: a directory on the way, or the file itself.
pub(crate) fn barrier(path: &Path) -> Option<String> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let shut = |(n, at): (usize, &&Path)| {
        let last = n + 1 == way.len();
        let asked = if last { AccessFlags::R_OK } else { AccessFlags::X_OK };
        may(at, asked) == Err(Errno::EACCES)
    };
    let at = way.iter().enumerate().position(|(n, at)| shut((n, at)))?;
    let at = way.get(at)?;
    let seen = std::fs::metadata(at).ok()?;
    Some(format!(
        "{} belongs to uid {}, gid {}, with mode {:04o}, and is closed to uid {}",
        at.display(),
        seen.uid(),
        seen.gid(),
        seen.mode() & 0o7777,
        geteuid()
    ))
}

/// As many entries of a directory as are compared.
const ENTRIES: usize = 10_000;

pub(super) fn unseen(path: &Path, error: &std::io::Error) {
    sys::unseen(&path.to_string_lossy(), Errno::from_raw(error.raw_os_error().unwrap_or(0)));
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ELOOP) => "it is a symbolic link that leads in a circle".to_owned(),
        Some(libc::ENAMETOOLONG) => "a part of it is longer than 255 bytes".to_owned(),
        Some(number) => Errno::from_raw(number).desc().to_lowercase(),
        None => error.to_string(),
    }
}

fn major(number: u64) -> u32 {
    u32::try_from(nix::sys::stat::major(number)).unwrap_or(u32::MAX)
}

fn minor(number: u64) -> u32 {
    u32::try_from(nix::sys::stat::minor(number)).unwrap_or(u32::MAX)
}

/// What stands at `path` inside `root`, whose links lead nowhere out of it.
pub(super) fn stands(root: &OwnedFd, path: &str) -> Found {
    match sys::resolve(root.as_fd(), Path::new(path), OFlag::O_PATH, 0) {
        Err(fault) if matches!(fault.errno, Errno::ENOENT | Errno::ENOTDIR) => Found::Missing,
        Err(fault) => {
            sys::unseen(path, fault.errno);
            Found::Denied(fault.errno.desc().to_lowercase())
        }
        Ok(file) => kind(&file),
    }
}

fn kind(file: &OwnedFd) -> Found {
    let stat = match nix::sys::stat::fstat(file) {
        Ok(stat) => stat,
        Err(errno) => {
            sys::unseen("an open file", errno);
            return Found::Other("something odd");
        }
    };
    let device = |letter| Found::Device(letter, major(stat.st_rdev), minor(stat.st_rdev));
    match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => Found::Directory,
        SFlag::S_IFREG => Found::File(None),
        SFlag::S_IFCHR => device('c'),
        SFlag::S_IFBLK => device('b'),
        SFlag::S_IFIFO => Found::Other("a FIFO"),
        _ => Found::Other("a socket"),
    }
}

/// A file of accounts in the root file system: a regular file, of no unreasonable size.
pub(super) fn account_file(root: &OwnedFd, path: &str) -> Found {
    match stands(root, path) {
        Found::File(_) => {}
        other => return other,
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match sys::resolve(root.as_fd(), Path::new(path), flags, 0) {
        Ok(file) => file,
        Err(fault) => {
            sys::unseen(path, fault.errno);
            return Found::Denied(fault.errno.desc().to_lowercase());
        }
    };
    // It may have been swapped since; a regular file never blocks.
    match kind(&file) {
        Found::File(_) => {}
        other => return other,
    }
    match bytes(file) {
        // Half a line might name another account.
        Ok(None) => Found::Denied("it is longer than 1 MiB".to_owned()),
        Ok(Some(bytes)) => Found::File(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => {
            unseen(Path::new(path), &error);
            Found::Denied(reason(&error))
        }
    }
}

/// The text of a file that was opened without blocking.
pub(super) fn text(path: &Path, file: sys::Result<OwnedFd>) -> Found {
    let file = match file {
        Ok(file) if matches!(kind(&file), Found::File(_)) => file,
        Ok(_) => return Found::Other("not a file any more"),
        Err(fault) => {
            sys::unseen(&path.to_string_lossy(), fault.errno);
            return Found::Denied(fault.errno.desc().to_lowercase());
        }
    };
    let plain = |bytes| String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    match bytes(file) {
        Ok(bytes) => Found::File(bytes.and_then(plain)),
        Err(error) => {
            unseen(path, &error);
            Found::Denied(reason(&error))
        }
    }
}

/// All of a file; none of one that is too long.
fn bytes(file: OwnedFd) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let length = std::fs::File::from(file).take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|_| length as u64 <= LONGEST))
}

/// The whole disk that a block device is a partition of.
pub(super) fn disk(number: &str) -> Option<String> {
    if !number.chars().all(|c| c.is_ascii_digit() || c == ':') {
        return None;
    }
    let device = PathBuf::from(format!("/sys/dev/block/{number}"));
    device.join("partition").exists().then_some(())?;
    let number = std::fs::read_to_string(device.join("../dev")).ok()?;
    Some(number.trim().to_owned())
}
