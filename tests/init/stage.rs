//! Clones init under a plan, and tells what came of it.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use sixdocker::execute::init::{self, Outside, Ready};
use sixdocker::execute::line::{self, Message};
use sixdocker::plan::{Attend, IdKind, IdRange, Plan};
use sixdocker::sys::{self, Fault, Image, Twin};

/// What came of a plan.
#[derive(Debug)]
pub(crate) struct Run {
    pub messages: Vec<Message>,
    pub status: WaitStatus,
    pub output: String,
}

impl Run {
    /// The code that init, or the command in its place, ended with.
    pub(crate) fn code(&self) -> i32 {
        match self.status {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}: {self:?}"),
        }
    }

    /// The fault that it told, and the step.
    pub(crate) fn fault(&self) -> (u16, Fault) {
        let fault = self.messages.iter().find_map(|message| match message {
            Message::Fault { n, fault } => Some((*n, *fault)),
            _ => None,
        });
        fault.unwrap_or_else(|| panic!("no fault: {self:?}"))
    }

    pub(crate) fn good(self) -> String {
        assert_eq!(self.code(), 0, "{self:?}");
        assert!(!self.messages.iter().any(|m| matches!(m, Message::Fault { .. })), "{self:?}");
        self.output
    }
}

/// How a run is staged.
pub(crate) struct Stage {
    pub stdin: Option<OwnedFd>,
    /// Allocating is the end of init.
    pub strict: bool,
    /// Init is told that the parent has done its steps.
    pub attended: bool,
    /// Init is let go.
    pub go: bool,
}

impl Default for Stage {
    fn default() -> Self {
        Self { stdin: None, strict: true, attended: true, go: true }
    }
}

pub(crate) fn run(plan: &Plan) -> Run {
    Stage::default().run(plan)
}

/// Runs a plan that is meant to fail; after a fault init may allocate.
pub(crate) fn run_to_fault(plan: &Plan) -> Run {
    Stage { strict: false, ..Stage::default() }.run(plan)
}

impl Stage {
    pub(crate) fn run(self, plan: &Plan) -> Run {
        let (ours, theirs) = sys::line().unwrap();
        let (wait, go) = sys::line().unwrap();
        let (output, write) = pipe();
        let exec = &plan.exec.action;
        let image = Image::new(&exec.candidates, &exec.argv, &exec.environment).unwrap();
        let streams = [self.stdin, Some(write), None];
        let (counted, outside) = ([None, None], Outside::own());
        let ready = Ready { image, streams, counted, window: None };
        let flags = init::flags(&plan.clone.action.namespaces);
        match sys::clone(flags, None).unwrap() {
            Twin::Child => {
                super::FORBIDDEN.store(self.strict, Ordering::Relaxed);
                init::build(plan, &ready, theirs.as_fd(), wait)
            }
            Twin::Parent(pid, _) => {
                drop((theirs, wait, ready));
                // An init that has given up by now hears nothing any more.
                let say = |word: &[u8]| match sys::write_once(go.as_fd(), word) {
                    Err(Fault { errno: Errno::EPIPE, .. }) => {}
                    said => said.unwrap(),
                };
                if self.attended && !plan.attend.is_empty() {
                    plan.attend.iter().for_each(|step| attend(&step.action, pid));
                    say(&[init::ATTENDED]);
                }
                if self.go {
                    say(&init::go(&outside));
                }
                drop(go);
                finish(pid, &ours, &output)
            }
        }
    }
}

/// What a parent does that may map any id.
fn attend(action: &Attend, pid: i32) {
    let Attend::MapIds { kind, map, .. } = action else { panic!("{action:?}") };
    let file = if *kind == IdKind::Uid { "uid_map" } else { "gid_map" };
    let line = |range: &IdRange| format!("{} {} {}\n", range.inside, range.outside, range.count);
    let lines: String = map.iter().map(line).collect();
    std::fs::write(format!("/proc/{pid}/{file}"), lines).unwrap();
}

fn finish(pid: i32, ours: &OwnedFd, output: &OwnedFd) -> Run {
    let mut messages = Vec::new();
    while let Some(message) = line::receive(ours).unwrap() {
        messages.push(message);
    }
    let mut text = String::new();
    std::fs::File::from(output.try_clone().unwrap()).read_to_string(&mut text).unwrap();
    let status = waitpid(Pid::from_raw(pid), None).unwrap();
    Run { messages, status, output: text }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap()
}

/// A directory that is gone at the end of the test.
pub(crate) struct Directory(pub PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("sixdocker-init-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A root file system of busybox and empty directories.
    pub(crate) fn busybox(name: &str) -> Self {
        let root = Self::new(name);
        for dir in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            std::fs::create_dir(root.path(dir)).unwrap();
        }
        let busybox =
            ["/bin/busybox", "/usr/bin/busybox"].iter().find(|path| Path::new(path).exists());
        std::fs::copy(busybox.expect("busybox-static is installed"), root.path("bin/busybox"))
            .unwrap();
        std::os::unix::fs::symlink("busybox", root.path("bin/sh")).unwrap();
        root
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    /// Every name below it, with what it is.
    pub(crate) fn listing(&self) -> String {
        let output = std::process::Command::new("find")
            .arg(&self.0)
            .args(["-printf", "%P %y %m %s %l %T@\n"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The version of the kernel's Landlock, if it has it.
pub(crate) fn landlock() -> Option<u8> {
    Some(sys::landlock_version()).filter(|version| *version > 0)
}
