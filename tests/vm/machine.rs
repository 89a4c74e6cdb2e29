//! A virtual machine that holds the runner, these tests and little else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{Temp, binary, need, project, run, run_for};

/// A boot under emulation takes seconds on an idle machine; this is for a loaded one.
const LIMIT: Duration = Duration::from_mins(12);

pub(crate) struct Machine {
    kernel: PathBuf,
    /// What the guest finds at its root.
    files: Temp,
}

impl Machine {
    /// None where something is missing that such a machine needs, which is said.
    pub(crate) fn new(kernel: &str) -> Option<Self> {
        let needed = ["qemu-system-x86_64", "busybox", "xz", "cpio", "apt-get", "strip", "strace"];
        // Each of them is to be named.
        let missing = needed.iter().filter(|program| !need(program)).count();
        if missing > 0 || !need("newuidmap") {
            return None;
        }
        let kernels = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels");
        let found = run_for(script("kernel").arg(kernel).arg(kernels), LIMIT, b"").expect(0);
        let machine = Self { kernel: found.stdout.trim().into(), files: Temp::new() };
        machine.fill();
        Some(machine)
    }

    fn fill(&self) {
        self.program(binary(), binary());
        self.program(&std::env::current_exe().unwrap(), Path::new("/checks"));
        for name in ["newuidmap", "newgidmap", "setpriv", "strace"] {
            self.dynamic(&Path::new("/usr/bin").join(name));
        }
        let users = "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\nfew:x:1001:1001::/home:/bin/sh\n";
        self.files.write("etc/passwd", users);
        self.files.write("etc/group", "root:x:0:\nuser:x:1000:\nfew:x:1001:\n");
        for file in ["etc/subuid", "etc/subgid"] {
            self.files.write(file, "user:100000:65536\nfew:200000:16\n");
        }
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

    /// A program of this machine's at its own path, with the libraries that ldd names.
    fn dynamic(&self, path: &Path) {
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
    pub(crate) fn run(&self, lines: &str) -> String {
        let project = project().display();
        let text = format!("#!/bin/sh\nmkdir -p {project} && cd {project} || exit\n{lines}\n");
        let command = self.files.write("command", text);
        fs::set_permissions(command, fs::Permissions::from_mode(0o755)).unwrap();
        let mut machine = script("run");
        run_for(machine.arg(&self.kernel).arg(self.files.path()), LIMIT, b"").expect(0).stdout
    }
}

fn script(name: &str) -> Command {
    Command::new(project().join("tests/vm").join(name))
}
