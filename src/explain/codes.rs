//! Every code of a diagnostic: what it means, why that is a fault, and what to do.

use super::wrapped;

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Its stable name.
    pub code: &'static str,
    /// What it means, in one sentence.
    pub means: &'static str,
    /// Why that is a fault.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Code {
    /// All that is known about it.
    pub(super) fn page(&self, width: usize) -> String {
        let mut out = format!("{}\n", self.code);
        let parts = [("  ", self.means), ("  Why: ", self.why), ("  What to do: ", self.remedy)];
        for (lead, text) in parts {
            let mut lead = lead.to_owned();
            for line in wrapped(text, width.min(100).saturating_sub(lead.len())) {
                out += &format!("{lead}{line}\n");
                lead = " ".repeat(lead.len());
            }
        }
        out
    }
}

macro_rules! codes {
    ($($code:literal: $means:literal, $why:literal, $remedy:literal;)*) => {
        /// All codes, sorted.
        pub const CODES: &[Code] =
            &[$(Code { code: $code, means: $means, why: $why, remedy: $remedy }),*];
    };
}

codes! {
    "alias": "An alias (`*name`) stands for another value.",
        "A few aliases of aliases can stand for gigabytes.",
        "Write the value itself, or use a variable of `vars`.";
    "bad_device": "A device is none, or not of the kind that is needed.",
        "`devices` shows device nodes; `limits.io` limits whole disks.",
        "Name a device node of the host; `lsblk` lists disks, and `mounts` shows files.";
    "bad_env_file": "A line of an `env_file` is no variable.",
        "A line that is not understood would be a variable that the command lacks.",
        "Write NAME=value, NAME (the caller's) or a # comment on each line.";
    "bad_file": "A file can't be what the manifest takes it for.",
        "`files` are short texts that are read when the plan is made.",
        "Name a text file below 1 MiB, or show it with `mounts`.";
    "bad_flag": "A flag asks for what there is not.",
        "Docker has volumes, networks and an own notion of swap that a sandbox has not.",
        "`sixdocker run --help` lists the flags; the message says what to write instead.";
    "bad_key": "A key is not a text.",
        "YAML reads `1:`, `true:` and `~:` as a number, a boolean and nothing.",
        "Quote it.";
    "bad_mount": "A mount can't be made as it is written.",
        "The kernel would refuse it, or it would hide the root file system.",
        "The message says which part is missing or too much.";
    "bad_number": "A number is not finite, or larger than 64 bits.",
        "No limit of the kernel could hold it.",
        "Write a smaller number; leave a limit out to have none.";
    "bad_path": "A path leads to something of another kind.",
        "A directory is needed where a file stands, or the other way round.",
        "Name the right thing.";
    "bad_profile": "A seccomp profile can't be read.",
        "A filter that is half understood would let through what it should refuse.",
        "The profile is JSON in the form of the OCI runtime specification.";
    "bad_type": "A value has the wrong type: a text for a list, a number for a text.",
        "YAML decides the type by how the value is written.",
        "Quote texts that look like numbers or booleans; put lists in brackets.";
    "bad_value": "A value is not one that the key takes.",
        "What is not understood can't be enforced.",
        "`sixdocker explain KEY` shows what the key takes, with examples.";
    "bad_variable": "A `${…}` can't be replaced.",
        "What stands in the braces names no variable, or `vars` does not allow its value.",
        "Write `${NAME}` or `${NAME:-default}`; a dollar that stands for itself is `$$`.";
    "command_not_executable": "The command is there but can't be executed.",
        "It is not executable, is no program, or its loader or interpreter is missing.",
        "The message names what was found; `up` exits with 126.";
    "command_not_found": "The command is not in the sandbox.",
        "It is looked up in the sandbox's own PATH, inside its root file system.",
        "Write its whole path, or show it with `mounts`; `up` exits with 127.";
    "contradiction": "Two keys can't both be had.",
        "Whichever were dropped, the run would be less than was asked for.",
        "Change one of the two.";
    "control_character": "The text holds a control, bidirectional or invisible character.",
        "Such characters make a terminal or a reader see another text than the program reads.",
        "Remove it; in a value, write it as an escape between double quotes.";
    "directive": "The file holds a directive (`%YAML`, `%TAG`).",
        "A directive would change how all the rest is read.",
        "Remove it.";
    "duplicate_key": "A key stands twice in one mapping.",
        "One of the two would be lost in silence.",
        "Keep one.";
    "look_failed": "A look at the machine failed for want of something.",
        "What was not seen might be taken for missing, and a limit or a mount be left out.",
        "Try again; the message names the file and what is short: memory, descriptors, a broken disk.";
    "merge_key": "A merge key (`<<`) stands in a mapping.",
        "What it brings can't be seen at the place, and nothing tells which value wins.",
        "Write the keys out.";
    "missing_key": "A key that is needed is not there.",
        "There is no default that would be right.",
        "Add it; `sixdocker explain KEY` shows examples.";
    "missing_path": "There is nothing at a path.",
        "A bind of what is not there would be an empty place inside.",
        "Relative paths start from the manifest's directory, and those of flags from the caller's. `optional: true`, in the long form, lets a mount be missing.";
    "more_faults": "There are more faults than are told.",
        "Nobody reads hundreds of faults, and most of them would have one cause.",
        "Mend the first ones, and check again.";
    "needs_root": "The caller may not do what is asked for.",
        "The kernel allows it to root alone.",
        "Run as root, or ask for less, as the message says.";
    "no_access": "The caller may not see, read or write a path.",
        "The sandbox has no more rights than its caller.",
        "Change the permissions of the path or of a directory above it.";
    "no_mount_point": "A mount's target is missing in the root file system.",
        "With `write: direct` nothing is made in the directory unasked.",
        "Make it there, or use `rootfs: {path: DIR, write: discard}`, which has a layer to make it in.";
    "no_subordinate_ids": "More ids are needed than the caller has.",
        "An ordinary user maps one id; more come from /etc/subuid and /etc/subgid.",
        "Ask for a range (`usermod --add-subuids`), and install newuidmap and newgidmap.";
    "not_namespaced": "A sysctl belongs to the whole machine.",
        "Writing it would change the host.",
        "Set it on the host, or leave it out.";
    "not_utf8": "The file holds bytes that are not UTF-8.",
        "A manifest is Unicode text.",
        "Save it as UTF-8.";
    "not_yet": "The key is not built yet.",
        "What can't be enforced is refused, never ignored.",
        "Leave it out: user-mode networks, ports, DNS, maps of ids, caches, artifacts, hooks and other reports than JSON come later.";
    "planted_link": "A link leads on from where the sandbox may write.",
        "A command of an earlier run may have laid it, and the runner would read, write or show something else. Where commands of other manifests write is not known.",
        "Remove the link; if it is your own, name what it leads to.";
    "second_document": "The file holds a second document.",
        "One file is one sandbox.",
        "Write another file.";
    "step_failed": "The kernel refused a step of the plan.",
        "The message names the call, its reason, and what was found by looking.",
        "`sixdocker doctor` tells what the machine lacks; `up` exits with 125.";
    "tag": "A tag (`!name`) stands before a value.",
        "It would change what the value is.",
        "Remove it.";
    "too_deep": "Lists and mappings stand too deep in one another.",
        "No key needs that; it is how a small file keeps a reader busy.",
        "Write fewer levels.";
    "too_large": "The file is larger than 1 MiB, or holds too many values.",
        "No sandbox needs that; most likely it is another file.",
        "Check the path; long texts can be files of their own (`files: {PATH: {source: …}}`).";
    "ulimit_too_high": "A resource limit is above the caller's own.",
        "The kernel lets nobody but root raise a hard limit.",
        "Ask for no more than the caller has, or raise the caller's limit.";
    "unavailable": "This host can't give what is asked for.",
        "A limit that is not enforced is worse than a run that is refused.",
        "`sixdocker doctor` tells why; `allow_degraded` lets the loss pass, and the report says so.";
    "unknown_group": "A group is not in the root file system's /etc/group.",
        "Names are looked up inside.",
        "Write its number.";
    "unknown_key": "There is no such key.",
        "An ignored key would be a limit that is believed and not there.",
        "The message names the key that was probably meant; `sixdocker explain` lists all.";
    "unknown_syscall": "A seccomp profile names a system call that does not exist.",
        "A refusal of a misspelt call refuses nothing.",
        "Correct the name.";
    "unknown_user": "A user is not in the root file system's /etc/passwd.",
        "Names are looked up inside.",
        "Write its number.";
    "unreadable": "The manifest can't be read.",
        "It is not there, the caller may not read it, or it is no file.",
        "Check the path; standard input is `-`.";
    "unset_variable": "A variable has no value.",
        "An empty text in its place would be another manifest.",
        "Set it with `--set`, in `vars`, in the environment, or write `${NAME:-default}`. What the shell inside is to replace has two dollars: `$${NAME}`.";
    "userns_forbidden": "The host does not let the caller make a user namespace.",
        "Without one, an ordinary user can't have a sandbox.",
        "`sixdocker doctor` tells which setting forbids it, and the command that allows it.";
    "yaml_syntax": "The text is not YAML.",
        "Nothing after the place can be understood with certainty.",
        "Look at the place and the line before it: quotes, brackets, indentation, tabs.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_stand_once() {
        assert!(CODES.is_sorted_by(|one, next| one.code < next.code));
    }
}
