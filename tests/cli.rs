//! The command line: codes, streams, formats, and docker's flags.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use support::{Ran, Temp, binary, is_root, run, run_for, sixdocker};

const GOOD: &str = "command: [echo, hi]\n";
const BAD: &str = "comand: [echo, hi]\nlimits: {memory: 10q}\n";

fn ours(words: &[&str]) -> Ran {
    run(sixdocker().args(words))
}

/// What a shell makes of it, with `sixdocker` as $0.
fn shell(dir: &Path, line: &str) -> Ran {
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).arg(binary()).current_dir(dir);
    run(&mut shell)
}

#[test]
fn help_shows_an_example_of_every_command() {
    let commands = [
        "up",
        "run",
        "plan",
        "audit",
        "check",
        "schema",
        "explain",
        "doctor",
        "completions",
        "man",
    ];
    for command in commands {
        let text = ours(&[command, "--help"]).expect(0).stdout;
        assert_eq!(ours(&["help", command]).expect(0).stdout, text);
        assert!(text.contains(&format!("  sixdocker {command}")), "{text}");
    }
    assert!(ours(&["--help"]).expect(0).stdout.contains("  sixdocker up "));
}

#[test]
fn a_manifest_that_its_command_may_rewrite_is_a_hole() {
    let temp = Temp::new();
    fs::create_dir_all(temp.join("work")).unwrap();
    let beside = "mounts: ['./work:/work:rw']\ncommand: [x]\n";
    let within = "mounts: ['.:/work:rw']\ncommand: [x]\n";
    temp.write("beside.yaml", beside);
    temp.write("elsewhere.yaml", within);
    temp.write("work/led_to.yaml", within);
    // By its own name, and by a link that stands or leads there.
    let links = [("led_to.yaml", "work/link.yaml"), ("../elsewhere.yaml", "work/out.yaml")];
    for (to, link) in links {
        std::os::unix::fs::symlink(to, temp.join(link)).unwrap();
    }
    let audit = |line: &str| shell(temp.path(), line).expect(0).stdout;
    assert!(!audit("$0 audit beside.yaml").contains("own_rules"));
    assert!(!audit("$0 audit - <work/led_to.yaml").contains("own_rules"));
    for file in ["work/led_to.yaml", "work/link.yaml", "work/out.yaml"] {
        let told = audit(&format!("$0 audit {file}"));
        assert!(told.contains(&format!("{file}, which the next run obeys")), "{told}");
    }
}

#[test]
fn wrong_arguments_exit_as_the_command_says() {
    ours(&["up"]).expect(125);
    ours(&["up", "--nonsense"]).expect(125);
    ours(&["run"]).expect(125);
    ours(&["run", "--nonsense", "true"]).expect(125);
    ours(&["check"]).expect(1);
    ours(&["check", "--nonsense"]).expect(1);
    ours(&["plan"]).expect(2);
    ours(&["nonsense"]).expect(2);
}

#[test]
fn bad_manifests_exit_as_the_command_says() {
    let dir = Temp::new();
    let file = dir.write("bad.yaml", BAD);
    let file = file.to_str().unwrap();
    ours(&["up", file]).expect(125).says("[unknown_key]");
    ours(&["plan", file]).expect(1).says("[unknown_key]");
    assert!(ours(&["check", file]).expect(1).stdout.contains("[unknown_key]"));
    let ran = ours(&["up", "/nonexistent.yaml"]).expect(125).says("there is no such file [unread");
    _ = ran.says("  = help: name the YAML file");
    let near = file.replace("bad.yaml", "bda.yaml");
    ours(&["up", &near]).expect(125).says(&format!("did you mean {file}?"));
}

