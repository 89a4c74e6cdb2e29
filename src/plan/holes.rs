//! What can be open in a sandbox: what each hole allows, how much it weighs, how it is shut.
//!
//! The planner names a hole and what it is about; `plan`, `audit` and reports say it from here.

use serde::Serialize;
use serde::ser::SerializeStruct;

use super::{Origin, show::tame};

/// Something that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Hole {
    /// What kind of hole it is.
    pub opening: Opening,
    /// What it is about: a path, a name, a reason.
    pub about: String,
    /// What asked for it.
    pub origin: Origin,
}

impl Hole {
    /// What it allows, in one sentence.
    #[must_use]
    pub fn text(&self) -> String {
        self.opening.allows().replace("{}", &tame(&self.about))
    }
}

impl Serialize for Hole {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut to = to.serialize_struct("Hole", 5)?;
        to.serialize_field("id", self.opening.id())?;
        to.serialize_field("text", &self.text())?;
        to.serialize_field("weight", &self.opening.points())?;
        to.serialize_field("remedy", self.opening.remedy())?;
        to.serialize_field("origin", &self.origin)?;
        to.end()
    }
}

macro_rules! openings {
    ($($name:ident $id:literal $weight:literal: $allows:literal, $remedy:literal;)*) => {
        /// A kind of hole.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the table says what each allows")]
        pub enum Opening { $($name),* }

        impl Opening {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its stable name.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id),* }
            }

            /// How exposed a sandbox is that has this hole and no other, in tenths: from 1, hardly
            /// worth a word, to 100, not contained at all.
            #[must_use]
            pub const fn weight(self) -> u8 {
                match self { $(Self::$name => $weight),* }
            }

            /// What it allows; `{}` stands for what it is about.
            #[must_use]
            pub const fn allows(self) -> &'static str {
                match self { $(Self::$name => $allows),* }
            }

            /// How it is shut.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy),* }
            }
        }
    };
}

