//! Volumes, tmpfs and devices.

use serde_json::{Value, json};

use super::Run;
use super::draft::{Draft, host_path, literal, scalar};

/// Adds what is mounted.
pub(super) fn add(draft: &mut Draft, flags: &Run) {
    for volume in &flags.volume {
        add_volume(draft, volume);
    }
    if !flags.tmpfs.is_empty() {
        let given = |path: &str| flags.tmpfs.iter().any(|t| t.split(':').next() == Some(path));
        for usual in ["/tmp", "/run"].into_iter().filter(|path| !given(path)) {
            draft.push(&["tmpfs"], json!(usual), "--tmpfs");
        }
    }
    for tmpfs in &flags.tmpfs {
        add_tmpfs(draft, tmpfs);
    }
    for device in &flags.device {
        draft.push(&["devices"], literal(device), device);
    }
    if let Some(size) = &flags.shm_size {
        draft.put(&["shm_size"], scalar(size), size);
    }
}

/// `DST[:OPTION,…]`. What of mount(8) every tmpfs here has anyway need not be said again, and
/// `noexec` has a key in the long form of a mount alone.
fn add_tmpfs(draft: &mut Draft, tmpfs: &str) {
    let (target, options) = tmpfs.split_once(':').unwrap_or((tmpfs, ""));
    let usual = ["", "rw", "nosuid", "nodev", "exec", "noexec"];
    let rest: Vec<_> = options.split(',').filter(|word| !usual.contains(word)).collect();
    let known = |word: &&str| word.starts_with("size=") || word.starts_with("mode=");
    if options.split(',').any(|word| word == "noexec") && rest.iter().all(known) {
        let mut mount =
            json!({"type": "tmpfs", "target": target.replace('$', "$$"), "exec": false});
        for (key, value) in rest.iter().filter_map(|word| word.split_once('=')) {
            mount[key] = json!(value);
        }
        if target == "/tmp" && mount.get("mode").is_none() {
            mount["mode"] = json!("1777");
        }
        return draft.push(&["mounts"], mount, tmpfs);
    }
    let rest = rest.join(",");
    let short = if rest.is_empty() { target.to_owned() } else { format!("{target}:{rest}") };
    draft.push(&["tmpfs"], literal(&short), tmpfs);
}

/// `SRC:DST[:ro|rw]`; docker's default is writable, the manifest's is read-only.
fn add_volume(draft: &mut Draft, volume: &str) {
    let mut parts = volume.split(':');
    let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
        return draft.refuse(
            volume,
            format!("--volume {volume} names no place inside"),
            "write SRC:DST, a path of the host and one of the sandbox; an empty directory is --tmpfs DST",
        );
    };
    if !source.contains('/') && source != "." && source != ".." {
        return draft.refuse(
            volume,
            format!("`{source}` is the name of a volume, and there are none: only directories"),
            "write ./ before it if it is a directory here",
        );
    }
    let options: Vec<_> = parts.flat_map(|options| options.split(',')).collect();
    // Labels of SELinux and caching mean nothing here and change nothing that is seen.
    let odd = options.iter().find(|word| {
        !matches!(
            **word,
            "ro" | "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "rprivate"
        )
    });
    if let Some(word) = odd {
        let text = format!("there is no option `{word}` of a volume");
        return draft.refuse(volume, text, "there are `ro` and `rw`");
    }
    let Value::String(source) = host_path(source) else { return };
    let (target, read_only) = (target.replace('$', "$$"), options.contains(&"ro"));
    draft.push(&["mounts"], bind(&source, &target, read_only), volume);
}

/// In the short form, unless the directory that a relative path starts from has a colon.
fn bind(source: &str, target: &str, read_only: bool) -> Value {
    if source.contains(':') {
        return json!({"type": "bind", "source": source, "target": target, "read_only": read_only});
    }
    let mode = if read_only { "" } else { ":rw" };
    json!(format!("{source}:{target}{mode}"))
}
