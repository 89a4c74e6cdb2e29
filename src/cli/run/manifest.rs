//! From flags to a manifest.

use serde_json::{Value, json};

use super::Run;
use super::draft::{Draft, host_path, literal, scalar};
use super::mounts;

/// The manifest that the flags describe.
pub(super) fn draft(flags: &Run) -> Draft {
    let mut draft = Draft::default();
    match &flags.name {
        Some(_) => draft.text(&["name"], flags.name.as_ref()),
        None => _ = draft.root.insert("name".to_owned(), json!(super::STEM)),
    }
    pairs(&mut draft, "labels", "--label", &flags.label);
    rootfs(&mut draft, flags);
    command(&mut draft, flags);
    environment(&mut draft, flags);
    identity(&mut draft, flags);
    mounts::add(&mut draft, flags);
    limits(&mut draft, flags);
    ulimits(&mut draft, &flags.ulimit);
    ending(&mut draft, flags);
    network(&mut draft, flags);
    pairs(&mut draft, "sysctls", "--sysctl", &flags.sysctl);
    security(&mut draft, flags);
    for name in &flags.allow_degraded {
        draft.push(&["allow_degraded"], literal(name), name);
    }
    match flags.report.as_ref().map(|report| report.to_string_lossy()) {
        Some(path) if path == "-" => draft.put(&["report"], literal(&path), &path),
        Some(path) => draft.put(&["report"], host_path(&path), &path),
        None => {}
    }
    draft
}

/// More than the kernel has numbers for (PID_MAX_LIMIT of linux/threads.h).
const MOST_PIDS: u32 = 4_194_304;

fn rootfs(draft: &mut Draft, flags: &Run) {
    let Some(dir) = &flags.rootfs else { return };
    if flags.read_only {
        draft.put(&["rootfs", "path"], host_path(dir), dir);
        draft.put(&["rootfs", "write"], json!("none"), "--read-only");
    } else {
        draft.put(&["rootfs"], host_path(dir), dir);
    }
}

fn command(draft: &mut Draft, flags: &Run) {
    for word in &flags.command {
        match word.to_str() {
            Some(word) => draft.push(&["command"], literal(word), word),
            None => draft.refuse(
                &word.to_string_lossy(),
                "a word of the command is not UTF-8".to_owned(),
                "a manifest is Unicode text; hand such a name over in a file or through standard input",
            ),
        }
    }
    draft.text(&["working_dir"], flags.workdir.as_ref());
    if flags.tty {
        draft.put(&["tty"], json!(true), "--tty");
    }
    if flags.init {
        draft.put(&["init"], json!(true), "--init");
    }
}

fn environment(draft: &mut Draft, flags: &Run) {
    for given in &flags.env {
        match given.split_once('=') {
            Some((name, value)) => draft.put(&["environment", name], literal(value), given),
            // As docker has it: a variable that the caller has not is left out.
            None if std::env::var_os(given).is_some() => {
                draft.put(&["environment", given], Value::Null, given);
            }
            None => {}
        }
    }
    for file in &flags.env_file {
        draft.push(&["env_file"], host_path(file), file);
    }
}

fn identity(draft: &mut Draft, flags: &Run) {
    draft.text(&["user"], flags.user.as_ref());
    for group in &flags.group_add {
        draft.push(&["groups"], scalar(group), group);
    }
    draft.text(&["hostname"], flags.hostname.as_ref());
}

fn limits(draft: &mut Draft, flags: &Run) {
    draft.number(&["limits", "memory"], flags.memory.as_ref());
    draft.number(&["limits", "memory_low"], flags.memory_reservation.as_ref());
    swap(draft, flags);
    draft.number(&["limits", "cpus"], flags.cpus.as_ref());
    if let Some(shares) = flags.cpu_shares {
        // 1024 shares are the default of the one as 100 is of the other.
        let weight = (shares.saturating_mul(100) / 1024).clamp(1, 10_000);
        draft.put(&["limits", "cpu_weight"], weight.into(), &shares.to_string());
    }
    draft.text(&["limits", "cpuset"], flags.cpuset_cpus.as_ref());
    draft.text(&["limits", "cpuset_mems"], flags.cpuset_mems.as_ref());
    match flags.pids_limit.as_deref() {
        // Docker's words for no limit. A key that is left out would be the default.
        // Nor must it take a control group.
        Some(none @ ("-1" | "0")) => {
            draft.put(&["limits", "pids"], MOST_PIDS.into(), none);
            draft.put(&["allow_degraded"], serde_json::json!(["pids"]), none);
        }
        _ => draft.number(&["limits", "pids"], flags.pids_limit.as_ref()),
    }
    draft.number(&["oom_score_adj"], flags.oom_score_adj.as_ref());
}

