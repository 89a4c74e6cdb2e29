//! The process that becomes the command: its streams, its walls, and a last look at itself.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;

use super::Scene;
use super::namespaces::Links;
use crate::capability::Capability;
use crate::plan::{Command, Init, Stream, Verify};
use crate::sys::{self, Call, Fault, Named, Result};

impl Scene<'_> {
    /// Performs the last scene, and becomes the command.
    pub(super) fn command(&self) -> ! {
        // A filter may forbid what opens them.
        let links = self.proc.as_ref().map(|proc| Links::of(proc.as_fd())).map_err(|fault| *fault);
        for step in &self.plan.command {
            self.check(step.n, self.prepare(&step.action, &links));
        }
        let fault = self.ready.image.exec(self.outside.program);
        self.give_up(self.plan.exec.n, fault)
    }

    fn prepare(&self, action: &Command, links: &Result<Links<'_>>) -> Result<()> {
        match action {
            Command::NewSession => nix::unistd::setsid().of(Call::Setsid).map(drop),
            Command::ControllingTerminal => self.control_terminal(),
            Command::Streams { stdin, stdout, stderr } => {
                self.lead(0, stdin)?;
                self.lead(1, stdout)?;
                self.lead(2, stderr)
            }
            Command::ResetSignals => sys::reset_signals(),
            Command::CloseOnExec => sys::close_on_exec(),
            Command::Rlimit { resource, soft, hard } => rlimit(resource, *soft, *hard),
            Command::Landlock { abi } => self.landlock(*abi),
            Command::Seccomp { filter } => sys::install_filter(&filter.program),
            Command::Verify(verify) => self.verify(verify, links.as_ref().map_err(|fault| *fault)?),
        }
    }

    fn control_terminal(&self) -> Result<()> {
        let terminal = self.terminal.as_ref().ok_or(Call::Ioctl.fault(Errno::EBADF))?;
        sys::controlling_terminal(terminal.as_fd())?;
        (0..3).try_for_each(|n| sys::dup_onto(terminal.as_fd(), n))
    }

    /// Lets standard stream `n` lead where the plan says.
    fn lead(&self, n: u8, stream: &Stream) -> Result<()> {
        let null;
        let from = match stream {
            Stream::Inherit => return Ok(()),
            Stream::None => {
                null = self.shows_null().then(sys::sealed_null).transpose()?;
                null.as_ref().or(self.null.as_ref().ok()).map(AsFd::as_fd)
            }
            Stream::File => opened(&self.ready.streams, n),
            Stream::Stdout => Some(sys::stream(1)),
            Stream::Relayed => match n.checked_sub(1) {
                None => opened(&self.ready.streams, n),
                Some(n) => opened(&self.ready.counted, n),
            },
            Stream::Terminal => self.terminal.as_ref().map(AsFd::as_fd),
        };
        sys::dup_onto(from.ok_or(Call::Dup2.fault(Errno::EBADF))?, n.into())
    }

    /// A root file system that is taken as it is may have any or no /dev/null of its own.
    fn shows_null(&self) -> bool {
        self.plan.init.iter().any(|step| match &step.action {
            Init::Bind(bind) => bind.target == "/dev/null" && bind.flags.read_only,
            _ => false,
        })
    }

    /// All below / is allowed, and the files and terminals that are standard streams: the
    /// command may open those anew, as /dev/stdout. A directory among them is no stream.
    fn landlock(&self, abi: u8) -> Result<()> {
        let rules = self.rules.as_ref().ok_or(Call::LandlockRestrictSelf.fault(Errno::EBADF))?;
        for stream in [0, 1, 2].map(sys::stream) {
            match sys::seen(stream) {
                Err(Fault { errno: Errno::EBADF, .. }) => {}
                seen if is_file(seen?.st_mode) => {
                    let rights = sys::stream_rights(abi, stream)?;
                    sys::allow(rules.as_fd(), stream, rights)?;
                }
                _ => {}
            }
        }
        sys::restrict(rules.as_fd())
    }

    fn verify(&self, verify: &Verify, links: &Links<'_>) -> Result<()> {
        let Verify { uid, gid, groups, capabilities, no_new_privileges, seccomp, namespaces } =
            verify;
        let ids = [*uid, *uid, *uid, *gid, *gid, *gid];
        same(&sys::ids()?, &ids, Call::CheckIds)?;
        if let Some(groups) = groups {
            same(&sys::has_groups(groups)?, &true, Call::CheckIds)?;
        }
        verify_capabilities(capabilities)?;
        same(&sys::has_no_new_privileges()?, no_new_privileges, Call::CheckPrivileges)?;
        if *seccomp {
            same(&sys::is_filtered()?, &true, Call::CheckFilter)?;
        }
        let differ = self.outside.namespaces.differ(namespaces, links)?;
        same(&differ, &true, Call::CheckNamespaces)?;
        verify_streams()
    }
}

fn rlimit(resource: &str, soft: Option<u64>, hard: Option<u64>) -> Result<()> {
    let resource = sys::resource(resource).ok_or(Call::Setrlimit.fault(Errno::EINVAL))?;
    sys::set_rlimit(0, resource, soft, hard)
}

fn opened(files: &[Option<OwnedFd>], n: u8) -> Option<BorrowedFd<'_>> {
    files.get(usize::from(n))?.as_ref().map(AsFd::as_fd)
}

fn is_file(mode: u32) -> bool {
    matches!(mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFCHR | libc::S_IFBLK)
}

fn same<T: PartialEq>(really: &T, planned: &T, check: Call) -> Result<()> {
    if really == planned { Ok(()) } else { Err(check.fault(Errno::EPERM)) }
}

fn verify_capabilities(planned: &[Capability]) -> Result<()> {
    let planned = planned.iter().fold(0, |all, one| all | one.bit());
    same(&sys::Sets::own()?, &sys::Sets::of(planned), Call::CheckCapabilities)?;
    same(&sys::bounding()?, &planned, Call::CheckCapabilities)?;
    same(&sys::ambient(planned)?, &planned, Call::CheckCapabilities)
}

/// A directory as a stream is a way out of any root: everything is reached from it by `..`.
fn verify_streams() -> Result<()> {
    for n in 0..3 {
        if let Ok(seen) = sys::seen(sys::stream(n)) {
            let directory = seen.st_mode & libc::S_IFMT == libc::S_IFDIR;
            same(&directory, &false, Call::CheckStreams)?;
        }
    }
    Ok(())
}

/// Allows all below the new root.
pub(super) fn rules(abi: u8) -> Result<OwnedFd> {
    let rules = sys::ruleset(abi)?;
    let root = sys::open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    sys::allow(rules.as_fd(), root.as_fd(), sys::all_rights(abi))?;
    Ok(rules)
}
