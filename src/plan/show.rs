//! How steps are said: one sentence each, for the listing, the log and "could not …".

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use super::{
    Attend, Bind, CloneInit, Command, Exec, IdKind, IdRange, Init, KernelMount, Layer, MountFlags,
    Namespace, Owner, Prepare, Root, Spawn, Stream, Verify,
};

/// A path or text of the manifest's, with nothing in it that a terminal would act on.
pub(super) fn tame(text: impl AsRef<str>) -> String {
    crate::render::tame(text.as_ref()).into_owned()
}

fn path(path: &Path) -> String {
    tame(path.to_string_lossy())
}

fn list<T: Display>(items: &[T], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

impl Display for Prepare {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartScope { unit, path: group, .. } => write!(
                f,
                "ask systemd for the scope {}, with the runner in it: {}",
                tame(unit),
                path(group)
            ),
            Self::StepAside { path: group } => {
                write!(f, "move the runner to the control group {}", path(group))
            }
            Self::MakeCgroup { path: group } => write!(f, "make the control group {}", path(group)),
            Self::EnableControllers { path: group, controllers } => {
                write!(f, "enable {} below {}", list(controllers, ", "), path(group))
            }
            Self::HoldControllers { path: group, holder, controllers } => write!(
                f,
                "enable {} below {}, and hold them there by the empty control group {}",
                list(controllers, ", "),
                path(group),
                path(holder)
            ),
            Self::WriteCgroup { path: file, value } => {
                write!(f, "write {} to {}", tame(value), path(file))
            }
            Self::WatchMemory { path: group } => {
                write!(f, "ask to be told when {} is out of memory", path(group))
            }
            Self::JoinNetwork { path: namespace } => {
                write!(f, "enter the network namespace {}", path(namespace))
            }
            Self::LockLayer { path: layer } => {
                write!(f, "lock the layer {} against other sandboxes", path(layer))
            }
            Self::OpenStream { stream, path: file } => {
                let name = ["stdin", "stdout", "stderr"].get(usize::from(*stream));
                write!(f, "open {} as {}", path(file), name.unwrap_or(&"a stream"))
            }
        }
    }
}

impl Display for CloneInit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "start init in new namespaces: {}", list(&self.namespaces, ", "))?;
        match &self.into_cgroup {
            Some(group) => write!(f, "; in the control group {}", path(group)),
            None => Ok(()),
        }
    }
}

impl Display for Attend {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (kind, map, helper) = match self {
            Self::MapIds { kind, map, helper } => (kind, map, helper),
            Self::RaiseLimit { resource, hard } => {
                return write!(f, "raise the hard limit of {resource} to {}", limit(*hard));
            }
            Self::MapMount { source, .. } => {
                return write!(f, "copy the mount of {} with its ids mapped", path(source));
            }
            Self::OpenPipes => {
                return f.write_str("let pipes that are standard streams be opened anew");
            }
        };
        let what = if *kind == IdKind::Uid { "user" } else { "group" };
        write!(f, "map {what} ids {}", list(map, ", "))?;
        match helper {
            Some(helper) => write!(f, " by {}", path(helper)),
            None => Ok(()),
        }
    }
}

impl Display for IdRange {
    /// `0→1000`, or `1-65535→100000-165534`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { inside, outside, count } = *self;
        if count == 1 {
            return write!(f, "{inside} to {outside}");
        }
        let last = |first: u32| u64::from(first) + u64::from(count) - 1;
        write!(f, "{inside}-{} to {outside}-{}", last(inside), last(outside))
    }
}

