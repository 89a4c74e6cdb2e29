//! Where tests put things: a shared place that every user can reach, and directories that vanish.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The project's own directory.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory that is kept between runs: target/tmp, or one below /tmp where other users could
/// not reach that.
pub fn shared() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let own = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let place = if everyone_reaches(&own) { own } else { below_tmp(&own) };
        fs::create_dir_all(&place).unwrap();
        place
    })
}

fn everyone_reaches(path: &Path) -> bool {
    path.ancestors().all(|part| {
        fs::metadata(part).is_ok_and(|found| found.permissions().mode() & 0o005 == 0o005)
    })
}

/// One place for each target directory, so that two clones do not meet.
fn below_tmp(own: &Path) -> PathBuf {
    let words: String = own
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    PathBuf::from(format!("/tmp/tests-of{words}.{}", nix::unistd::geteuid()))
}

/// A new directory, readable by all, that is removed with everything in it when it goes out of
/// scope. It is written to by its owner alone.
pub struct Temp {
    path: PathBuf,
}

impl Temp {
    pub fn new() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let n = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = shared().join(format!("t-{}-{n}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self { path }
    }

    /// One that belongs to uid and gid 1000 where the tests run as root.
    pub fn of_user() -> Self {
        let temp = Self::new();
        if super::is_root() {
            chown(&temp.path, Some(1000), Some(1000)).unwrap();
        }
        temp
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file, with the directories that lead to it.
    pub fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path.join(name)).unwrap()
    }
}

impl Default for Temp {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