#[test]
fn the_plan_tells_a_level_from_the_default() {
    let dir = Temp::new();
    let plan = |level: &str| {
        let text = format!("rootfs: .\ncommand: [x]\nsecurity: {{level: {level}}}\n");
        let file = dir.write("level.yaml", text);
        let plan = ours(&["plan", file.to_str().unwrap()]).expect(0).stdout;
        plan.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(!plan("default").contains("other than by default"));
    assert!(plan("strict").contains("shut, other than by default: ptrace"));
    assert!(plan("loose").contains("opened, other than by default: fcntl, personality"));
}

/// What `up` says of a report that can't be written, before anything runs.
fn unreported(dir: &Temp, file: &str) -> Ran {
    let mut up = sixdocker();
    up.current_dir(dir.path()).args(["up", "good.yaml", "--report", file]);
    let ran = run(&mut up).expect(125);
    assert_eq!(ran.stdout, "", "the command ran");
    ran
}

#[test]
fn a_report_that_can_not_be_written_is_known_before_the_start() {
    let dir = Temp::new();
    dir.write("good.yaml", GOOD);
    fs::create_dir(dir.join("dir")).unwrap();
    nix::unistd::mkfifo(&dir.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let ran = unreported(&dir, "nope/x").says("[missing_path]").says("`mkdir -p ");
    assert!(ran.stderr.contains("| sixdocker up good.yaml --report nope/x\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("|                                 ^^^^^^"), "{}", ran.stderr);
    for file in ["-", "dir", "fifo"] {
        unreported(&dir, file).says("[bad_path]");
    }
    dir.write("named.yaml", "command: [echo, hi]\nreport: {file: dir}\n");
    let named = run(sixdocker().current_dir(dir.path()).args(["up", "named.yaml"])).expect(125);
    named.says("named.yaml:2:16: error: ");
}

#[test]
fn what_is_refused_is_reported_too() {
    let dir = Temp::new();
    let problem = |name: &str| {
        let text = dir.read(name);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&report["ending"], &report["exit_code"]), (&"setup".into(), &125.into()));
        report["problems"][0].as_str().unwrap().to_owned()
    };
    let ours = |words: &[&str]| run(sixdocker().current_dir(dir.path()).args(words)).expect(125);
    dir.write("bad.yaml", BAD);
    ours(&["up", "bad.yaml", "--report", "a.json"]);
    assert!(problem("a.json").contains("`comand`"));
    dir.write("named.yaml", "command: 5\nreport: b.json\n");
    ours(&["up", "named.yaml"]);
    assert!(problem("b.json").contains("`5` is a number"));
    dir.write("later.yaml", "command: [a]\nmounts: [./none:/x]\nreport: c.json\n");
    ours(&["up", "later.yaml"]);
    assert!(problem("c.json").contains("there is nothing at"));
    ours(&["run", "-m", "100x", "--report", "d.json", "true"]);
    assert!(problem("d.json").contains("`100x`"));
    ours(&["run", "--network", "bridge", "--report", "e.json", "true"]);
    assert!(problem("e.json").contains("bridge"));
    ours(&["up", "none.yaml", "--report", "f.json"]);
    assert!(problem("f.json").contains("no such file"));
}

#[test]
fn arguments_can_not_act_on_the_terminal() {
    let ran = ours(&["up", "--\u{1b}[31m"]).expect(125);
    assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
    let ran = ours(&["run", "-m", "\u{1b}[31m", "true"]).expect(125);
    assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
}

#[test]
fn standard_input_is_a_manifest() {
    let mut plan = sixdocker();
    let ran = run_for(plan.args(["plan", "-"]), Duration::from_mins(1), GOOD.as_bytes()).expect(0);
    assert!(ran.stdout.contains("echo"), "{}", ran.stdout);
    let mut check = sixdocker();
    let ran = run_for(check.args(["check", "-"]), Duration::from_mins(1), BAD.as_bytes()).expect(1);
    assert!(ran.stdout.starts_with("standard input:1:1: error: "), "{}", ran.stdout);
}

#[test]
fn a_pipe_of_the_shell_is_a_manifest() {
    let dir = Temp::new();
    shell(dir.path(), "\"$0\" check <(echo 'command: [a]')").expect(0);
}

#[test]
fn a_reader_that_is_gone_is_no_panic() {
    let dir = Temp::new();
    let ran = shell(dir.path(), "\"$0\" schema | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("0\n", ""));
}

#[test]
fn output_that_is_lost_is_no_success() {
    let dir = Temp::new();
    dir.write("good.yaml", GOOD);
    for command in ["schema", "explain", "check good.yaml", "--help", "completions bash", "man"] {
        for place in [">/dev/full", ">&-"] {
            let ran = shell(dir.path(), &format!("\"$0\" {command} {place}"));
            assert_ne!(ran.code(), 0, "{command} {place}");
            assert!(ran.stderr.contains("can't write to standard output"), "{}", ran.stderr);
        }
    }
    shell(dir.path(), "\"$0\" schema >/dev/null").expect(0);
}

#[test]
fn without_a_terminal_there_is_no_colour() {
    let dir = Temp::new();
    let file = dir.write("bad.yaml", BAD);
    assert!(!run(sixdocker().arg("check").arg(&file)).stdout.contains('\u{1b}'));
}

/// What `script` shows of it on a terminal.
fn on_a_terminal(file: &Path, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    command.args([
        "-qec",
        &format!("stty cols 40 rows 20; {} check {}", binary().display(), file.display()),
        "/dev/null",
    ]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
    command.envs(environment.iter().copied());
    run(&mut command).stdout.replace('\r', "")
}

#[test]
fn a_narrow_terminal_is_kept_within() {
    if !support::need("script") {
        return;
    }
    let dir = Temp::new();
    let wide = "漢".repeat(60);
    let text = format!("command: [\"{wide}\", 5]\nlimits: {{memory: {wide}}}\nhostname: a_b\n");
    let file = dir.write("bad.yaml", text);
    let told = on_a_terminal(&file, &[("LANG", "C.UTF-8"), ("NO_COLOR", "1")]);
    assert_eq!(told.matches("error:").count(), 3, "{told}");
    let excerpts: Vec<_> = told.lines().filter(|line| line.contains('│')).collect();
    assert!(excerpts.iter().all(|line| line.width() <= 40), "{told}");
    // The mark stands under the very character, which has two columns before it for each before it.
    let at = excerpts.iter().position(|line| line.contains('5')).unwrap();
    let before = |line: &str, mark: char| line.split_once(mark).unwrap().0.width();
    assert_eq!(before(excerpts[at], '5'), before(excerpts[at + 1], '^'), "{told}");
    assert!(told.lines().any(|line| line.starts_with("  = help: ")), "{told}");
}

#[test]
fn a_terminal_has_what_it_can_show() {
    if !support::need("script") {
        return;
    }
    let dir = Temp::new();
    let file = dir.write("bad.yaml", BAD);
    let rich = on_a_terminal(&file, &[("LANG", "C.UTF-8")]);
    assert!(rich.contains("\u{1b}[1;31m") && rich.contains('│'), "{rich:?}");
    assert!(!on_a_terminal(&file, &[("NO_COLOR", "1")]).contains("\u{1b}["));
    assert!(!on_a_terminal(&file, &[("TERM", "dumb"), ("LANG", "C.UTF-8")]).contains('│'));
    assert!(!on_a_terminal(&file, &[("LANG", "C")]).contains('│'));
}

#[test]
fn faults_as_json() {
    let dir = Temp::new();
    let file = dir.write("bad.yaml", BAD);
    let ran = run(sixdocker().args(["check", "--format", "json"]).arg(&file)).expect(1);
    let faults: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let first = &faults[0];
    assert_eq!(first["code"], "unknown_key");
    assert_eq!((&first["line"], &first["column"]), (&1.into(), &1.into()));
    assert_eq!(first["end"], serde_json::json!({"line": 1, "column": 7}));
    assert_eq!(first["bytes"], serde_json::json!([0, 6]));
    let good = dir.write("good.yaml", GOOD);
    let ran = run(sixdocker().args(["check", "--format", "json"]).arg(&good)).expect(0);
    assert_eq!(ran.stdout, "[]\n");
}

#[test]
fn faults_as_annotations() {
    let dir = Temp::new();
    dir.write("a,b%c.yaml", BAD);
    let mut command = sixdocker();
    command.current_dir(dir.path()).args(["check", "--format", "github", "a,b%c.yaml"]);
    let ran = run(&mut command).expect(1);
    let start =
        "::error file=a%2Cb%25c.yaml,line=1,col=1,endLine=1,endColumn=7,title=unknown_key::";
    assert!(ran.stdout.starts_with(start), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.starts_with("::error ")), "{}", ran.stdout);
}

/// No text of a manifest begins a command of the workflow.
#[test]
fn annotations_can_not_be_forged() {
    let dir = Temp::new();
    let text = "command: [a]\n\"x\\n::set-output name=a::b\\r\\n%0A\": 1\n";
    let file = dir.write("bad.yaml", text);
    let ran = run(sixdocker().args(["check", "--format", "github"]).arg(&file)).expect(1);
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    let shown = "::the key `x%0A::set-output name=a::b%0A%250A` is not known";
    assert!(ran.stdout.contains(shown), "{}", ran.stdout);
}

#[test]
fn nobody_needs_to_be_root_to_check() {
    let dir = Temp::new();
    let good = dir.write("good.yaml", "command: [a]\nuser: root\n");
    let bad = dir.write("bad.yaml", BAD);
    assert_eq!(run(support::as_user().arg("check").arg(good)).expect(0).stderr, "");
    assert_eq!(run(support::as_user().arg("check").arg(bad)).expect(1).stderr, "");
}

#[test]
fn what_is_certain_is_mended() {
    let dir = Temp::new();
    let file = dir.write("bad.yaml", "# kept\ncomand: [echo, hi]  # this too\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    run(sixdocker().args(["check", "--fix"]).arg(&file)).expect(0).says("wrote `command`");
    assert_eq!(dir.read("bad.yaml"), "# kept\ncommand: [echo, hi]  # this too\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    run(sixdocker().args(["check", "--fix"]).arg(&file)).expect(0);
}

/// Whoever mends it, a file stays whose it was, and has no second text under another name.
#[test]
fn a_mended_file_keeps_its_owner() {
    let dir = Temp::new();
    let file = dir.write("own.yaml", "comand: [a]\n");
    if is_root() {
        std::os::unix::fs::chown(&file, Some(1000), Some(1001)).unwrap();
        run(sixdocker().args(["check", "--fix"]).arg(&file)).expect(0);
        let now = fs::metadata(&file).unwrap();
        assert_eq!((now.uid(), now.gid()), (1000, 1001));
        let others = dir.write("root.yaml", "comand: [a]\n");
        std::os::unix::fs::chown(dir.path(), Some(1000), Some(1000)).unwrap();
        let ran = run(support::as_user().args(["check", "--fix"]).arg(&others)).expect(1);
        ran.says("can't be mended: it belongs to somebody else");
        assert_eq!(dir.read("root.yaml"), "comand: [a]\n");
    }
    fs::write(&file, "comand: [a]\n").unwrap();
    fs::hard_link(&file, dir.join("other.yaml")).unwrap();
    let ran = run(sixdocker().args(["check", "--fix"]).arg(&file)).expect(1);
    ran.says("can't be mended: it has other names");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), if is_root() { 3 } else { 2 });
}

/// A key that two were meant to be is written once: which value is wanted, nobody knows.
#[test]
fn two_keys_are_never_mended_into_one() {
    let dir = Temp::new();
    let file = dir.write("a.yaml", "command: [a]\nworking-dir: /tmp\nworkdir: /usr\n");
    let ran = run(sixdocker().args(["check", "--fix"]).arg(&file)).expect(1);
    assert_eq!(dir.read("a.yaml"), "command: [a]\nworking_dir: /tmp\nworkdir: /usr\n");
    let said = "it is called `working_dir` here, and stands there already: keep one of the two";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    let file = dir.write("b.yaml", "command: [a]\nlimits: {mem: 1m, memroy: 2m}\n");
    let ran = run(sixdocker().args(["check", "--fix"]).arg(&file)).expect(1);
    assert_eq!(dir.read("b.yaml"), "command: [a]\nlimits: {memory: 1m, memroy: 2m}\n");
    assert!(ran.stdout.contains("did you mean `memory`? It stands there"), "{}", ran.stdout);
}

/// A variable's value is not the file's to mend, and a guess is no mend.
#[test]
fn what_is_uncertain_is_left_alone() {
    let dir = Temp::new();
    let lines = [
        "timeout: \"${T:-5 minutes}\"",
        "stop_signal: ${S:-SIGTREM}",
        "limits: {cpu: 1, memor: 5q}",
        "security: {capabilities: [NET_ROW]}",
        "allow_degraded: [pid]",
        "user: \"1000:$$\"",
        "umask: 0o22",
        "umask: 22",
        "files: {/a: {content: b, mode: 420}}",
        "report: true",
        "rootfs: false",
        "stdout: 1",
        "stdin: true",
        "env_file: 5",
        "ulimits: {cpus: 2}",
        "ulimits: {size: 64}",
        "limits: {cpus: 1,5}",
        "tmpfs: [\"/a:size=10 m,mode=0777\"]",
        "tmout: 5s",
    ];
    for line in lines {
        let text = format!("command: [a]\n{line}\n");
        let file = dir.write("a.yaml", &text);
        let ran = run(sixdocker().args(["check", "--fix"]).arg(&file)).expect(1);
        assert_eq!((dir.read("a.yaml"), ran.stderr), (text, String::new()), "{}", ran.stdout);
    }
}

#[test]
fn what_is_certain_is_mended_in_every_kind() {
    let dir = Temp::new();
    let cases = [
        ("timeuot: 5 minutes", "timeout: 5m"),
        ("stop_signal: SIGTREM", "stop_signal: SIGTERM"),
        ("limits: {memroy: 100 megs}", "limits: {memory: 100m}"),
        ("init: yes", "init: true"),
        ("init: \"on\"", "init: true"),
        ("umask: 0022", "umask: \"0022\""),
        ("args: [5, true, a]", "args: [\"5\", \"true\", a]"),
        ("limits: {pids: \"64\"}", "limits: {pids: 64}"),
        ("workdir: /tmp # kept", "working_dir: /tmp # kept"),
        (
            "mounts: [{type: bind, src: /usr, dst: /x}]",
            "mounts: [{type: bind, source: /usr, target: /x}]",
        ),
        ("proc: Nwe", "proc: Nwe"),
        ("network: false", "network: none"),
        ("userns: Auto", "userns: auto"),
    ];
    for (old, new) in cases {
        let file = dir.write("a.yaml", format!("command: [a]\n{old}\n"));
        run(sixdocker().args(["check", "--fix"]).arg(&file));
        assert_eq!(dir.read("a.yaml"), format!("command: [a]\n{new}\n"));
    }
}

#[test]
fn keys_and_codes_are_explained() {
    let all = ours(&["explain"]).expect(0).stdout;
    for word in ["limits.memory", "unknown_key", "125"] {
        assert!(all.contains(word), "{word}: {all}");
    }
    assert!(ours(&["explain", "limits.memory"]).expect(0).stdout.contains("100m"));
    assert!(ours(&["explain", "unknown_key"]).expect(0).stdout.contains("Why: "));
    ours(&["explain", "limits.memroy"]).expect(1).says("did you mean `limits.memory`?");
    assert!(ours(&["explain", "nofile"]).expect(0).stdout.starts_with("ulimits.nofile"));
    let page = ours(&["explain", "security.capabilities"]).expect(0).stdout;
    assert!(page.contains("    NET_RAW "), "{page}");
    ours(&["explain", "size"]).expect(1).says("`rootfs.size`, `mounts.size`");
    for (code, says) in [("137", "limits.memory"), ("125", "nothing was run"), ("143", "SIGTERM")] {
        let page = ours(&["explain", code]).expect(0).stdout;
        let first = page.split("\n\n").next().unwrap();
        assert!(first.contains(says) && page.contains("\nExit codes of "), "{page}");
    }
    assert!(ours(&["explain", "exit"]).expect(0).stdout.starts_with("Exit codes"));
    ours(&["explain", "secrets"]).expect(1).says("files: {/run/secrets/NAME: ");
    ours(&["explain", "environment_file"]).expect(1).says("it is called `env_file` here");
    ours(&["explain", "volumes"]).expect(1).says("it is called `mounts` here");
}

#[test]
fn every_key_of_the_first_level_is_explained() {
    let schema: serde_json::Value =
        serde_json::from_str(&ours(&["schema"]).expect(0).stdout).unwrap();
    for key in schema["properties"].as_object().unwrap().keys() {
        let page = ours(&["explain", key]).expect(0).stdout;
        assert!(page.contains("\n  takes  ") && page.contains("\n  example  "), "{page}");
    }
}

#[test]
fn the_manual_and_completions_know_every_command() {
    for words in [&["man"][..], &["completions", "bash"], &["completions", "zsh"]] {
        let text = ours(words).expect(0).stdout.to_lowercase();
        for command in ["check", "doctor", "explain", "print"] {
            assert!(text.contains(command), "{command} is not in {words:?}");
        }
    }
}

/// The manifest that the flags are.
fn printed(words: &[&str]) -> String {
    run(sixdocker().args(["run", "--print-manifest"]).args(words)).expect(0).stdout
}

#[test]
fn flags_become_a_manifest() {
    assert_eq!(
        printed(&["-ti", "-m", "100m", "--rootfs", "/x", "--", "stress", "--vm-bytes", "800m"]),
        "name: sixdocker\nrootfs: /x\ncommand: [stress, --vm-bytes, 800m]\ntty: true\nlimits: {memory: 100m}\n"
    );
    assert!(printed(&["--cpu-shares", "512", "a"]).contains("cpu_weight: 50"));
    assert!(printed(&["-m", "100m", "--memory-swap", "150m", "a"]).contains("swap: 52428800"));
    assert!(printed(&["-v", "/a:/b", "-v", "/c:/d:ro", "a"]).contains("[\"/a:/b:rw\", \"/c:/d\"]"));
    assert!(printed(&["-h", "box", "a"]).contains("hostname: box"));
    // No limit is not the default one.
    for none in ["-1", "0"] {
        assert!(printed(&["--pids-limit", none, "a"]).contains("limits: {pids: 4194304}"));
    }
    assert!(printed(&["--tmpfs", "/x", "a"]).contains("tmpfs: [/tmp, /run, /x]"));
    // As docker's manual has it.
    let text = printed(&["--tmpfs", "/tmp:rw,noexec,nosuid,size=65536k", "a"]);
    for part in ["tmpfs: [/run]", "target: /tmp", "exec: false", "size: 65536k", "1777"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn what_comes_after_the_command_is_the_commands() {
    let command = |words: &[&str]| {
        printed(words).lines().find(|l| l.starts_with("command")).unwrap().to_owned()
    };
    assert_eq!(
        command(&["sh", "-c", "x", "--", "-m", "1"]),
        "command: [sh, -c, x, \"--\", -m, \"1\"]"
    );
    assert_eq!(command(&["--", "sh", "--", "a b"]), "command: [sh, \"--\", \"a b\"]");
    assert_eq!(
        command(&["a", "", "$x ${y}", "\"'"]),
        "command: [a, \"\", \"$$x $${y}\", \"\\\"'\"]"
    );
    assert_eq!(command(&["a", "--help"]), "command: [a, --help]");
}

#[test]
fn a_printed_manifest_keeps_every_word() {
    let dir = Temp::new();
    let flags = [
        "-e",
        "A=$b",
        "-w",
        "/tmp",
        "--read-only",
        "--ulimit",
        "nofile=64:128",
        "--init",
        "--name",
        "n",
        "--timeout",
        "90s",
        "sh",
        "-c",
        "echo \"$A\" \t '\n'",
    ];
    let file = dir.write("n.yaml", printed(&flags));
    let again = run(sixdocker().args(["plan", "--format", "json"]).arg(&file)).expect(0);
    assert!(again.stdout.contains("echo \\\"$A\\\" \\t '\\n'"), "{}", again.stdout);
    assert!(again.stdout.contains("\"A=$b\""), "{}", again.stdout);
}

#[test]
fn a_printed_manifest_names_whole_paths() {
    let dir = Temp::new();
    for name in ["root", "src"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    let mut command = sixdocker();
    command.current_dir(dir.path()).args(["run", "--print-manifest", "--rootfs", "root"]);
    command.args(["-v", "./src:/src", "--env-file", "x.env", "--report", "r.json"]);
    let text = run(command.args(["--security-opt", "seccomp=p.json", "true"])).expect(0).stdout;
    let here = fs::canonicalize(dir.path()).unwrap();
    for path in ["root", "src:/src:rw", "x.env", "r.json", "p.json"] {
        assert!(text.contains(&format!("{}/{path}", here.display())), "{path}: {text}");
    }
}

/// The short forms of a manifest can't hold such a path.
#[test]
fn flags_can_be_given_below_a_path_with_a_colon() {
    let dir = Temp::new();
    let here = dir.join("a:b");
    fs::create_dir(&here).unwrap();
    for volume in [".:/w", "./:/w:ro", "..:/w"] {
        let mut command = sixdocker();
        command.current_dir(&here).args(["run", "-v", volume, "--tmpfs", "/t:size=1m"]);
        run(command.args(["-w", "/w", "ls"])).expect(0);
    }
    let ran = run(sixdocker().current_dir(&here).args(["run", "-v", "./x:/w", "ls"])).expect(125);
    let ran = ran.says("| sixdocker run -v ./x:/w ls").says("there is nothing at");
    // What a flag has no word for is not told.
    assert!(!ran.stderr.contains("optional"), "{}", ran.stderr);
}

#[test]
fn what_is_no_record_of_a_machine_is_refused() {
    let dir = Temp::new();
    dir.write("good.yaml", GOOD);
    dir.write("empty.json", "{}");
    dir.write("list.json", "[]");
    run(sixdocker().current_dir(dir.path()).args(["up", "good.yaml", "--report", "report.json"]));
    for file in ["empty.json", "list.json", "report.json", "good.yaml"] {
        for command in ["plan", "check", "audit"] {
            let mut command = run(sixdocker().current_dir(dir.path()).args([
                command,
                "good.yaml",
                "--host",
                file,
            ]));
            command.stderr += &command.stdout;
            assert!(matches!(command.code(), 1 | 2), "{command:?}");
            _ = command.says("is no record of a machine").says("doctor --format json");
        }
    }
    let line = "\"$0\" doctor --format json >host.json; \"$0\" plan good.yaml --host host.json";
    shell(dir.path(), line).expect(0);
}

#[test]
fn the_last_of_a_flag_counts() {
    assert!(printed(&["-m", "1m", "-m", "64m", "-t", "-ti", "a"]).contains("{memory: 64m}"));
}

#[test]
fn a_bad_flag_is_shown_where_it_was_typed() {
    let ran = ours(&["run", "-m", "100x", "--", "true"]).expect(125);
    let text = ran.stderr;
    assert!(text.contains("| sixdocker run -m 100x -- true\n"), "{text}");
    assert!(text.contains("|                  ^^^^"), "{text}");
    let ran = ours(&["run", "--network", "bridge", "true"]).expect(125).says("[bad_flag]");
    assert!(ran.stderr.contains("^^^^^^"), "{}", ran.stderr);
}

#[test]
fn dockers_other_flags_are_answered() {
    let cases = [
        ("-d", "no daemon"),
        ("-p", "Ports"),
        ("--privileged", "--cap-add"),
        ("--restart", "service manager"),
    ];
    for (flag, answer) in cases {
        ours(&["run", flag, "true"]).expect(125).says(answer);
    }
}

/// All flags of `docker run`.
const DOCKERS: &str = "add-host annotation attach blkio-weight blkio-weight-device cap-add \
    cap-drop cgroup-parent cgroupns cidfile cpu-count cpu-percent cpu-period cpu-quota \
    cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys device \
    device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops \
    disable-content-trust dns dns-option dns-search domainname entrypoint env env-file expose gpus \
    group-add health-cmd health-interval health-retries health-start-interval health-start-period \
    health-timeout hostname init interactive io-maxbandwidth io-maxiops ip ip6 ipc isolation \
    kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory \
    memory-reservation memory-swap memory-swappiness mount name network network-alias \
    no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform privileged publish \
    publish-all pull quiet read-only restart rm runtime security-opt shm-size sig-proxy \
    stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user userns uts \
    volume volume-driver volumes-from workdir";

/// Each is a flag of ours, or there is a word about what to do instead.
#[test]
fn every_flag_of_docker_is_known() {
    let help = ours(&["run", "--help"]).expect(0).stdout;
    for flag in DOCKERS.split_whitespace() {
        if help.contains(&format!("--{flag} ")) || help.contains(&format!("--{flag}\n")) {
            continue;
        }
        let ran = ours(&["run", &format!("--{flag}=1"), "true"]).expect(125);
        let last = ran.stderr.trim_end().rsplit("\n\n").next().unwrap();
        assert!(!last.starts_with("For more information"), "--{flag}: {}", ran.stderr);
    }
}

#[test]
fn what_is_no_file_is_never_waited_for() {
    let dir = Temp::new();
    nix::unistd::mkfifo(&dir.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    dir.write("good.yaml", GOOD);
    let all = "command: [a]\nenv_file: fifo\nfiles: {/x: {source: fifo}}\n\
               security: {seccomp: ./fifo}\nmounts: [{type: file, target: /y, source: fifo}]\n";
    dir.write("all.yaml", all);
    let words = [
        "check fifo",
        "up fifo",
        "plan fifo",
        "plan /dev/zero",
        "check all.yaml",
        "plan good.yaml --host fifo",
        "check good.yaml --host /dev/zero",
        "plan good.yaml --host .",
    ];
    for words in words {
        let mut command = sixdocker();
        command.current_dir(dir.path()).args(words.split(' '));
        let ran = run_for(&mut command, Duration::from_mins(1), b"");
        assert!(matches!(ran.code(), 1 | 125), "{words}: {ran:?}");
    }
}

/// What comes of it with standard input closed.
#[test]
fn a_closed_input_is_no_manifest() {
    let dir = Temp::new();
    for command in ["up", "check", "plan"] {
        let ran = shell(dir.path(), &format!("\"$0\" {command} - <&- 2>&1"));
        assert!(ran.stdout.starts_with("standard input: error: can't be read"), "{}", ran.stdout);
        assert!(matches!(ran.code(), 1 | 125));
    }
}

#[test]
fn what_is_set_and_nowhere_asked_for_is_refused() {
    let temp = Temp::new();
    let file =
        temp.write("m.yaml", "vars: {VERSION: {default: '1'}}\ncommand: [echo, '${VERSION}']\n");
    let ran = run(sixdocker().arg("up").arg(&file).args(["--set", "VERSOIN=2"])).expect(125);
    let ran = ran.says("`--set VERSOIN`").says("did you mean `VERSION`?");
    assert!(ran.stderr.starts_with("command line:1:"), "{}", ran.stderr);
    assert!(ran.stderr.contains(" ^^^^^^^^^\n"), "{}", ran.stderr);
    run(sixdocker().arg("up").arg(&file).args(["--set", "VERS=2"])).expect(125);
    let ran = run(sixdocker().arg("up").arg(&file).args(["--set", "VERSION=2"])).expect(0);
    assert_eq!(ran.stdout, "2\n");
}

/// A text gets its arguments only where it asks for them.
#[test]
fn arguments_that_a_text_drops_are_refused() {
    let temp = Temp::new();
    let up = |text: &str, words: &[&str]| {
        let file = temp.write("m.yaml", text);
        run(sixdocker().arg("up").arg(&file).args(words))
    };
    let ran = up("command: echo hi\n", &["--", "V=1", "b"]).expect(125).says("[contradiction]");
    assert!(ran.stderr.starts_with("command line:1:"), "{}", ran.stderr);
    assert!(ran.stderr.contains(" ^^^^^"), "{}", ran.stderr);
    assert_eq!(up("command: echo \"$@\"\n", &["--", "V=1", "b"]).expect(0).stdout, "V=1 b\n");
    assert_eq!(up("command: [echo]\n", &["--", "V=1"]).expect(0).stdout, "V=1\n");
    assert_eq!(up("command: echo hi\n", &["--"]).expect(0).stdout, "hi\n");
}

/// An ordinary user has no control group on cgroup v1, and may have one on v2.
#[test]
fn what_is_let_go_is_said_before_the_command_runs() {
    let temp = Temp::new();
    let text = "command: [echo, hi]\nlimits: {memory: 100m}\nallow_degraded: [memory]\n";
    let file = temp.write("m.yaml", text);
    let plan = run(support::as_user().arg("plan").arg(&file)).expect(0).stdout;
    let ran = run(support::as_user().arg("up").arg(&file)).expect(0);
    assert_eq!(ran.stdout, "hi\n");
    let lost = plan.contains("What is lost");
    assert_eq!(ran.stderr.contains("runs without `limits.memory`: "), lost, "{}", ran.stderr);
}

/// Whoever looks at a stranger's manifest does not want its secrets in the log, nor in the sandbox.
#[test]
fn what_is_taken_of_the_environment_is_told_by_name_alone() {
    let dir = Temp::new();
    let with = |words: &str, text: &str| {
        let file = dir.write("taken.yaml", text);
        let mut command = sixdocker();
        command.env("CI_TOKEN", "s3cret").args(words.split(' ')).arg(file);
        run(&mut command)
    };
    let ran = with("check", "command: [x]\ntimeout: ${CI_TOKEN}\n").expect(1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("`${CI_TOKEN}` is not a duration"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
    let size = "command: [x]\nlimits: {memory: \"${CI_TOKEN}\"}\n";
    let file = dir.write("taken.yaml", size);
    let ran = run(sixdocker().env("CI_TOKEN", "512 MB").arg("check").arg(file)).expect(1);
    assert!(ran.stdout.contains("mend what `${CI_TOKEN}` holds"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("512"), "{}", ran.stdout);
    let file = dir.join("taken.yaml");
    let ran = run(sixdocker().env("CI_TOKEN", "8f3a9cdeadbeef").arg("check").arg(file)).expect(1);
    assert!(!ran.stdout.contains("9cdead"), "{}", ran.stdout);
    let text = "command: [x]\nenvironment: {A: \"${CI_TOKEN}\", B: \"$${CI_TOKEN}\"}\n";
    let told = with("audit", text).expect(0).stdout;
    assert!(told.contains("the command sees CI_TOKEN of the caller's environment"), "{told}");
    assert_eq!(told.matches("CI_TOKEN of").count(), 1, "{told}");
}

/// However far down in its list it stands, and whoever asks.
#[test]
fn a_name_without_a_value_is_told_at_its_own_line() {
    let temp = Temp::new();
    let names: String = (0..1000).map(|n| format!("  - NAME{n}={n}\n")).collect();
    let text = format!("command: [x]\nenvironment:\n{names}  - NO_SUCH_NAME\n");
    let file = temp.write("names.yaml", text);
    for (word, code) in [("check", 1), ("plan", 1), ("audit", 2)] {
        let ran = run(sixdocker().arg(word).arg(&file)).expect(code);
        let told = if word == "check" { &ran.stdout } else { &ran.stderr };
        assert!(told.contains("names.yaml:1003:5: error: `NO_SUCH_NAME`"), "{word}: {told}");
    }
}

/// The score is the manifest's, and not that of the place where it is asked for.
#[test]
fn an_audit_is_the_same_whatever_its_streams_are() {
    let temp = Temp::new();
    let file = temp.write("box.yaml", "command: [\"true\"]\n");
    let audit = |stdin: std::process::Stdio| {
        let mut runner = sixdocker();
        let ran = runner.arg("audit").arg(&file).stdin(stdin).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    let of_null = audit(std::process::Stdio::null());
    assert!(of_null.contains("stdin"), "{of_null}");
    assert_eq!(of_null, audit(fs::File::open(&file).unwrap().into()));
}