/// Docker counts memory and swap together; the manifest counts swap alone.
fn swap(draft: &mut Draft, flags: &Run) {
    let Some(both) = &flags.memory_swap else { return };
    match (flags.memory.as_deref().and_then(bytes), bytes(both)) {
        (Some(memory), Some(total)) if total >= memory => {
            draft.put(&["limits", "swap"], (total - memory).into(), both);
        }
        (Some(_), Some(_)) => draft.refuse(
            both,
            format!("--memory-swap {both} is less than --memory"),
            "--memory-swap is memory and swap together; give at least as much as --memory",
        ),
        (Some(_), None) if both == "-1" => draft.refuse(
            both,
            "swap without a limit can't be asked for beside a memory limit".to_owned(),
            "give --memory-swap the size of memory and swap together",
        ),
        (Some(_), None) => draft.put(&["limits", "swap"], scalar(both), both),
        (None, _) if flags.memory.is_some() => {}
        (None, _) => draft.refuse(
            both,
            "--memory-swap needs --memory".to_owned(),
            "give --memory too: --memory-swap is memory and swap together",
        ),
    }
}

/// A size as docker writes it. What is none is left to the manifest's reading, which says so.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `nofile=1024:2048`
fn ulimits(draft: &mut Draft, given: &[String]) {
    for word in given {
        let Some((name, value)) = word.split_once('=') else {
            draft.refuse(word, format!("--ulimit {word} has no value"), "write NAME=SOFT[:HARD]");
            continue;
        };
        let limit = |text: &str| match text {
            "-1" | "unlimited" => json!("unlimited"),
            text => scalar(text),
        };
        match value.split_once(':') {
            Some((soft, hard)) => {
                let value = json!({"soft": limit(soft), "hard": limit(hard)});
                draft.put(&["ulimits", name], value, word);
            }
            None => draft.put(&["ulimits", name], limit(value), word),
        }
    }
}

fn ending(draft: &mut Draft, flags: &Run) {
    draft.number(&["timeout"], flags.timeout.as_ref());
    draft.text(&["stop_signal"], flags.stop_signal.as_ref());
    draft.number(&["stop_grace_period"], flags.stop_timeout.as_ref());
}

fn network(draft: &mut Draft, flags: &Run) {
    match flags.network.as_deref() {
        None => {}
        Some(mode @ ("none" | "host")) => draft.put(&["network"], json!(mode), mode),
        Some(mode) => draft.refuse(
            mode,
            format!("there is no network {mode}"),
            "`none` is the loopback device alone and the default, `host` is the host's own network",
        ),
    }
    for word in &flags.add_host {
        let Some((name, address)) = word.split_once([':', '=']) else {
            draft.refuse(word, format!("--add-host {word} has no address"), "write NAME:IP");
            continue;
        };
        draft.put(&["extra_hosts", name], literal(address), word);
    }
}

fn security(draft: &mut Draft, flags: &Run) {
    for capability in &flags.cap_add {
        let name = capability.to_ascii_uppercase();
        let name = if name.starts_with("CAP_") { name } else { format!("CAP_{name}") };
        draft.push(&["security", "capabilities"], literal(&name), capability);
    }
    for option in &flags.security_opt {
        match option.split_once(['=', ':']).unwrap_or((option, "true")) {
            ("seccomp", "unconfined") => {
                draft.put(&["security", "seccomp"], json!("none"), option);
            }
            ("seccomp", file) => {
                draft.put(&["security", "seccomp"], host_path(file), option);
            }
            ("no-new-privileges", "true") => {}
            ("no-new-privileges", "false") => {
                draft.put(&["security", "no_new_privileges"], json!(false), option);
            }
            (name, _) => draft.refuse(
                option,
                format!("there is no security option {name}"),
                "there are seccomp=FILE, seccomp=unconfined and no-new-privileges[=false]",
            ),
        }
    }
}

/// `NAME=VALUE`, many times.
fn pairs(draft: &mut Draft, key: &str, flag: &str, given: &[String]) {
    for word in given {
        match word.split_once('=') {
            Some((name, value)) => draft.put(&[key, name], literal(value), word),
            None => draft.refuse(word, format!("{flag} {word} has no value"), "write NAME=VALUE"),
        }
    }
}
