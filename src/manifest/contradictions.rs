//! Keys that contradict one another.

use super::shell::may_use_arguments;
use super::{Command, Input, Manifest, Network, RootSource, Sharing, Size, Tty, Write};
use crate::diagnostic::{Place, Problem};
use crate::source::Pointer;

/// The kernel needs more for the first process alone: its stack, its tables.
const STARTS: u64 = 64 << 10;

impl Manifest {
    /// Everything that no sandbox can fulfil together, whatever the host.
    #[must_use]
    pub fn contradictions(&self) -> Vec<Problem> {
        let mut found = self.of_limits();
        found.extend(self.of_ulimits());
        found.extend(self.of_process());
        found.extend(self.of_files());
        found.extend(self.of_network());
        found
    }

    fn of_limits(&self) -> Vec<Problem> {
        let limits = &self.limits;
        let at = Pointer::root().key("limits");
        let above = |high: Option<Size>| matches!((high, limits.memory), (Some(high), Some(most)) if high > most);
        let mut found = Vec::new();
        if limits.memory == Some(Size(0)) {
            found.push(too_little(
                at.key("memory"),
                "no command runs in no memory",
                "write how much it may have, or leave `memory` out: then there is no limit",
            ));
        }
        if let Some(Size(bytes @ 1..STARTS)) = limits.memory {
            let help = match bytes {
                ..1024 => format!("a number alone counts bytes: did you mean `{bytes}m`?"),
                _ => "write some megabytes, such as `16m`".to_owned(),
            };
            let text = format!("no command starts in {bytes} bytes of memory");
            found.push(too_little(at.key("memory"), &text, &help));
        }
        if above(limits.memory_high) {
            found.push(contradiction(
                at.key("memory_high"),
                "`memory_high` is more than `memory`",
                "lower it below `memory`",
            ));
        }
        if above(limits.memory_low) {
            found.push(contradiction(
                at.key("memory_low"),
                "`memory_low` is more than `memory`",
                "lower it below `memory`",
            ));
        }
        if limits.swap.is_some() && limits.memory.is_none() {
            found.push(contradiction(
                at.key("swap"),
                "`swap` limits nothing without `memory`",
                "set `memory`, too",
            ));
        }
        found
    }

    fn of_ulimits(&self) -> Vec<Problem> {
        let unlimited = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        let over =
            self.ulimits.iter().filter(|(_, value)| unlimited(value.soft) > unlimited(value.hard));
        let problem = |name: &super::Ulimit| {
            let word = serde_json::to_value(name).ok();
            let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned();
            let at = Pointer::root().key("ulimits").key(&word).key("soft");
            contradiction(
                at,
                "the soft limit is more than the hard one",
                "lower `soft`, or raise `hard`",
            )
        };
        over.map(|(name, _)| problem(name)).collect()
    }

