//! Which call belongs to which step.

use std::collections::BTreeSet;

use serde_json::Value;

use super::calls::{Call, path_of, unquoted};

/// A step of the printed plan.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    n: u64,
    action: String,
    body: Value,
}

impl Step {
    /// Every step of a plan, wherever it stands in the JSON.
    pub(crate) fn all(plan: &Value) -> Vec<Self> {
        let mut steps = Vec::new();
        gather(plan, &mut steps);
        steps.sort_by_key(|step| step.n);
        steps.dedup_by_key(|step| step.n);
        steps
    }

    fn text(&self, key: &str) -> String {
        match self.body.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    fn is(&self, actions: &[&str]) -> bool {
        actions.contains(&self.action.as_str())
    }

    /// The path or text under `key`, without the runner's pid that ends the name of a group.
    fn same(&self, key: &str, other: &str) -> bool {
        without_pid(&self.text(key)) == without_pid(other)
    }

    /// It may find nothing to do, or does it without a call that is looked at.
    fn may_be_silent(&self) -> bool {
        match self.action.as_str() {
            "verify" | "streams" | "mask" | "read_only_path" | "mkdir" | "undumpable"
            | "open_pipes" => true,
            "bind" => self.text("optional") == "true",
            _ => false,
        }
    }
}

fn gather(value: &Value, steps: &mut Vec<Step>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| gather(value, steps)),
        Value::Object(map) => {
            if let (Some(n), Some(action)) = (map.get("n"), map.get("action")) {
                if let (Some(n), Some(action)) = (n.as_u64(), action.as_str()) {
                    steps.push(Step { n, action: action.to_owned(), body: value.clone() });
                }
            } else {
                map.values().for_each(|value| gather(value, steps));
            }
        }
        _ => {}
    }
}

fn without_pid(path: &str) -> String {
    let group = |part: &str| match part.rsplit_once('-') {
        Some((name, pid))
            if name.contains("sixdocker")
                && !pid.is_empty()
                && pid.bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{name}-PID")
        }
        _ => part.to_owned(),
    };
    path.split('/').map(group).collect::<Vec<_>>().join("/")
}

/// What was done and not planned, and what was planned and not done.
pub(crate) fn compare(steps: &[Step], calls: &[Call]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for call in calls {
        match account(call, steps) {
            Account::NoChange => {}
            Account::Of(numbers) if numbers.is_empty() => {
                faults.push(format!("no step for {}({})", call.name, call.arguments));
            }
            Account::Of(numbers) => seen.extend(numbers),
        }
    }
    let silent = steps.iter().filter(|step| !seen.contains(&step.n) && !step.may_be_silent());
    faults.extend(silent.map(|step| format!("no call for step {}: {}", step.n, step.body)));
    faults.extend(too_many(steps, calls));
    faults
}

/// Mounts are put somewhere once for each step.
fn too_many(steps: &[Step], calls: &[Call]) -> Option<String> {
    let put = |call: &&Call| {
        call.name == "move_mount" || call.name == "mount" && !call.arguments.contains("MS_PRIVATE")
    };
    let moved = calls.iter().filter(put).count();
    // A mapped layer lies hidden until the pivot.
    let layers = |step: &&Step| step.text("kind") == "overlay" && step.text("mapped") == "true";
    let hidden = steps.iter().filter(layers).count() * 2;
    let planned = steps.iter().filter(|step| step.is(MOUNTING)).count() + hidden;
    (moved > planned).then(|| format!("{moved} mounts were put in place, {planned} planned"))
}

/// The steps that put a mount somewhere.
const MOUNTING: &[&str] = &["scratch", "root", "bind", "mount", "file", "mask", "read_only_path"];

enum Account {
    /// The call changes nothing that a plan speaks of.
    NoChange,
    /// It belongs to one of these.
    Of(Vec<u64>),
}

