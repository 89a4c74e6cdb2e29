//! What strace wrote, read back.

use std::collections::{HashMap, HashSet};

/// The calls that are looked at.
pub(crate) const TRACED: &str = "trace=mount,umount2,mount_setattr,move_mount,open_tree,fsopen,fsconfig,fsmount,fspick,pivot_root,chroot,clone,clone3,fork,vfork,unshare,setns,write,pwrite64,mkdir,mkdirat,symlinkat,openat,openat2,execve,execveat,capset,prctl,prlimit64,setrlimit,sethostname,setdomainname,seccomp,landlock_create_ruleset,landlock_add_rule,landlock_restrict_self,keyctl,add_key,personality,sched_setscheduler,sched_setattr,setpriority,setsid,setuid,setgid,setreuid,setregid,setresuid,setresgid,setgroups,setfsuid,setfsgid,umask,chdir,fchdir,ioctl,close_range,fchown,mknod,mknodat,bpf,rt_sigaction,quotactl,swapon,settimeofday,clock_settime";

/// One call that succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) pid: u32,
    pub(crate) name: String,
    /// Its arguments as strace writes them.
    pub(crate) arguments: String,
    /// It was done by `newuidmap` or the like.
    pub(crate) helper: bool,
}

impl Call {
    /// The arguments, apart.
    pub(crate) fn list(&self) -> Vec<String> {
        split(&self.arguments)
    }

    pub(crate) fn argument(&self, n: usize) -> String {
        self.list().get(n).cloned().unwrap_or_default()
    }
}

/// Splits at the commas of the outermost level.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth, mut quoted, mut escaped) =
        (Vec::new(), String::new(), 0, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' | '(' | '<' if !quoted => depth += 1,
            '}' | ']' | ')' | '>' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part.trim().to_owned());
    }
    parts
}

/// The text within a string as strace writes it.
pub(crate) fn unquoted(text: &str) -> String {
    text.trim_end_matches("...").trim_matches('"').replace("\\n", "\n")
}

/// The path that `-y` puts behind a descriptor: `5</proc>`.
pub(crate) fn path_of(descriptor: &str) -> String {
    let inner = descriptor.split_once('<').map_or("", |(_, rest)| rest.trim_end_matches('>'));
    inner.trim_end_matches("(deleted)").to_owned()
}

/// The calls that succeeded, of the runner and of init, until the command itself runs.
pub(crate) fn until_the_command(text: &str) -> Vec<Call> {
    let mut pending: HashMap<u32, String> = HashMap::new();
    let mut watch = Watch::default();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.trim_start().split_once(char::is_whitespace) else { continue };
        let Ok(pid) = pid.parse::<u32>() else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            // A child's first call may be written before its clone returns.
            pending.insert(pid, begun.to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let tail = resumed.split_once("resumed>").map_or("", |(_, tail)| tail);
            let whole = format!("{}{tail}", pending.remove(&pid).unwrap_or_default());
            calls.extend(read(pid, &whole));
        } else {
            calls.extend(read(pid, rest));
        }
    }
    calls.into_iter().filter_map(|call| watch.see(call)).collect()
}

fn read(pid: u32, text: &str) -> Option<(Call, i64)> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?.to_owned();
    let number = result.split(|c: char| !c.is_ascii_digit() && c != '-').next()?;
    let number = number.parse().ok()?;
    Some((Call { pid, name: name.to_owned(), arguments, helper: false }, number))
}

/// Who is the runner or init, who a helper, who the command.
#[derive(Default)]
struct Watch {
    started: bool,
    commands: HashSet<u32>,
    helpers: HashSet<u32>,
}

impl Watch {
    fn see(&mut self, (mut call, returned): (Call, i64)) -> Option<Call> {
        if returned < 0 || self.commands.contains(&call.pid) {
            return None;
        }
        if call.name == "execve" {
            let program = unquoted(&call.argument(0));
            let runner =
                program.rsplit('/').next().is_some_and(|name| name.starts_with("sixdocker"));
            if runner {
                self.started = true;
                return None;
            }
            if !self.started {
                return None;
            }
            if program.ends_with("newuidmap") || program.ends_with("newgidmap") {
                self.helpers.insert(call.pid);
            } else {
                self.commands.insert(call.pid);
            }
        }
        call.helper = self.helpers.contains(&call.pid);
        self.started.then_some(call)
    }
}
