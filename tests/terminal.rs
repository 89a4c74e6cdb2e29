//! An interactive shell in a sandbox, on a terminal of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::termios::LocalFlags;
use support::{Console, NoLitter, busybox_root, run, sixdocker};

fn shell(litter: &NoLitter, flags: &[&str]) -> Command {
    let mut command = sixdocker();
    command.args(["run", "-ti", "--name", litter.mark(), "--hostname", "inside"]).args(flags);
    command.args(["-e", &format!("LITTER={}", litter.mark())]);
    command.args(["-e", "PS1=prompt> ", "--rootfs"]).arg(busybox_root()).args(["--", "/bin/sh"]);
    command
}

/// A shell that is given what to do, and so handles no signal.
fn lone(litter: &NoLitter, text: &str) -> Command {
    let mut command = sixdocker();
    command.args(["run", "-ti", "--name", litter.mark()]);
    command.args(["-e", &format!("LITTER={}", litter.mark()), "--rootfs"]).arg(busybox_root());
    command.args(["--", "/bin/sh", "-c", text]);
    command
}

/// A shell that has printed its first prompt.
fn started(litter: &NoLitter) -> Console {
    let mut console = Console::start(&shell(litter, &[]));
    console.expect("prompt> ");
    console
}

fn is_raw(console: &Console) -> bool {
    !console.modes().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO)
}

#[test]
fn an_interactive_shell() {
    let litter = NoLitter::new();
    let mut console = started(&litter);
    assert!(is_raw(&console));
    console.ask("echo $$ $(hostname)", "1 inside\r\n");
    console.ask("tty", "/dev/pts/0");
    console.ask("ps -o pid,args", "PID");
    let listed = console.ask("echo end-of-$((20+1))", "end-of-21");
    assert!(listed.contains("/bin/sh"), "{listed}");
    assert!(!listed.contains("sixdocker"), "{listed}");
    // Line editing: one character is taken back, one is put in before.
    console.ask("echo abX\u{7f}c", "abc\r\n");
    console.send("exit 7\n");
    assert_eq!(console.finish().0, 7);
    assert!(!is_raw(&console));
    litter.check();
}

#[test]
fn an_interrupt_is_for_the_foreground_job_alone() {
    let litter = NoLitter::new();
    let mut console = started(&litter);
    // Said by the job, which is in the foreground then.
    console.send("sh -c 'echo be\"\"gin; exec sleep 1000'\n");
    console.expect("begin");
    console.send("\u{3}");
    console.expect("prompt> ");
    console.ask("echo code-$?", "code-130");
    console.send("exit\n");
    console.finish();
    litter.check();
}

#[test]
fn a_job_is_stopped_and_brought_back() {
    let litter = NoLitter::new();
    let mut console = started(&litter);
    // The shell takes all that is typed before the job has the terminal.
    console.ask("echo be''gin; cat", "begin");
    console.ask("first", "first\r\nfirst\r\n");
    console.send("\u{1a}");
    console.expect("Stopped");
    console.expect("prompt> ");
    console.ask("fg", "cat");
    console.ask("second", "second\r\nsecond\r\n");
    console.send("\u{4}");
    console.expect("prompt> ");
    console.send("exit\n");
    assert_eq!(console.finish().0, 0);
    litter.check();
}

#[test]
fn the_window_is_the_callers_from_the_first_and_follows_it() {
    let litter = NoLitter::new();
    let mut console = Console::start_sized(&shell(&litter, &[]), 31, 97);
    console.expect("prompt> ");
    console.ask("stty size", "31 97\r\n");
    console.expect("prompt> ");
    // A job, since the shell's own line editing keeps the signal from its traps.
    let job = "sh -c 'trap \"echo new-size \\$(stty size)\" WINCH; echo tr\"\"apped; \
               while :; do sleep 0.1; done'";
    console.ask(job, "trapped");
    console.resize(40, 120);
    console.expect("new-size 40 120");
    console.send("\u{3}");
    console.expect("prompt> ");
    console.send("exit\n");
    console.finish();
    litter.check();
}

