//! Who reads its script from what is stdin.

use nix::libc;

use super::Reader;
use crate::sys;

/// The nearest ancestor that reads its script from this process's stdin.
pub(super) fn of_stdin() -> Option<Reader> {
    let seen = sys::seen(sys::stream(0)).ok()?;
    if ![libc::S_IFIFO, libc::S_IFREG].contains(&(seen.st_mode & libc::S_IFMT)) {
        return None;
    }
    let ours = std::fs::read_link("/proc/self/fd/0").ok()?;
    let mut pid = std::os::unix::process::parent_id();
    while pid > 0 {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // One that can't be looked at may have it as well.
        let same =
            std::fs::read_link(format!("/proc/{pid}/fd/0")).ok().is_none_or(|its| its == ours);
        if same && reads_script(&words) {
            let name = String::from_utf8_lossy(words.split(|byte| *byte == 0).next()?).into_owned();
            return Some(Reader {
                who: format!("process {pid} ({name})"),
                owner: seen.st_uid,
                open: seen.st_mode & libc::S_IWOTH != 0,
                pipe: ours.as_os_str().as_encoded_bytes().starts_with(b"pipe:"),
            });
        }
        // Its parent is the second field behind the name, which may hold anything.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        pid = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    }
    None
}

/// What executes what it reads, where it is called without a file or a text.
const INTERPRETERS: [&str; 18] = [
    "ash", "bash", "csh", "dash", "fish", "ksh", "lua", "mksh", "node", "perl", "php", "python",
    "ruby", "sh", "tclsh", "tcsh", "yash", "zsh",
];

/// Whether words are those of an interpreter that takes its script from stdin.
fn reads_script(words: &[u8]) -> bool {
    let text = String::from_utf8_lossy(words);
    let mut words = text.split('\0').filter(|word| !word.is_empty());
    let name = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or(word).trim_start_matches('-');
        name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned()
    };
    let first = words.next().map(name).unwrap_or_default();
    let first = if first == "busybox" { words.next().map(name).unwrap_or_default() } else { first };
    let stdin = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
    INTERPRETERS.contains(&&*first)
        && words.all(|word| word.starts_with(['-', '+']) || stdin.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_without_a_file_reads_its_script() {
        let reads = |line: &str| reads_script(line.replace(' ', "\0").as_bytes());
        let scripts = [
            "bash",
            "-bash",
            "/bin/sh -e",
            "bash -s",
            "python3.11 -",
            "busybox sh",
            "dash /dev/stdin",
        ];
        assert!(scripts.iter().all(|line| reads(line)), "{:?}", scripts.map(reads));
        let others = [
            "sh -c true",
            "bash script.sh",
            "timeout 5 sixdocker",
            "sudo sixdocker",
            "make",
            "python3 x.py",
            "",
        ];
        assert!(!others.iter().any(|line| reads(line)), "{:?}", others.map(reads));
    }
}
