//! The capabilities of capabilities(7).

macro_rules! capabilities {
    ($($name:ident = $word:literal, $allows:literal;)*) => {
        /// One capability; its number is the kernel's (linux/capability.h).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "capabilities(7) tells each")]
        pub enum Capability { $($name),* }

        impl Capability {
            /// All of them, in the kernel's order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name without `CAP_`, as docker and compose write it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it is good for.
            #[must_use]
            pub const fn allows(self) -> &'static str {
                match self { $(Self::$name => $allows),* }
            }
        }
    };
}

capabilities! {
    Chown = "CHOWN", "to give files away";
    DacOverride = "DAC_OVERRIDE", "to read and write files whatever their mode";
    DacReadSearch = "DAC_READ_SEARCH", "to read every file, by its number too";
    Fowner = "FOWNER", "to change the mode of others' files";
    Fsetid = "FSETID", "to keep set-user-id bits on files it changes";
    Kill = "KILL", "to signal others' processes";
    Setgid = "SETGID", "to take any group id";
    Setuid = "SETUID", "to take any user id";
    Setpcap = "SETPCAP", "to drop and hand on capabilities";
    LinuxImmutable = "LINUX_IMMUTABLE", "to change files that are immutable";
    NetBindService = "NET_BIND_SERVICE", "to listen on ports below 1024";
    NetBroadcast = "NET_BROADCAST", "to broadcast on the network";
    NetAdmin = "NET_ADMIN", "to configure interfaces, routes and packet filters";
    NetRaw = "NET_RAW", "to send and read raw packets";
    IpcLock = "IPC_LOCK", "to lock memory";
    IpcOwner = "IPC_OWNER", "to use others' System V objects";
    SysModule = "SYS_MODULE", "to load kernel modules";
    SysRawio = "SYS_RAWIO", "to reach ports, memory and disks of the machine";
    SysChroot = "SYS_CHROOT", "to change its root";
    SysPtrace = "SYS_PTRACE", "to trace and read others' processes";
    SysPacct = "SYS_PACCT", "to switch process accounting";
    SysAdmin = "SYS_ADMIN", "to mount, and to do most of what root does";
    SysBoot = "SYS_BOOT", "to restart the machine or another kernel";
    SysNice = "SYS_NICE", "to take processors from others";
    SysResource = "SYS_RESOURCE", "to go beyond limits and quotas";
    SysTime = "SYS_TIME", "to set the clock";
    SysTtyConfig = "SYS_TTY_CONFIG", "to configure terminals";
    Mknod = "MKNOD", "to make device nodes";
    Lease = "LEASE", "to take leases on files";
    AuditWrite = "AUDIT_WRITE", "to write to the audit log";
    AuditControl = "AUDIT_CONTROL", "to switch auditing";
    Setfcap = "SETFCAP", "to give capabilities to files";
    MacOverride = "MAC_OVERRIDE", "to override the security module";
    MacAdmin = "MAC_ADMIN", "to configure the security module";
    Syslog = "SYSLOG", "to read the kernel's log and addresses";
    WakeAlarm = "WAKE_ALARM", "to wake the machine";
    BlockSuspend = "BLOCK_SUSPEND", "to keep the machine awake";
    AuditRead = "AUDIT_READ", "to read the audit log";
    Perfmon = "PERFMON", "to watch the kernel and every process at work";
    Bpf = "BPF", "to load programs into the kernel";
    CheckpointRestore = "CHECKPOINT_RESTORE", "to freeze and rebuild processes";
}

impl Capability {
    /// By name, with `CAP_` or without, in either case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let word = name.strip_prefix("CAP_").unwrap_or(&name);
        Self::ALL.iter().copied().find(|capability| capability.word() == word)
    }

    /// Its bit in a set.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

impl serde::Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(Capability::SysAdmin as u8, 21);
        assert_eq!(Capability::CheckpointRestore as u8, 40);
        assert_eq!(Capability::named("cap_net_raw"), Some(Capability::NetRaw));
    }
}