#[test]
fn the_callers_terminal_is_restored_whatever_ends_the_run() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        let litter = NoLitter::new();
        let mut console = started(&litter);
        let raw = is_raw(&console);
        console.signal(signal);
        let (code, text) = console.finish();
        assert!(raw);
        assert_eq!(code, 128 + signal as i32, "{text}");
        assert!(!is_raw(&console), "raw after {signal}");
        litter.check();
    }
}

#[test]
fn a_key_ends_a_command_that_the_kernel_keeps_its_signal_from() {
    // Said when the shell, which takes the signal itself, is gone.
    let text = "(sleep 0.3; echo be\"\"gin) & exec sleep 1000";
    for (key, code) in [("\u{3}", 130), ("\u{1c}", 131)] {
        let litter = NoLitter::new();
        let mut console = Console::start(&lone(&litter, text));
        console.expect("begin");
        console.send(key);
        let (ended, printed) = console.finish();
        assert_eq!(ended, code, "{printed}");
        assert!(printed.contains("as asked by SIG"), "{printed}");
        litter.check();
    }
}

#[test]
fn a_key_is_left_to_a_command_that_takes_it() {
    let litter = NoLitter::new();
    let handled = "trap 'echo ca\"\"ught' INT; echo be\"\"gin; read line; read line; echo $line";
    let mut console = Console::start(&lone(&litter, handled));
    console.expect("begin");
    console.send("\u{3}");
    console.expect("caught");
    console.send("\nover\n");
    assert_eq!(console.finish().0, 0);
    litter.check();
    // Ignored, and quoted: outside, neither would end it.
    for (text, keys) in [
        ("trap '' INT; echo be\"\"gin; read line; echo got-$line", "\u{3}\u{3}over\n"),
        ("echo be\"\"gin; head -c 6 | od -c; echo got-over", "\u{16}\u{3}over\n"),
    ] {
        let mut console = Console::start(&lone(&litter, text));
        console.expect("begin");
        console.send(keys);
        console.expect("got-over");
        assert_eq!(console.finish().0, 0);
        litter.check();
    }
    // Raw, as an editor has it: the key is a byte like any other.
    let raw = "stty -isig; echo be\"\"gin; head -c 2 | od -c";
    let mut console = Console::start(&lone(&litter, raw));
    console.expect("begin");
    console.send("\u{3}\n");
    console.expect("003");
    assert_eq!(console.finish().0, 0);
    litter.check();
}