openings! {
    // Who the command is.
    HostIds "host_ids" 50:
        "the command's user ids are the host's: a way out of the sandbox is a way into the host's account",
        "leave `userns: host` out";
    HostRoot "host_root" 10:
        "user 0 of the sandbox is the host's root, if without any capability: {}",
        "run it as an ordinary user, or take out what the reason names";
    AllIds "all_ids" 20:
        "every user and group id up to 65535 is mapped to the host's own",
        "leave CHOWN, SETUID and SETGID out, or run it as an ordinary user";
    HostGroup "host_group" 5:
        "the command is in group {} of the host, and may use what that group may",
        "take it out of `groups`, or run it as an ordinary user";
    CallerGroups "caller_groups" 3:
        "the command keeps the caller's supplementary groups ({}), which nobody without a range of /etc/subgid can give up: it may use what those groups may",
        "give the caller a range (`sixdocker doctor` has the command), or run it as a user who is in no such group";

    // What it shares with the host.
    HostProcesses "host_processes" 15:
        "the command sees the processes of the surrounding PID namespace, and may signal those of the same user",
        "leave `namespaces.pid: host`, `proc: outer` and `allow_degraded: [pid_namespace]` out";
    LeftBehind "left_behind" 5:
        "processes that end the runner and its init outlive them: no PID namespace and no control group holds them together",
        "give it a PID namespace, or run it where a control group can be had";
    Untied "untied" 3:
        "the command may outlive a runner that is killed: as PID 1 it can give up the signal that ties it ({})",
        "write `init: true`";
    HostIpc "host_ipc" 10:
        "the command shares System V and POSIX message queues, semaphores and memory of the host",
        "leave `namespaces.ipc: host` out";
    HostName "host_name" 1:
        "the command shares the host's name",
        "leave `namespaces.uts: host` out";
    HostCgroupPaths "host_cgroup_paths" 1:
        "the command sees the host's control group paths",
        "leave `namespaces.cgroup: host` out";
    HostNetwork "host_network" 25:
        "the command has the host's network: it reaches every address that the host reaches, its loopback services and abstract sockets too",
        "leave `network: host` out, or make a namespace for it and name its path";
    JoinedNetwork "joined_network" 15:
        "the command has the network of {}",
        "leave `network` out, or let that namespace reach no more than it must";

    // The walls.
    NewPrivileges "new_privileges" 15:
        "set-user-id programs and file capabilities take effect inside",
        "leave `no_new_privileges: false` out";
    Capability "capability" 3:
        "the command has {} over the sandbox's own namespaces",
        "take it out of `capabilities`";
    KernelCapability "kernel_capability" 10:
        "the command has {} over the sandbox's own namespaces, and reaches kernel code that is attacked often",
        "take it out of `capabilities`";
    HostCapability "host_capability" 15:
        "the command has {} over the host",
        "take it out of `capabilities`, or leave `userns: host` out";
    RulingCapability "ruling_capability" 70:
        "the command has {} over the host: whoever has it, has the machine",
        "take it out of `capabilities`, or leave `userns: host` out";
    NoFilter "no_filter" 30:
        "no filter stands between the command and the kernel's system calls",
        "leave `seccomp: none` and `allow_degraded: [seccomp]` out, and allow single calls instead";
    MoreCalls "more_calls" 8:
        "the filter lets system calls through that the default refuses: {}",
        "leave `seccomp` and `level: loose` out, or allow those calls alone that are needed";
    DangerousCalls "dangerous_calls" 15:
        "the filter lets system calls through that no level has, for they rule the machine or reach kernel code that is attacked often: {}",
        "take them out of the profile or of `allow`";
    NoLandlock "no_landlock" 3:
        "no Landlock rules stand behind the mounts: {}",
        "let the kernel have Landlock, and the manifest what leaves room for it";
    UnmaskedPaths "unmasked_paths" 5:
        "what `masked_paths` hides by default is open: {}",
        "add it to `masked_paths`, or leave the key out";
    WritablePaths "writable_paths" 10:
        "what `readonly_paths` shuts by default is open to writes: {}",
        "add it to `readonly_paths`, or leave the key out";
    BareProc "bare_proc" 10:
        "the second proc at {} has no masks",
        "take it out, and use /proc";
    NestedNamespaces "nested_namespaces" 15:
        "the command may make user namespaces, and reach the kernel code that they open",
        "leave `nested_namespaces` out";

    // What it sees and writes of the host's files.
    HostPrograms "host_programs" 1:
        "the command sees the host's programs and libraries",
        "name a directory as `rootfs`";
    HostFiles "host_files" 1:
        "the command sees {} of the host",
        "take it out, or show a smaller part";
    SecretFiles "secret_files" 25:
        "the command sees {}",
        "show the part that it needs, and nothing above it";
    WritableFiles "writable_files" 8:
        "the command can change {} of the host",
        "leave it read-only, or give it a copy";
    SystemFiles "system_files" 70:
        "the command can change {} of the host, and so what the host does",
        "leave it read-only, or give it a copy";
    ReportFile "report_file" 1:
        "the runner writes its report to {} of the host in place of what is there; the name and the labels of the manifest are part of it",
        "leave `report` out, and name the file with `--report`";
    RootsPrograms "roots_programs" 10:
        "the command can leave set-user-id programs of root's in {} for other users of the host",
        "run it as an ordinary user or with a `user`, or let nobody else into that directory (`chmod 700`)";
    OwnRules "own_rules" 40:
        "the command can change {}, which the next run obeys",
        "keep it where the command can't write, or show that read-only";
    WritableRoot "writable_root" 10:
        "the command changes {} itself",
        "write `write: discard` below `rootfs`, or keep the changes beside it with `write: {keep: DIR}`";
    KeptWrites "kept_writes" 3:
        "what the command writes is kept in {} of the host",
        "write `write: discard` below `rootfs`, or a tmpfs in the place of the overlay";
    HostSocket "host_socket" 10:
        "the command may speak to whoever listens at {} of the host: a read-only mount does not forbid that",
        "take it out";
    HostSockets "host_sockets" 40:
        "the command may speak to every service of the host that listens in {}: a read-only mount does not forbid that",
        "show the one socket that it needs";
    ControlSocket "control_socket" 90:
        "the command may speak to whoever listens at {} of the host and rules the machine: a read-only mount does not forbid that",
        "take it out; let something in between hand on what is needed";
    SetUserId "set_user_id" 5:
        "set-user-id programs in {} take effect",
        "leave `suid` out";
    DeviceNodes "device_nodes" 10:
        "device nodes in {} take effect",
        "leave `dev` out, and name single nodes in `devices`";
    Device "device" 7:
        "the command can use {} of the host",
        "take it out of `devices`";
    RawDevice "raw_device" 80:
        "the command can use {} of the host, below every permission of files",
        "take it out of `devices`; mount what is on it, and show that";
    Hardware "hardware" 3:
        "the command sees the machine's devices and drivers at {}",
        "take the mount of sysfs out";
    CgroupFiles "cgroup_files" 2:
        "the command sees its control groups at {}",
        "take the mount of type cgroup out";
    KernelFiles "kernel_files" 10:
        "the command can change kernel parameters and its own limits at {}, as far as its user may",
        "leave the mount read-only";
    MountOption "mount_option" 1:
        "{} is mounted with options that nobody checks",
        "leave `options` out";

    // What it may do to the machine.
    Sysctl "sysctl" 1:
        "the kernel parameter {} of the sandbox's namespaces is not the usual one",
        "leave it out of `sysctls`";
    AllMemory "all_memory" 2:
        "the command may use all memory of the machine",
        "set `limits.memory`";
    UncountedMemory "uncounted_memory" 1:
        "`limits.memory` does not hold what the command leaves in netlink sockets, which the kernel counts for nobody",
        "write `security: strict`";
    AllProcessors "all_processors" 1:
        "the command may use all processors of the machine",
        "set `limits.cpus` or `limits.cpuset`";
    AllProcesses "all_processes" 4:
        "nothing limits the number of processes: {}",
        "set `limits.pids`, where a control group can be had";
    ManyProcesses "many_processes" 4:
        "the command may have as many as {} processes",
        "leave it to the default of 4096, or set `limits.pids` lower";
    AllTime "all_time" 1:
        "the command may run for ever",
        "set `timeout`";
    RaisedLimit "raised_limit" 1:
        "the command may have more of this than is usual: {}",
        "leave it out of `ulimits`";
    Favoured "favoured" 1:
        "the command goes before others of the machine: {}",
        "leave it out";
    CgroupParent "cgroup_parent" 1:
        "the control group is made in {}, where the limits of the caller's own may not hold",
        "leave `parent` out";
    RawLimit "raw_limit" 2:
        "the file {} of the control group is written as it stands, and nobody checks what it opens",
        "use the words of `limits`";

    // What the caller hands over.
    CallerStreams "caller_streams" 1:
        "the command has the caller's own {}, and may give files of its user's among them another mode",
        "write `none`, or put a pipe between (`| cat >log`)";
    CallerTerminal "caller_terminal" 10:
        "the command has the caller's terminal as its {}: it may read what is typed there, and draw on it",
        "let `tty: true` give it a terminal of its own, or redirect the stream";
    RelayedTerminal "relayed_terminal" 1:
        "what the command writes to its terminal is shown on the caller's",
        "leave `tty: true` out";
    CallerEnvironment "caller_environment" 20:
        "the command sees all variables of the caller's environment, and the secrets among them",
        "name the variables that it needs";
    CallerVariables "caller_variables" 1:
        "the command sees {} of the caller's environment",
        "leave it out, or write a value";
    OpenUmask "open_umask" 1:
        "others may change the files that the command makes: umask {}",
        "leave `umask` out";
    MayDegrade "may_degrade" 1:
        "the command would run even on a host that can't give {}",
        "take it out of `allow_degraded`";
}

impl Opening {
    /// Its weight as people read it: from 0.1 to 10.0.
    #[must_use]
    pub fn points(self) -> f64 {
        f64::from(self.weight()) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_own_and_no_weight_is_off_the_scale() {
        let mut names: Vec<_> = Opening::ALL.iter().map(|opening| opening.id()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Opening::ALL.len());
        assert!(Opening::ALL.iter().all(|opening| (1..=100).contains(&opening.weight())));
    }
}