fn account(call: &Call, steps: &[Step]) -> Account {
    let of = |fits: &dyn Fn(&Step) -> bool| {
        Account::Of(steps.iter().filter(|step| fits(step)).map(|step| step.n).collect())
    };
    let actions = |names: &'static [&'static str]| of(&|step| step.is(names));
    if call.helper {
        return match call.name.as_str() {
            "execve" | "write" => actions(&["map_ids"]),
            _ => Account::NoChange,
        };
    }
    match call.name.as_str() {
        "write" | "pwrite64" => write(call, steps),
        "openat" | "openat2" => opened(call, steps),
        "clone" | "clone3" | "fork" | "vfork" => started(call, steps),
        "unshare" => {
            of(&|step| step.is(&["unshare"]) && flags_of(step) == namespaces(&call.arguments))
        }
        "setns" => actions(&["join_network"]),
        "prctl" => controlled(call, steps),
        "ioctl" => device(call, steps),
        "mkdir" | "mkdirat" => directory(call, steps),
        "symlinkat" => actions(&["symlink"]),
        // No node, but a file to show one upon.
        "mknodat" => of(&|step| {
            step.is(&["bind"])
                && call.argument(2).starts_with("S_IFREG")
                && step.text("target") == format!("/dev/{}", unquoted(&call.argument(1)))
        }),
        "execve" | "execveat" => {
            let program = unquoted(&call.argument(0));
            of(&|step| {
                step.is(&["exec"]) && step.text("candidates").contains(&format!("\"{program}\""))
            })
        }
        "mount" => {
            let private =
                call.arguments.contains("MS_PRIVATE") && call.arguments.contains("MS_REC");
            of(&|step| private && step.is(&["private_mounts"]) || at_a_name(step, call))
        }
        "fsopen" => {
            let kind = unquoted(&call.argument(0));
            of(&|step| makes(step, &kind))
        }
        "fsconfig" | "fsmount" => of(&|step| step.is(&["scratch", "root", "mount", "mask"])),
        "open_tree" => of(&|step| clones(step, call)),
        "move_mount" => actions(MOUNTING),
        "mount_setattr" if call.arguments.contains("MOUNT_ATTR_IDMAP") => actions(&["map_mount"]),
        "fchown" => actions(&["set_ids", "write_file", "file"]),
        "mount_setattr" => {
            actions(&["root", "bind", "mount", "file", "mask", "read_only_path", "read_only_root"])
        }
        "pivot_root" | "umount2" => actions(&["pivot_root"]),
        "sethostname" => {
            of(&|step| step.is(&["hostname"]) && step.text("name") == unquoted(&call.argument(0)))
        }
        "keyctl" => of(&|step| {
            step.is(&["new_keyring"]) && call.arguments.starts_with("KEYCTL_JOIN_SESSION")
        }),
        "personality" if call.arguments.starts_with("0xffffffff") => Account::NoChange,
        "personality" => actions(&["personality"]),
        "sched_setscheduler" | "sched_setattr" => actions(&["scheduler"]),
        "setpriority" => of(&|step| step.is(&["nice"]) && step.text("value") == call.argument(2)),
        "prlimit64" if call.argument(2) == "NULL" => Account::NoChange,
        "prlimit64" | "setrlimit" => limited(call, steps),
        "setgroups" | "setresgid" | "setresuid" => actions(&["set_ids"]),
        "umask" => umask(call, steps),
        "chdir" | "fchdir" => actions(&["chdir", "pivot_root"]),
        "capset" => actions(&["capabilities"]),
        "seccomp" if call.arguments.starts_with("SECCOMP_GET") => Account::NoChange,
        "seccomp" => of(&|step| {
            step.is(&["seccomp"]) && call.arguments.starts_with("SECCOMP_SET_MODE_FILTER")
        }),
        "landlock_create_ruleset" | "landlock_add_rule" | "landlock_restrict_self" => {
            actions(&["landlock"])
        }
        "setsid" => actions(&["new_session"]),
        "close_range" if call.arguments.contains("CLOEXEC") => actions(&["close_on_exec"]),
        "rt_sigaction" if call.arguments.contains("SIG_DFL") => mild(actions(&["reset_signals"])),
        "close_range" | "rt_sigaction" => Account::NoChange,
        // Everything else that was asked for changes something that no step speaks of.
        _ => Account::Of(vec![]),
    }
}