#[test]
fn an_interrupt_ends_a_command_that_has_an_init_and_the_last_line_says_so() {
    let litter = NoLitter::new();
    let mut command = on_terminal(&litter);
    command.args(["-i", "--init", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let mut console = Console::start(&command);
    console.expect("ready");
    console.send("\u{3}");
    let (code, text) = console.finish();
    assert_eq!(code, 130, "{text}");
    let line = format!("^C\r\nsixdocker: {} was killed by SIGINT\r\n", litter.mark());
    assert!(text.ends_with(&line), "{text:?}");
    assert!(!is_raw(&console));
    litter.check();
}

#[test]
fn a_terminal_that_is_gone_ends_the_run() {
    for text in ["trap '' HUP; echo ready; while :; do sleep 0.1; done", "echo ready; yes"] {
        let litter = NoLitter::new();
        let mut command = on_terminal(&litter);
        command.args(["-i", "--", "sh", "-c", text]);
        let mut console = Console::start(&command);
        console.expect("ready");
        assert_eq!(console.hang_up(), 129);
        litter.check();
    }
}

#[test]
fn all_that_was_printed_arrives() {
    let litter = NoLitter::new();
    let mut console = started(&litter);
    console.send("seq 1 20000; exit\n");
    let (_, text) = console.finish();
    let expected: String = (1..=20000).map(|n| format!("{n}\r\n")).collect();
    assert!(text.contains(&expected), "{} bytes came", text.len());
    litter.check();
}

fn on_terminal(litter: &NoLitter) -> Command {
    let mut command = sixdocker();
    command.args([
        "run",
        "-t",
        "--name",
        litter.mark(),
        "-e",
        &format!("LITTER={}", litter.mark()),
    ]);
    command.arg("--rootfs").arg(busybox_root());
    command
}

#[test]
fn output_that_nobody_reads_ends_the_run() {
    let litter = NoLitter::new();
    let inner = on_terminal(&litter);
    let mut command = Command::new("sh");
    command.args(["-c", r#"{ "$@"; echo "code $?" >&2; } | head -n 1"#, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).args(["--", "yes"]);
    let ran = run(command.stdin(Stdio::null()));
    assert_eq!(ran.stdout, "y\r\n");
    assert!(ran.stderr.contains("nobody reads its output any more"), "{}", ran.stderr);
    assert!(ran.stderr.contains("code 141"), "{}", ran.stderr);
    litter.check();
}

#[test]
fn output_that_can_not_be_written_is_never_a_success() {
    let litter = NoLitter::new();
    let inner = on_terminal(&litter);
    let mut command = Command::new("sh");
    command.args(["-c", r#""$@" > /dev/full"#, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).args(["--", "echo", "lost"]);
    let ran = run(command.stdin(Stdio::null()));
    assert_ne!(ran.code(), 0);
    assert!(ran.stderr.contains("output could not be written"), "{}", ran.stderr);
    litter.check();
}

#[test]
fn piped_input_reaches_a_terminal_and_ends_it() {
    let litter = NoLitter::new();
    let mut command = on_terminal(&litter);
    command.args(["-i", "--", "cat"]);
    let ran = support::run_for(&mut command, std::time::Duration::from_mins(2), b"one\ntwo\n");
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.ends_with("two\r\n"), "{:?}", ran.stdout);
    litter.check();
}

/// bash changes the terminal's modes when it begins to read, which throws away what came before.
#[test]
fn the_end_of_input_reaches_a_program_that_was_not_ready_for_it() {
    if !support::need("bash") {
        return;
    }
    let litter = NoLitter::new();
    let mut command = sixdocker();
    command.args(["run", "-ti", "--", "sh", "-c", "sleep 0.3; exec bash -i"]).arg(litter.mark());
    let ran = support::run_for(&mut command, std::time::Duration::from_mins(2), b"");
    assert_eq!(ran.code(), 0, "{ran:?}");
    litter.check();
}

#[test]
fn a_stop_gives_the_terminal_back_for_as_long_as_it_lasts() {
    let litter = NoLitter::new();
    let mut console = started(&litter);
    console.signal(Signal::SIGTSTP);
    wait_until(&console, false);
    console.signal(Signal::SIGCONT);
    wait_until(&console, true);
    console.ask("echo go''es on", "goes on");
    console.send("exit\n");
    assert_eq!(console.finish().0, 0);
}

#[track_caller]
fn wait_until(console: &Console, raw: bool) {
    let begun = std::time::Instant::now();
    while is_raw(console) != raw {
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "raw is not {raw}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// In the background a shell's other jobs are not to be stopped, and nothing that is typed is theirs.
#[test]
fn in_the_background_it_runs_without_a_terminal() {
    let litter = NoLitter::new();
    let mut command = Command::new("sh");
    command.args(["-mc", "\"$@\" & wait $!; echo ended with $?", "sh"]).arg(support::binary());
    command.args(["run", "--name", litter.mark(), "--rootfs"]).arg(busybox_root());
    let asked = "for n in 0 1 2; do test -t $n || echo no $n; done; cat; cat <&1; cat <&2";
    command.args(["--", "/bin/sh", "-c", asked]);
    let mut console = Console::start(&command);
    let seen = console.expect("ended with");
    assert!(seen.contains("no 0\r\nno 1\r\nno 2"), "{seen}");
    assert!(seen.contains("in its background"), "{seen}");
    console.finish();
    litter.check();
}
