//! The binary under test, as the caller and as an ordinary user, with a time limit on every run.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{is_root, project, shared};

/// Longer than any loaded machine needs; a run that takes it hangs.
const LIMIT: Duration = Duration::from_mins(2);

pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sixdocker"))
}

/// The binary with a plain environment, in the project's directory, with nothing on its standard
/// input.
pub fn sixdocker() -> Command {
    plain(Command::new(binary()))
}

/// The same as uid and gid 1000 without groups; where the tests don't run as root, as who runs them.
pub fn as_user() -> Command {
    if !is_root() {
        return sixdocker();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=1000", "--regid=1000", "--clear-groups", "--"]).arg(user_binary());
    plain(command)
}

/// The same where this is all that /etc/subuid and /etc/subgid say; it takes root.
pub fn as_user_with(ranges: &Path) -> Command {
    let mut command = Command::new("unshare");
    let shown = "mount --bind \"$0\" /etc/subuid && mount --bind \"$0\" /etc/subgid && exec \"$@\"";
    command.args(["--mount", "sh", "-c", shown]).arg(ranges);
    // By its path, since busybox's shell would run an applet of that name.
    command.args(["/usr/bin/setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--"]);
    command.arg(user_binary());
    plain(command)
}

fn plain(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name != "PATH" {
            command.env_remove(name);
        }
    }
    command.current_dir(project()).stdin(Stdio::null());
    command
}

/// A copy of the binary that everybody can reach and execute.
pub fn user_binary() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let path = shared().join(format!("sixdocker-{}", stamp()));
        if !path.exists() {
            let beside = path.with_extension(std::process::id().to_string());
            fs::copy(binary(), &beside).unwrap();
            fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
            fs::rename(&beside, &path).unwrap();
        }
        path
    })
}

/// Tells one build from another.
fn stamp() -> String {
    let found = fs::metadata(binary()).unwrap();
    let changed = found.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}-{}", found.len(), changed.as_nanos())
}

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// The exit code as a shell tells it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Fails with all that was printed unless this was the code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails with all that was printed unless the text is on standard error.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Runs it to its end; a run of more than two minutes is killed and fails the test.
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    run_for(command, LIMIT, b"")
}

/// The same with another limit, and text on standard input (none: what the command says).
#[track_caller]
pub fn run_for(command: &mut Command, limit: Duration, input: &[u8]) -> Ran {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    feed(&mut child, input);
    let ended = wait(&mut child, limit);
    let took = begun.elapsed();
    if ended.is_none() {
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    let ran = Ran { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), took };
    assert!(ended.is_some(), "{command:?} did not end within {limit:?}: {ran:?}");
    ran
}

fn feed(child: &mut Child, input: &[u8]) {
    if let (Some(mut stdin), false) = (child.stdin.take(), input.is_empty()) {
        let input = input.to_vec();
        // Who doesn't read it all breaks the pipe, which is no fault.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    while begun.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    None
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