/// A call that is ordinary elsewhere, too.
fn mild(account: Account) -> Account {
    match account {
        Account::Of(numbers) if numbers.is_empty() => Account::NoChange,
        other => other,
    }
}

fn numbers(steps: &[Step], fits: impl Fn(&Step) -> bool) -> Account {
    Account::Of(steps.iter().filter(|step| fits(step)).map(|step| step.n).collect())
}

fn write(call: &Call, steps: &[Step]) -> Account {
    let path = path_of(&call.argument(0));
    let value = unquoted(&call.argument(1));
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.starts_with("/sys/fs/cgroup") {
        return numbers(steps, |step| match step.action.as_str() {
            "write_cgroup" => step.same("path", &path) && step.text("value").trim() == value.trim(),
            "enable_controllers" => {
                path.starts_with(&step.text("path")) && last == "cgroup.subtree_control"
            }
            // At the end, before it is removed.
            "make_cgroup" => {
                without_pid(&path).starts_with(&without_pid(&step.text("path")))
                    && last == "cgroup.kill"
            }
            "watch_memory" => {
                without_pid(&path).starts_with(&without_pid(&step.text("path")))
                    && last == "cgroup.event_control"
            }
            "join_cgroup" => {
                without_pid(&path).starts_with(&without_pid(&step.text("path"))) && value == "0"
            }
            _ => false,
        });
    }
    if !path.starts_with("/proc/") {
        return mild(numbers(steps, |step| {
            step.is(&["write_file", "file"])
                && !value.is_empty()
                && step.text("content").starts_with(value.trim_end_matches('\\'))
        }));
    }
    match last {
        "uid_map" | "gid_map" | "setgroups" => {
            numbers(steps, |step| step.is(&["map_self", "map_ids"]))
        }
        "oom_score_adj" => {
            numbers(steps, |step| step.is(&["oom_score_adj"]) && step.text("value") == value)
        }
        _ => numbers(steps, |step| {
            let key = path.trim_start_matches("/proc/sys/").replace('/', ".");
            step.is(&["sysctl"]) && step.text("key") == key && step.text("value") == value
        }),
    }
}

fn opened(call: &Call, steps: &[Step]) -> Account {
    let path = unquoted(&call.argument(1));
    mild(numbers(steps, |step| step.is(&["open_stream"]) && step.text("path") == path))
}

fn namespaces(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("CLONE_NEW")).map(str::to_owned).collect()
}

fn flags_of(step: &Step) -> BTreeSet<String> {
    let names = step.body.get("namespaces").and_then(Value::as_array).cloned().unwrap_or_default();
    let flag = |name: &Value| match name.as_str().unwrap_or_default() {
        "user" => "CLONE_NEWUSER",
        "mount" => "CLONE_NEWNS",
        "pid" => "CLONE_NEWPID",
        "network" => "CLONE_NEWNET",
        "uts" => "CLONE_NEWUTS",
        "ipc" => "CLONE_NEWIPC",
        "cgroup" => "CLONE_NEWCGROUP",
        _ => "CLONE_NEWTIME",
    };
    names.iter().map(|name| flag(name).to_owned()).collect()
}

fn started(call: &Call, steps: &[Step]) -> Account {
    let new = namespaces(&call.arguments);
    if call.arguments.contains("CLONE_THREAD") {
        return Account::Of(vec![]);
    }
    let into = call.arguments.contains("CLONE_INTO_CGROUP");
    numbers(steps, |step| match step.action.as_str() {
        "clone" => flags_of(step) == new && step.text("into_cgroup").is_empty() != into,
        "spawn" | "map_ids" => new.is_empty(),
        _ => false,
    })
}

