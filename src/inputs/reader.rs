//! The process, if any, that reads its script from our stdin.

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
    let mut pid = nix::unistd::getppid().as_raw();
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
        pid = sys::parent(pid)?;
    }
    None
}

/// What executes what it reads, where it is called without a file or a text.
const INTERPRETERS: [&str; 18] = [
    "ash", "bash", "csh", "dash", "fish", "ksh", "lua", "mksh", "node", "perl", "php", "python",
    "ruby", "sh", "tclsh", "tcsh", "yash", "zsh",
];

/// Names of this process's own stdin, as a file.
const STDIN: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

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
    if !INTERPRETERS.contains(&&*first) {
        return false;
    }
    if first.ends_with("sh") { shell_reads(words) } else { other_reads(&first, words) }
}

/// sh(1p), bash(1): `-s` has it read stdin whatever follows, `-c` has it read a text.
fn shell_reads<'w>(mut words: impl Iterator<Item = &'w str>) -> bool {
    while let Some(word) = words.next() {
        match word {
            "-" | "--" => return words.next().is_none_or(|file| STDIN.contains(&file)),
            "--rcfile" | "--init-file" => _ = words.next(),
            _ if word.starts_with("--") => {}
            _ if !word.starts_with(['-', '+']) => return STDIN.contains(&word),
            _ if word.contains('c') => return false,
            _ if word.contains('s') => return true,
            // They take a name, also at the end of others: `-euo pipefail`.
            _ if word.ends_with(['o', 'O']) => _ = words.next(),
            _ => {}
        }
    }
    true
}

/// python(1), perl(1), ruby(1), node(1), php(1), lua(1): a word behind certain options is a text or
/// names a module.
fn other_reads<'w>(name: &str, words: impl Iterator<Item = &'w str>) -> bool {
    let letters: &[char] = match name {
        "python" => &['c', 'm'],
        "perl" => &['e', 'E'],
        "node" => &['e', 'p'],
        "php" => &['r', 'f'],
        _ => &['e'],
    };
    for word in words {
        match word {
            "-" => return true,
            "--eval" | "--print" | "--run" | "--file" => return false,
            // Perl's takes letters of its own.
            _ if word.starts_with("--") || word.starts_with("-C") => {}
            _ if !word.starts_with('-') => return STDIN.contains(&word),
            _ if word.ends_with(letters) => return false,
            _ => {}
        }
    }
    true
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
            "bash -s -- argument",
            "bash -s argument",
            "bash -euo pipefail",
            "bash --rcfile file -e",
            "sh +x -",
            "python3 - argument",
            "python3 -u",
            "perl -w /dev/stdin",
            "python3 -sE -",
            "python3 -BE",
            "perl -CE",
            "node --disable-proto=delete",
        ];
        assert!(scripts.iter().all(|line| reads(line)), "{:?}", scripts.map(reads));
        let others = [
            "sh -c true",
            "bash -euo pipefail -c true",
            "bash -euo pipefail script.sh",
            "bash --rcfile file -ec true",
            "bash -- script.sh",
            "python3 -c pass",
            "python3 -um http.server",
            "perl -ne print",
            "node --eval 1",
            "php -r 1",
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