    fn of_process(&self) -> Vec<Problem> {
        let root = Pointer::root();
        let mut found = Vec::new();
        if self.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            found.push(too_little(
                root.key("timeout"),
                "a run that may take no time never begins",
                "write how long it may take, or leave `timeout` out: then there is no limit",
            ));
        }
        if self.init && self.namespaces.pid == Sharing::Host {
            found.push(contradiction(
                root.key("init"),
                "`init` is process 1 of its own namespace, and `namespaces.pid` is `host`",
                "leave one of the two out",
            ));
        }
        if self.drops_arguments() {
            found.push(Self::dropped(Place::Value(root.key("args"))));
        }
        if self.tty == Tty::Yes && self.stdin != Input::Inherit {
            found.push(contradiction(
                root.key("tty"),
                "with a terminal of its own the command reads from it, and `stdin` says otherwise",
                "leave `tty` or `stdin` out",
            ));
        }
        found
    }

    /// Whether there are arguments that the command's text can't use.
    #[must_use]
    pub fn drops_arguments(&self) -> bool {
        let text = matches!(&self.command, Command::Shell(text) if !may_use_arguments(text));
        text && !self.args.is_empty()
    }

    /// Arguments that nobody would see.
    pub(crate) fn dropped(at: Place) -> Problem {
        let text = "the text of `command` uses no argument, and would be run without them";
        let help = "write `\"$@\"` where they belong in the text, as in `make \"$@\"`, or write \
                    `command` as a list, as in `[make, test]`";
        let label = "used nowhere".to_owned();
        Problem { at, label, ..contradiction(Pointer::root(), text, help) }
    }

    fn of_files(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let at = Pointer::root().key("rootfs");
        let host = self.rootfs.source == RootSource::Host;
        if host && !matches!(self.rootfs.write, None | Some(Write::None)) {
            found.push(contradiction(
                at.key("write"),
                "the host's own files are never written",
                "leave `write` out, or name a directory as `path`",
            ));
        }
        let layered = matches!(self.rootfs.write, None | Some(Write::Discard));
        if self.rootfs.size.is_some() && !host && !layered {
            found.push(contradiction(
                at.key("size"),
                "`size` limits the layer of `write: discard`, and there is none",
                "leave `size` out",
            ));
        }
        found.extend(self.same_targets());
        found.extend(self.same_tmpfs());
        found
    }

    fn same_tmpfs(&self) -> Vec<Problem> {
        let mut seen = std::collections::BTreeSet::new();
        let again = self.tmpfs.iter().enumerate().filter(|(_, tmpfs)| !seen.insert(&tmpfs.target));
        let problem = |(n, tmpfs): (usize, &super::Tmpfs)| {
            let at = Pointer::root().key("tmpfs").index(n);
            let text = format!("two file systems stand on `{}`", tmpfs.target);
            contradiction(at, &text, "keep one of them")
        };
        again.map(problem).collect()
    }

    fn same_targets(&self) -> Vec<Problem> {
        let mut seen = std::collections::BTreeSet::new();
        let again = self.mounts.iter().enumerate().filter(|(_, mount)| !seen.insert(&mount.target));
        let problem = |(n, mount): (usize, &super::Mount)| {
            let at = Pointer::root().key("mounts").index(n).key("target");
            contradiction(
                at,
                &format!("two mounts stand on `{}`", mount.target),
                "keep one of them",
            )
        };
        again.map(problem).collect()
    }

    fn of_network(&self) -> Vec<Problem> {
        let shared = self.network == Network::Host;
        let names = self.sysctls.keys().filter(|name| shared && name.starts_with("net."));
        let at = |name: &String| Pointer::root().key("sysctls").key(name);
        let mounts = self.mounts.iter().filter(|mount| !mount.optional);
        let tmpfs = self.tmpfs.iter().map(|tmpfs| &tmpfs.target.0);
        let targets = tmpfs.chain(mounts.map(|mount| &mount.target.0));
        let mut targets = targets.chain(self.files.keys().map(|path| &path.0));
        let covers = |target: &&String| matches!(target.as_str(), "/etc" | "/etc/hosts");
        let cover = targets.find(covers).filter(|_| !self.extra_hosts.is_empty());
        let hosts = cover.map(|target| {
            contradiction(
                Pointer::root().key("extra_hosts"),
                &format!("these lines stand in /etc/hosts, and {target} is the manifest's own"),
                "write them there, and leave `extra_hosts` out",
            )
        });
        names
            .map(|name| {
                contradiction(
                    at(name),
                    "with `network: host` this would change the host's own parameter",
                    "leave it out, or take `network: none`",
                )
            })
            .chain(hosts)
            .collect()
    }
}

fn too_little(at: Pointer, text: &str, help: &str) -> Problem {
    let label = "too little".to_owned();
    Problem { code: "bad_value", label, ..contradiction(at, text, help) }
}

fn contradiction(at: Pointer, text: &str, help: &str) -> Problem {
    Problem {
        code: "contradiction",
        at: Place::Value(at),
        text: text.to_owned(),
        label: "contradicts another key".to_owned(),
        help: Some(help.to_owned()),
        fix: None,
    }
}