fn controlled(call: &Call, steps: &[Step]) -> Account {
    let option = call.argument(0);
    let action = match option.as_str() {
        // In the runner, and in the init that stays.
        "PR_SET_CHILD_SUBREAPER" => "spawn",
        "PR_SET_PDEATHSIG" => "parent_death_signal",
        "PR_SET_DUMPABLE" => "undumpable",
        "PR_SET_NO_NEW_PRIVS" => "no_new_privileges",
        "PR_CAPBSET_DROP" | "PR_CAP_AMBIENT" | "PR_SET_SECUREBITS" | "PR_SET_KEEPCAPS" => {
            "capabilities"
        }
        "PR_SET_SECCOMP" => "seccomp",
        other if other.contains("_GET_") || other == "PR_CAPBSET_READ" => return Account::NoChange,
        _ => return Account::Of(vec![]),
    };
    numbers(steps, |step| step.action == action)
}

fn device(call: &Call, steps: &[Step]) -> Account {
    let action = match call.argument(1).as_str() {
        "SIOCSIFFLAGS" => "loopback_up",
        "TIOCSCTTY" => "controlling_terminal",
        "TIOCGPTPEER" | "TIOCSPTLCK" => "open_terminal",
        _ => return Account::NoChange,
    };
    numbers(steps, |step| step.action == action)
}

fn directory(call: &Call, steps: &[Step]) -> Account {
    let path = unquoted(&call.argument(usize::from(call.name == "mkdirat")));
    let path = match call.argument(0) {
        at if call.name == "mkdirat" && !path.starts_with('/') => {
            format!("{}/{path}", path_of(&at))
        }
        _ => path,
    };
    if path.starts_with("/sys/fs/cgroup") {
        return numbers(steps, |step| step.is(&["make_cgroup"]) && step.same("path", &path));
    }
    // Directories of the new root: where mounts go, and the layers.
    numbers(steps, |step| {
        step.is(&["mkdir", "bind", "mount", "file", "root", "write_file", "scratch"])
    })
}

/// The step mounts a file system of this type.
fn makes(step: &Step, kind: &str) -> bool {
    match step.action.as_str() {
        "scratch" | "mask" => kind == "tmpfs",
        "root" => step.text("kind") == kind,
        "mount" => step.text("fstype") == kind,
        _ => false,
    }
}

/// The step shows this thing once more.
fn clones(step: &Step, call: &Call) -> bool {
    let path = unquoted(&call.argument(1));
    match step.action.as_str() {
        "bind" | "map_mount" => step.text("source") == path,
        "root" => step.text("kind") == "bind" && step.text("path") == path,
        "file" => path.starts_with("file"),
        "mask" => path.is_empty() || path == "/dev/null",
        "read_only_path" => path.is_empty() || path == step.text("target"),
        _ => false,
    }
}

/// The step mounts something at a name at the top of a file system made here.
fn at_a_name(step: &Step, call: &Call) -> bool {
    let [from, to] = [0, 1].map(|n| unquoted(&call.argument(n)));
    let itself = step.is(&["read_only_path"]) && from == to;
    let below = step.text("target").rsplit_once('/').is_some_and(|(_, name)| name == to);
    let bind = step.is(&["bind"]) && step.text("source") == from;
    let mount = step.is(&["mount"]) && step.text("fstype") == unquoted(&call.argument(2));
    let shown = itself || bind || step.is(&["mask"]);
    below && if call.arguments.contains("MS_BIND") { shown } else { mount }
}

fn limited(call: &Call, steps: &[Step]) -> Account {
    let resource =
        call.list().into_iter().find(|word| word.starts_with("RLIMIT_")).unwrap_or_default();
    let word = resource.trim_start_matches("RLIMIT_").to_ascii_lowercase();
    numbers(steps, |step| {
        step.is(&["rlimit", "raise_limit"])
            && step.text("resource").trim_start_matches("RLIMIT_").to_ascii_lowercase() == word
    })
}

fn umask(call: &Call, steps: &[Step]) -> Account {
    let asked = u64::from_str_radix(call.argument(0).trim_start_matches('0'), 8).unwrap_or(0);
    // A mask of its own while it builds.
    mild(numbers(steps, |step| step.is(&["umask"]) && step.text("mask") == asked.to_string()))
}
