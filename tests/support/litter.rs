//! Tells whether a sandbox left something on the machine.
//!
//! Other tests run sandboxes at the same time, so it looks for one mark only: a word that no
//! other test uses, given to the sandbox as its name (cgroups carry it) and in its command or
//! environment (processes carry it).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longer than the kernel takes to end a killed tree on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct NoLitter {
    mark: String,
}

impl NoLitter {
    pub fn new() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let n = SERIAL.fetch_add(1, Ordering::Relaxed);
        Self { mark: format!("litter-{}-{n}-x", std::process::id()) }
    }

    /// A manifest whose sandbox bears the mark: in its name, and in what its processes have.
    pub fn marked(&self, rootfs: &str, manifest: &str) -> String {
        let mark = self.mark();
        format!("name: {mark}\nrootfs: {rootfs}\nenvironment: {{LITTER: {mark}}}\n{manifest}")
    }

    /// The word to be used as the sandbox's `name` and, where processes are to be found, in its
    /// command or environment.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Everything that carries the mark now.
    pub fn found(&self) -> Vec<String> {
        let mut found = self.processes();
        found.extend(self.mounts());
        directories(Path::new("/sys/fs/cgroup"), 8, &mut |path| {
            if path.to_string_lossy().contains(&self.mark) {
                found.push(format!("cgroup {}", path.display()));
            }
        });
        found
    }

    /// Fails unless everything with the mark is gone, after the time that the kernel may take.
    #[track_caller]
    pub fn check(&self) {
        let begun = Instant::now();
        loop {
            let found = self.found();
            if found.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "left behind: {found:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn processes(&self) -> Vec<String> {
        let own = std::process::id().to_string();
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let numbers = entries
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy() != own))
            .filter(|path| path.join("status").exists());
        numbers.filter(|path| self.carried_by(path)).map(|path| describe(&path)).collect()
    }

    fn carried_by(&self, process: &Path) -> bool {
        ["cmdline", "environ", "cgroup"].iter().any(|file| {
            let bytes = fs::read(process.join(file)).unwrap_or_default();
            bytes.windows(self.mark.len()).any(|part| part == self.mark.as_bytes())
        })
    }

    fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        table
            .lines()
            .filter(|line| line.contains(&self.mark))
            .map(|line| format!("mount {line}"))
            .collect()
    }
}

impl Default for NoLitter {
    fn default() -> Self {
        Self::new()
    }
}

fn describe(process: &Path) -> String {
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let state = fs::read_to_string(process.join("status")).unwrap_or_default();
    let state = state.lines().find(|line| line.starts_with("State")).unwrap_or("").to_owned();
    format!(
        "process {}: {} {state}",
        process.display(),
        String::from_utf8_lossy(&line).replace('\0', " ")
    )
}

/// Goes through the directories below, so deep at most; what vanishes meanwhile is no matter.
fn directories(path: &Path, depth: u32, visit: &mut dyn FnMut(&PathBuf)) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let below = entry.path();
            visit(&below);
            if depth > 0 {
                directories(&below, depth - 1, visit);
            }
        }
    }
}
