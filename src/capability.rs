//! The capabilities of capabilities(7).

macro_rules! capabilities {
    ($($name:ident = $word:literal),* $(,)?) => {
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
        }
    };
}

capabilities! {
    Chown = "CHOWN", DacOverride = "DAC_OVERRIDE", DacReadSearch = "DAC_READ_SEARCH",
    Fowner = "FOWNER", Fsetid = "FSETID", Kill = "KILL", Setgid = "SETGID", Setuid = "SETUID",
    Setpcap = "SETPCAP", LinuxImmutable = "LINUX_IMMUTABLE",
    NetBindService = "NET_BIND_SERVICE", NetBroadcast = "NET_BROADCAST", NetAdmin = "NET_ADMIN",
    NetRaw = "NET_RAW", IpcLock = "IPC_LOCK", IpcOwner = "IPC_OWNER", SysModule = "SYS_MODULE",
    SysRawio = "SYS_RAWIO", SysChroot = "SYS_CHROOT", SysPtrace = "SYS_PTRACE",
    SysPacct = "SYS_PACCT", SysAdmin = "SYS_ADMIN", SysBoot = "SYS_BOOT", SysNice = "SYS_NICE",
    SysResource = "SYS_RESOURCE", SysTime = "SYS_TIME", SysTtyConfig = "SYS_TTY_CONFIG",
    Mknod = "MKNOD", Lease = "LEASE", AuditWrite = "AUDIT_WRITE", AuditControl = "AUDIT_CONTROL",
    Setfcap = "SETFCAP", MacOverride = "MAC_OVERRIDE", MacAdmin = "MAC_ADMIN", Syslog = "SYSLOG",
    WakeAlarm = "WAKE_ALARM", BlockSuspend = "BLOCK_SUSPEND", AuditRead = "AUDIT_READ",
    Perfmon = "PERFMON", Bpf = "BPF", CheckpointRestore = "CHECKPOINT_RESTORE",
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
