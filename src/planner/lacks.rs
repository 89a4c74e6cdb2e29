//! What a host must be given before an ordinary caller can have ids and namespaces there: why, and
//! the command that gives it. The planner's refusals and `doctor` say the same.

use crate::host::{Gap, Host};

/// How user namespaces are allowed that this forbids.
pub(crate) fn userns(reason: &str) -> &'static str {
    if reason.contains("AppArmor") {
        "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile sixdocker %s flags=(unconfined) {\\n  userns,\\n}\\n' \"$(readlink -f \"$(command -v sixdocker)\")\" | sudo tee /etc/apparmor.d/sixdocker && sudo apparmor_parser -r /etc/apparmor.d/sixdocker"
    } else if reason.contains("unprivileged_userns_clone") {
        "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    } else {
        "sudo sysctl -w user.max_user_namespaces=15000"
    }
}

/// How a container is started so that a new /proc can be mounted in it.
pub(crate) const UNMASKED: &str = "start the container with its masks off (docker: `--security-opt systempaths=unconfined`; podman: `--security-opt unmask=ALL`; a sandbox of ours: `security: {masked_paths: [], readonly_paths: []}`)";

/// How control groups are had that are not there for this reason, or read-only: in a container
/// they are its engine's to mount.
pub(crate) fn groups(reason: &str) -> Option<&'static str> {
    let contained = reason.ends_with("as in a container") || reason.ends_with("mounted");
    contained.then_some(
        "have the control groups mounted writable: in a container its engine does that (podman: `--security-opt unmask=/sys/fs/cgroup`)",
    )
}

macro_rules! drop_in {
    () => {
        "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload && systemctl --user daemon-reexec"
    };
}

/// How root has systemd hand down more controllers to its users.
pub(crate) const DROP_IN: &str = drop_in!();
/// The same in a sentence.
pub(crate) const HAND_DOWN: &str =
    concat!("root can have it handed down to you (`", drop_in!(), "`)");

/// For a controller that systemd does not know.
pub(crate) const NOT_HANDED_DOWN: &str =
    "run it as root: systemd hands that controller to no ordinary user";

/// Why the caller has one id only, and the command that gives it more.
pub(crate) fn ids(host: &Host) -> (String, String) {
    // Of a host that was recorded before anybody looked.
    let all = Gap { helpers: true, subuid: true, subgid: true, free: 100_000, account: None };
    let gap = host.subordinate_gap.as_ref().unwrap_or(&all);
    let name = gap.account.clone().unwrap_or_else(|| host.uid.to_string());
    let mut missing = Vec::new();
    let mut give = Vec::new();
    if gap.helpers {
        missing.push("newuidmap and newgidmap are not installed".to_owned());
        give.push("sudo apt install uidmap".to_owned());
    }
    let files = [("/etc/subuid", "uid", gap.subuid), ("/etc/subgid", "gid", gap.subgid)];
    let files: Vec<_> = files.into_iter().filter(|(.., missing)| *missing).collect();
    if !files.is_empty() {
        let paths: Vec<_> = files.iter().map(|(path, ..)| *path).collect();
        let verb = if paths.len() == 1 { "has" } else { "have" };
        missing.push(format!("{} {verb} no range for `{name}`", paths.join(" and ")));
        give.push(add(gap, &name, &files));
    }
    (missing.join(", and "), give.join(" && "))
}

const COUNT: u32 = 65_536;

/// usermod(8) knows the accounts of /etc/passwd; others are given ranges by number.
fn add(gap: &Gap, name: &str, files: &[(&str, &str, bool)]) -> String {
    if gap.account.is_none() {
        let paths: Vec<_> = files.iter().map(|(path, ..)| *path).collect();
        return format!("echo {name}:{}:{COUNT} | sudo tee -a {}", gap.free, paths.join(" "));
    }
    let last = gap.free.saturating_add(COUNT - 1);
    let flags: String =
        files.iter().map(|(_, kind, _)| format!("--add-sub{kind}s {}-{last} ", gap.free)).collect();
    format!("sudo usermod {flags}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(gap: Gap) -> (String, String) {
        ids(&Host { uid: 1000, subordinate_gap: Some(gap), ..Host::default() })
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_gives_it() {
        let whole = Gap { account: Some("ann".into()), free: 165_536, ..Gap::default() };
        let (why, way) = told(Gap { helpers: true, ..whole.clone() });
        assert_eq!(why, "newuidmap and newgidmap are not installed");
        assert_eq!(way, "sudo apt install uidmap");
        let (why, way) = told(Gap { subuid: true, subgid: true, ..whole.clone() });
        assert_eq!(why, "/etc/subuid and /etc/subgid have no range for `ann`");
        let flags = "--add-subuids 165536-231071 --add-subgids 165536-231071";
        assert_eq!(way, format!("sudo usermod {flags} ann"));
        let (why, way) = told(Gap { account: None, subgid: true, ..whole });
        assert_eq!(why, "/etc/subgid has no range for `1000`");
        assert_eq!(way, "echo 1000:165536:65536 | sudo tee -a /etc/subgid");
    }
}