impl Display for Init {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParentDeathSignal => f.write_str("ask to be killed when the runner dies"),
            Self::NewSession => f.write_str("begin a session"),
            Self::MapSelf { uid, gid: None } => write!(f, "map the one user id {uid}"),
            Self::MapSelf { uid, gid: Some(gid) } => {
                write!(f, "map the one user id {uid}, group id {gid}")
            }
            Self::JoinCgroup { path: group } => write!(f, "join the control group {}", path(group)),
            Self::Unshare { namespaces } => {
                write!(f, "make new namespaces: {}", list(namespaces, ", "))
            }
            Self::Undumpable => f.write_str("let nobody trace init or read its memory"),
            Self::Hostname { name } => write!(f, "set the host name to {}", tame(name)),
            Self::LoopbackUp => f.write_str("bring the loopback device up"),
            Self::NewKeyring => f.write_str("take a session keyring of its own"),
            Self::Personality => f.write_str("go back to the plain Linux personality"),
            Self::Scheduler => f.write_str("go back to the ordinary scheduler"),
            Self::PrivateMounts => f.write_str("make every mount private"),
            Self::Scratch { size } => write!(f, "mount a scratch tmpfs of {}", amount(size)),
            Self::Root(root) => root.fmt(f),
            Self::Mkdir { target, mode } => {
                write!(f, "make the directory {} ({mode:04o})", tame(target))
            }
            Self::Symlink { target, to } => write!(f, "link {} to {}", tame(target), tame(to)),
            Self::WriteFile { target, content, mode, owner }
            | Self::File { target, content, mode, owner, .. } => {
                let verb = if matches!(self, Self::File { .. }) { "lay" } else { "write" };
                let (target, bytes) = (tame(target), content.len());
                write!(f, "{verb} the file {target} ({mode:04o}, {bytes} bytes")?;
                if let Some(Owner { uid, gid }) = owner {
                    write!(f, ", of {uid}:{gid}")?;
                }
                f.write_str(")")
            }
            Self::Bind(bind) => bind.fmt(f),
            Self::Mount(mount) => mount.fmt(f),
            Self::Mask { target } => write!(f, "hide {}", tame(target)),
            Self::ReadOnlyPath { target } => write!(f, "make {} read-only", tame(target)),
            Self::ReadOnlyRoot => f.write_str("make the root read-only"),
            Self::PivotRoot => f.write_str("pivot to the new root and drop the old"),
            Self::Sysctl { key, value } => write!(f, "set {} to {}", tame(key), tame(value)),
            Self::OomScoreAdj { value } => write!(f, "set oom_score_adj to {value}"),
            Self::Nice { value } => write!(f, "set the nice value to {value}"),
            Self::Umask { mask } => write!(f, "set the umask to {mask:04o}"),
            Self::SetIds { uid, gid, groups } => {
                write!(f, "become user {uid}, group {gid}")?;
                match groups.as_deref() {
                    None => Ok(()),
                    Some([]) => f.write_str(", no other group"),
                    Some(groups) => write!(f, ", other groups {}", list(groups, ", ")),
                }
            }
            Self::OpenTerminal => f.write_str("open a terminal"),
            Self::Capabilities { keep } if keep.is_empty() => f.write_str("drop every capability"),
            Self::Capabilities { keep } => {
                let words: Vec<_> = keep.iter().map(|capability| capability.word()).collect();
                write!(f, "drop every capability but {}", words.join(", "))
            }
            Self::NoNewPrivileges => f.write_str("renounce new privileges"),
            Self::Chdir { path } => write!(f, "change to the directory {}", tame(path)),
        }
    }
}

fn limit(value: Option<u64>) -> String {
    value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string())
}

/// A size as tmpfs(5) takes it.
fn amount(size: &str) -> String {
    if size.ends_with('%') { format!("{size} of memory") } else { format!("{size} bytes") }
}

impl Display for Root {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tmpfs { size } => write!(f, "take a tmpfs of {} as root", amount(size)),
            Self::Bind { path: dir, read_only, .. } => {
                let how = if *read_only { "read-only" } else { "writable" };
                write!(f, "take {} as root, {how}", path(dir))
            }
            Self::Overlay { lower, upper: Layer::Scratch, .. } => {
                write!(f, "take {} as root, below a layer that is thrown away", path(lower))
            }
            Self::Overlay { lower, upper: Layer::Dir(dir), .. } => {
                write!(f, "take {} as root, below a layer kept in {}", path(lower), path(dir))
            }
        }
    }
}

