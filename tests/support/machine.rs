//! A virtual machine that holds the runner, these tests and little else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Temp, binary, need, project, run, run_for};

/// How long a machine may run, in seconds: VM_SECONDS, or this. A boot under emulation takes a few
/// on an idle machine; this is for a loaded one.
const SECONDS: u64 = 1500;

/// For what is fetched, or packed around a machine.
const PATIENCE: Duration = Duration::from_mins(12);

pub struct Machine {
    kernel: PathBuf,
    /// Debian with systemd, where the root is not made of `files` alone.
    disk: Option<PathBuf>,
    /// What the guest finds at its root.
    files: Temp,
}

impl Machine {
    /// With cgroup v2 laid out as systemd does. None where something is missing that such a
    /// machine needs, which is said.
    pub fn new(kernel: &str) -> Option<Self> {
        let machine = Self::empty(kernel, &["strace", "newuidmap", "setpriv", "unshare"])?;
        for name in ["newuidmap", "newgidmap", "setpriv", "strace", "unshare"] {
            machine.dynamic(&Path::new("/usr/bin").join(name));
        }
        let users = "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\nfew:x:1001:1001::/home:/bin/sh\n";
        machine.files.write("etc/passwd", users);
        machine.files.write("etc/group", "root:x:0:\nuser:x:1000:\nfew:x:1001:\n");
        for file in ["etc/subuid", "etc/subgid"] {
            machine.files.write(file, "user:100000:65536\nfew:200000:16\n");
        }
        Some(machine)
    }

    /// Debian, booted by systemd.
    pub fn with_systemd(kernel: &str) -> Option<Self> {
        let machine = Self::empty(kernel, &["mmdebstrap", "mke2fs"])?;
        let made = run_for(script("image").arg(cache()), PATIENCE, b"").expect(0);
        Some(Self { disk: Some(made.stdout.trim().into()), ..machine })
    }

    /// One with the runner and this program.
    fn empty(kernel: &str, needed: &[&str]) -> Option<Self> {
        let always = ["qemu-system-x86_64", "busybox", "xz", "cpio", "apt-get", "strip"];
        // Each of them is to be named.
        if always.iter().chain(needed).filter(|program| !need(program)).count() > 0 {
            return None;
        }
        let found = run_for(script("kernel").arg(kernel).arg(cache()), PATIENCE, b"").expect(0);
        let kernel = found.stdout.trim().into();
        let machine = Self { kernel, disk: None, files: Temp::new() };
        machine.program(binary(), binary());
        machine.program(&std::env::current_exe().unwrap(), Path::new("/checks"));
        Some(machine)
    }

    fn inside(&self, path: &Path) -> PathBuf {
        let inside = self.files.join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        inside
    }

    /// A static program, without what only a debugger wants.
    fn program(&self, from: &Path, to: &Path) {
        run(Command::new("strip").arg("-o").arg(self.inside(to)).arg(from)).expect(0);
    }

    /// A file or directory of this machine's at its own path.
    pub fn copy(&self, path: &Path) {
        run(Command::new("cp").arg("-a").arg(path).arg(self.inside(path))).expect(0);
    }

    /// A program of this machine's at its own path, with the libraries that ldd names.
    pub fn dynamic(&self, path: &Path) {
        let libraries = run(Command::new("ldd").arg(path)).expect(0).stdout;
        let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for file in libraries.map(Path::new).chain([path]) {
            // The guest's /lib is a link to /usr/lib, as here.
            let merged = fs::canonicalize(file.parent().unwrap()).unwrap();
            let copy = self.inside(&merged.join(file.file_name().unwrap()));
            fs::copy(file, &copy).unwrap();
            // Whoever writes to a file without being root takes its setuid bit away.
            fs::set_permissions(&copy, fs::metadata(file).unwrap().permissions()).unwrap();
        }
    }

    /// Boots it, runs these lines of shell in the project's directory, and tells what they
    /// printed; the last line is `code N`.
    pub fn run(&self, lines: &str) -> String {
        let (project, temporary) = (project().display(), env!("CARGO_TARGET_TMPDIR"));
        let sixdocker = binary().display();
        let text = format!(
            "#!/bin/sh\nset -e\nmkdir -p {temporary} {project}\nchmod 1777 {temporary}\ncd {project}\nSIXDOCKER={sixdocker}\n{lines}\n"
        );
        let command = self.files.write("command", text);
        fs::set_permissions(command, fs::Permissions::from_mode(0o755)).unwrap();
        let mut machine = script("run");
        machine.arg(&self.kernel).arg(self.files.path()).args(&self.disk);
        let seconds = std::env::var("VM_SECONDS").map_or(SECONDS, |asked| asked.parse().unwrap());
        machine.env("VM_SECONDS", seconds.to_string());
        run_for(&mut machine, Duration::from_secs(seconds) + PATIENCE, b"").expect(0).stdout
    }
}

/// Where kernels and disks are kept between runs.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("machines")
}

fn script(name: &str) -> Command {
    Command::new(project().join("tests/vm").join(name))
}
