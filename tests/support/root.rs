//! A real busybox root file system, with Debian's `stress` and its libraries.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{is_root, shared};

/// The root file system that the tests share. Nobody may write to it: `write: direct` takes
/// one of its own by `busybox_root_at`.
pub fn busybox_root() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| shared_root("busybox", None)).clone()
}

/// The same, owned by uid and gid 1000 where the tests run as root.
pub fn busybox_root_of_user() -> PathBuf {
    busybox_root_of(1000)
}

/// The same, owned by this user.
pub fn busybox_root_of(id: u32) -> PathBuf {
    if is_root() { shared_root(&format!("busybox-{id}"), Some(id)) } else { busybox_root() }
}

/// Makes one at this path, which does not exist yet.
pub fn busybox_root_at(path: &Path) {
    for directory in
        ["bin", "etc", "proc", "sys", "dev", "run", "root", "home", "var", "tmp", "usr/bin"]
    {
        fs::create_dir_all(path.join(directory)).unwrap();
    }
    fs::set_permissions(path.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy(busybox(), path.join("bin/busybox")).unwrap();
    for applet in applets() {
        let _ = symlink("busybox", path.join("bin").join(applet));
    }
    fs::write(path.join("etc/passwd"), PASSWD).unwrap();
    fs::write(path.join("etc/group"), GROUP).unwrap();
    stress(path);
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n";
const GROUP: &str = "root:x:0:\nuser:x:1000:\ntty:x:5:\n";

/// Made beside its place and renamed, since test programs may run at the same time.
fn shared_root(name: &str, owner: Option<u32>) -> PathBuf {
    let path = shared().join(name);
    if path.join("complete").exists() {
        return path;
    }
    let beside = shared().join(format!("{name}.{}-{}", std::process::id(), thread_number()));
    let _ = fs::remove_dir_all(&beside);
    busybox_root_at(&beside);
    fs::write(beside.join("complete"), "").unwrap();
    if let Some(id) = owner {
        give(&beside, id);
    }
    if fs::rename(&beside, &path).is_err() {
        fs::remove_dir_all(&beside).unwrap();
    }
    assert!(path.join("complete").exists(), "{} is not a complete root", path.display());
    path
}

fn thread_number() -> String {
    format!("{:?}", std::thread::current().id()).chars().filter(char::is_ascii_digit).collect()
}

fn give(path: &Path, id: u32) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), id);
        }
    }
    lchown(path, Some(id), Some(id)).unwrap();
}

fn busybox() -> &'static Path {
    ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.exists())
        .expect("busybox is not installed: apt-get install busybox-static, or tests/run")
}

fn applets() -> Vec<String> {
    let listed = Command::new(busybox()).arg("--list").output().unwrap().stdout;
    String::from_utf8(listed)
        .unwrap()
        .lines()
        .filter(|name| *name != "busybox")
        .map(String::from)
        .collect()
}

/// Debian's is dynamic: it comes with what ldd names.
fn stress(root: &Path) {
    let program = Path::new("/usr/bin/stress");
    if !program.exists() {
        return;
    }
    copy(program, root);
    let listed = Command::new("ldd").arg(program).output().unwrap().stdout;
    for word in
        String::from_utf8(listed).unwrap().split_whitespace().filter(|word| word.starts_with('/'))
    {
        copy(Path::new(word), root);
    }
}

fn copy(file: &Path, root: &Path) {
    let place = root.join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(file, place).unwrap();
}