impl Display for Bind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { source, target, flags, recursive, optional, .. } = self;
        write!(f, "bind {}", path(source))?;
        if source.as_os_str() != target.as_str() {
            write!(f, " on {}", tame(target))?;
        }
        write!(f, "{flags}")?;
        if !recursive && source.starts_with("/dev") { /* a node has nothing below it */
        } else if !recursive {
            f.write_str(", without what is mounted below")?;
        }
        if *optional { f.write_str(", if it is there") } else { Ok(()) }
    }
}

impl Display for KernelMount {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { fstype, target, flags, options, .. } = self;
        write!(f, "mount {fstype} on {}{flags}", tame(target))?;
        options.iter().try_for_each(|(key, value)| match value {
            Some(value) => write!(f, ", {}={}", tame(key), tame(value)),
            None => write!(f, ", {}", tame(key)),
        })
    }
}

impl Display for MountFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = [
            (self.read_only, "read-only"),
            (self.nosuid, "nosuid"),
            (self.nodev, "nodev"),
            (self.noexec, "noexec"),
        ];
        words.iter().filter(|(set, _)| *set).try_for_each(|(_, word)| write!(f, ", {word}"))
    }
}

impl Display for Spawn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("start the command's process, and stay to reap")
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewSession => f.write_str("begin a session"),
            Self::ControllingTerminal => f.write_str("take the terminal as the controlling one"),
            Self::Streams { stdin, stdout, stderr } => {
                write!(f, "connect stdin to {stdin}, stdout to {stdout}, stderr to {stderr}")
            }
            Self::ResetSignals => f.write_str("reset signals"),
            Self::CloseOnExec => f.write_str("close every descriptor above 2 on exec"),
            Self::Rlimit { resource, soft, hard } => {
                write!(f, "limit {resource} to {}", limit(*soft))?;
                if soft == hard { Ok(()) } else { write!(f, ", at most {}", limit(*hard)) }
            }
            Self::Landlock { abi } => write!(f, "keep to the root by Landlock (version {abi})"),
            Self::Seccomp { filter } => {
                write!(
                    f,
                    "filter system calls: {}, {} let through",
                    tame(&filter.name),
                    filter.allowed
                )?;
                let difference = &filter.difference;
                for (word, names) in [
                    ("opened", &difference.opened),
                    ("shut", &difference.shut),
                    ("altered", &difference.altered),
                ] {
                    if !names.is_empty() {
                        write!(f, "; {word}, other than by default: {}", list(names, ", "))?;
                    }
                }
                Ok(())
            }
            Self::Verify(verify) => verify.fmt(f),
        }
    }
}

impl Display for Verify {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { uid, gid, groups, capabilities, no_new_privileges, seccomp, namespaces } = self;
        write!(f, "verify: user {uid}, group {gid}")?;
        match groups.as_deref() {
            None => {}
            Some([]) => f.write_str(", no other group")?,
            Some(groups) => write!(f, ", groups {}", list(groups, ", "))?,
        }
        write!(f, ", {} capabilities", capabilities.len())?;
        if *no_new_privileges {
            f.write_str(", no new privileges")?;
        }
        if *seccomp {
            f.write_str(", filter")?;
        }
        write!(f, ", own {}", list(namespaces, ", "))
    }
}

impl Display for Stream {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inherit => "the caller's",
            Self::None => "/dev/null",
            Self::File => "the opened file",
            Self::Stdout => "stdout",
            Self::Relayed => "a pipe of the runner's",
            Self::Terminal => "the terminal",
        })
    }
}

impl Display for Exec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("exec")?;
        self.argv.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%^".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", tame(argument).replace('\'', "'\\''"))
}

impl Display for Namespace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Mount => "mount",
            Self::Pid => "pid",
            Self::Network => "network",
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        })
    }
}
