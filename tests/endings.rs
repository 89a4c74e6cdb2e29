//! Every way in which a run ends: its code, its sentence, its report, and nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use support::{
    NoLitter, Ran, Session, Temp, as_user, busybox_root, busybox_root_of_user, need_root, run,
    run_for, sixdocker,
};

/// A manifest in a busybox root, and the command that runs it with a report beside it.
struct Case {
    temp: Temp,
    litter: NoLitter,
}

impl Case {
    fn new(manifest: &str) -> Self {
        let (temp, litter) = (Temp::new(), NoLitter::new());
        let root = busybox_root().display().to_string();
        temp.write("case.yaml", litter.marked(&root, manifest));
        Self { temp, litter }
    }

    fn command(&self) -> Command {
        let mut command = sixdocker();
        command.arg("up").arg(self.temp.join("case.yaml"));
        command.arg("--report").arg(self.temp.join("report.json"));
        command
    }

    #[track_caller]
    fn run(&self) -> Ran {
        let ran = run(&mut self.command());
        self.litter.check();
        ran
    }

    fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.temp.read("report.json")).unwrap()
    }

    #[track_caller]
    fn reported(&self, ending: &str, code: i32) -> serde_json::Value {
        let report = self.report();
        assert_eq!(report["ending"], ending, "{report:#}");
        assert_eq!(report["exit_code"], code, "{report:#}");
        report
    }
}

#[test]
fn ok() {
    let case = Case::new("command: [echo, done]\n");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let before = now();
    let ran = case.run().expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("done\n", ""));
    let report = case.reported("ok", 0);
    let ended = report["ended_at"].as_f64().unwrap();
    assert!(before < ended && ended < now(), "{before} {ended}");
    assert_eq!(report["ended_by"], "command");
    assert!(report["usage"]["wall_seconds"].as_f64().unwrap() > 0.0);
    assert!(!report["steps"].as_array().unwrap().is_empty());
}

#[test]
fn a_report_that_could_not_be_written_is_refused_before_the_run() {
    if !need_root() {
        return;
    }
    let temp = Temp::new();
    let root = busybox_root_of_user().display().to_string();
    let text = format!("rootfs: {root}\ncommand: echo ran\nreport: /etc/report.json\n");
    let file = temp.write("case.yaml", text);
    let ran = run(as_user().arg("up").arg(&file)).expect(125);
    let ran = ran.says("case.yaml:3:9").says("/etc/report.json: permission denied");
    assert_eq!(ran.stdout, "");
    let checked = run(as_user().arg("check").arg(&file)).expect(1);
    assert!(checked.stdout.contains("[no_access]"), "{checked:?}");
}

#[test]
fn exit_with_a_code_is_passed_on_without_a_word() {
    let case = Case::new("command: exit 5\n");
    let ran = case.run().expect(5);
    assert_eq!(ran.stderr, "");
    assert_eq!(case.reported("exit", 5)["command"]["code"], 5);
}

#[test]
fn killed_by_a_signal() {
    // PID 1 can't kill itself by a signal that it does not handle; its child can.
    let case = Case::new("init: true\ncommand: kill -SEGV $$$$\n");
    case.run().expect(128 + 11).says("was killed by SIGSEGV");
    assert_eq!(case.reported("signal", 139)["ended_by"], "signal");
}

#[test]
fn not_found() {
    let case = Case::new("command: [no-such-program]\n");
    case.run().expect(127);
    case.reported("not_found", 127);
}

#[test]
fn not_executable() {
    let case = Case::new("command: [/etc/passwd]\n");
    case.run().expect(126);
    let report = case.reported("not_executable", 126);
    assert_eq!(report["failed_step"]["errno"], "EACCES");
    assert_eq!(report["command"], serde_json::Value::Null);
}

#[test]
fn setup_that_fails() {
    let case = Case::new("command: ['true']\nworking_dir: /no/such/directory\n");
    case.run().expect(125);
    case.reported("setup", 125);
}

#[test]
fn timeout_asks_first() {
    let case = Case::new(
        "timeout: 5s\ncommand: trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done\n",
    );
    let ran = case.run().expect(124).says("was stopped by its timeout of 5 s");
    assert_eq!(ran.stdout, "bye\n");
    let report = case.reported("timeout", 124);
    assert_eq!(report["command"]["code"], 3);
    assert_eq!(report["ended_by"], "runner");
}

#[test]
fn timeout_kills_when_grace_is_over() {
    let case = Case::new(
        "timeout: 5s\nstop_grace_period: 1s\ncommand: trap '' TERM; while :; do sleep 0.1; done\n",
    );
    case.run().expect(124).says("was killed by its timeout of 5 s");
    assert_eq!(case.reported("timeout", 124)["command"]["killed"], true);
}

#[test]
fn pid_1_that_can_not_hear_costs_no_grace() {
    let case = Case::new("timeout: 1s\nstop_grace_period: 10m\ncommand: [sleep, '1000']\n");
    let ran = case.run().expect(124);
    assert!(ran.took < Duration::from_mins(1), "it waited for {:?}", ran.took);
}

#[test]
fn pid_1_that_ignores_what_it_is_told_has_its_grace() {
    let case = Case::new(
        "timeout: 4s\nstop_grace_period: 1m\ncommand: trap '' TERM; sleep 6; echo saved\n",
    );
    let ran = case.run().expect(124).says("was stopped by its timeout of 4 s");
    assert_eq!(ran.stdout, "saved\n");
}

/// Outside, that signal would have ended it, whatever it does about others.
#[test]
fn a_signal_that_pid_1_does_not_ignore_costs_no_grace() {
    let case = Case::new(
        // The shell itself handles SIGINT; what takes its place says so.
        "stop_grace_period: 10m\nfiles: {/ready: ready}\ncommand: trap '' TERM; exec tail -f /ready\n",
    );
    let session = Session::start(&mut case.command());
    session.expect("ready");
    session.signal(Signal::SIGINT);
    assert_eq!(session.finish().0, 130);
    case.litter.check();
}

#[test]
fn a_stopped_command_is_ended_too() {
    let case =
        Case::new("timeout: 2s\nstop_grace_period: 1s\ninit: true\ncommand: kill -STOP $$$$\n");
    case.run().expect(124);
}

#[test]
fn output_is_counted_and_cut() {
    let case = Case::new("limits: {output: 1000}\ncommand: [yes]\n");
    let ran = case.run().expect(137).says("was killed by its output limit of 1000 bytes");
    assert_eq!(ran.stdout.len(), 1000);
    assert_eq!(case.reported("output", 137)["usage"]["output_bytes"], 1000);
}

#[test]
fn output_to_a_file_is_counted_too() {
    let temp = Temp::new();
    let file = temp.join("out");
    let manifest =
        format!("stdout: {}\nlimits: {{output: 1000}}\ncommand: [yes]\n", file.display());
    Case::new(&manifest).run().expect(137);
    assert_eq!(temp.read("out").len(), 1000);
}

#[test]
fn output_below_its_limit_is_whole() {
    let case = Case::new("limits: {output: 1m}\ncommand: echo out; echo err >&2\n");
    let ran = case.run().expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(case.reported("ok", 0)["usage"]["output_bytes"], 8);
}

#[test]
fn streams_can_be_opened_anew() {
    let anew = "command: echo err >>/dev/stderr; echo out >>/dev/stdout\n";
    let own = "user: '1000'\n";
    for keys in ["", own, "limits: {output: 1m}\n", &format!("{own}limits: {{output: 1m}}\n")] {
        let ran = Case::new(&format!("{keys}{anew}")).run().expect(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"), "{keys}");
    }
}

/// The runner's command line, as a shell has it in `$@`.
fn in_shell(case: &Case, line: &str) -> Command {
    let plain = case.command();
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh"]).arg(plain.get_program()).args(plain.get_args());
    command.stdin(std::process::Stdio::null());
    command
}

#[test]
fn output_that_somebody_outside_holds_open_ends_all_the_same() {
    if !need_root() || !support::need("pgrep") {
        return;
    }
    let case = Case::new("limits: {output: 1m}\ncommand: echo hi; sleep 2.98765\n");
    let line = "\"$@\" & until pid=$(pgrep -f '^sleep 2.98765'); do sleep 0.1; done; exec 9>/proc/$pid/fd/1; wait $!";
    let ran =
        run(&mut in_shell(&case, line)).expect(125).says("somebody outside holds its output open");
    assert_eq!(ran.stdout, "hi\n");
    case.litter.check();
}

/// Without a PID namespace orphans become the runner's children: those of the caller's shell, which
/// became the runner, were its children before.
#[test]
fn children_of_the_caller_are_left_alone() {
    let case = Case::new("namespaces: {pid: host}\ncommand: sleep 543 & echo started\n");
    let line = "sleep 543 >&- 2>&- & echo $!; exec \"$@\"";
    let ran = run(&mut in_shell(&case, line)).expect(0);
    let pid: i32 = ran.stdout.lines().next().unwrap().parse().unwrap();
    assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains("543"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    case.litter.check();
}

/// A shell that reads its script from the pipe or file that the command has as stdin would obey
/// what that wrote into it.
#[test]
fn the_command_writes_no_script_of_the_callers() {
    if !support::need("setpriv") || !need_root() {
        return;
    }
    let temp = Temp::of_user();
    let inject = "echo 'echo ESCAPED' > /proc/self/fd/0; sleep 0.1; echo done";
    let manifests = ["", "stdin: /dev/stdin\n", "security: {nested_namespaces: true}\n"];
    let binary = support::user_binary().display();
    let user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "sh", "-c"];
    for (more, streams) in manifests
        .iter()
        .flat_map(|more| ["2>&1 | cat", ">out 2>&1; cat out"].map(|streams| (more, streams)))
    {
        temp.write("p.yaml", format!("{more}command: [sh, -c, \"{inject}\"]\n"));
        let script = temp.write("script", format!("{binary} up p.yaml {streams}\necho next\n"));
        std::os::unix::fs::chown(&script, Some(1000), Some(1000)).unwrap();
        // Whoever runs the shell has made the pipe.
        for (words, read) in [&user[4..], &user]
            .into_iter()
            .flat_map(|words| ["cat script | bash", "bash <script"].map(|read| (words, read)))
        {
            let mut shell = Command::new(words[0]);
            shell.args(&words[1..]).arg(read).current_dir(temp.path());
            let output = run(&mut shell).expect(0).stdout;
            _ = fs::remove_file(temp.join("out"));
            let told = format!("{words:?} {more}{streams}, {read}: {output}");
            assert!(output.contains("done\nnext\n") && !output.contains("ESCAPED\n"), "{told}");
        }
    }
}

/// What has a file or a text to execute does not execute its stdin, which the command gets.
#[test]
fn a_pipe_that_others_hold_and_do_not_obey_is_stdin() {
    if !support::need("setpriv") || !need_root() {
        return;
    }
    let temp = Temp::of_user();
    temp.write("cat.yaml", "command: [cat]\n");
    let up = format!("{} up cat.yaml", support::user_binary().display());
    for line in [
        format!("echo data | {up}"),
        format!("echo data | timeout 60 {up}"),
        format!("echo data | (cd . && {up}; true)"),
        format!("{up} <<<data"),
    ] {
        let mut shell = Command::new("setpriv");
        shell.args(["--reuid=1000", "--regid=1000", "--clear-groups", "bash", "-c", &line]);
        let ran = run(shell.current_dir(temp.path())).expect(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("data\n", ""), "{line}");
    }
}

/// What the caller has written to its log before is not the command's to read.
#[test]
fn a_log_is_written_anew_and_not_read() {
    if sixdocker::sys::landlock_version() == 0 {
        return support::missing("the kernel has no Landlock");
    }
    let case =
        Case::new("stderr: ./log\ncommand: echo a >&2; cat /dev/stderr; echo b >>/dev/stderr\n");
    let ran = case.run().expect(0);
    let log = fs::read_to_string(case.temp.join("log")).unwrap();
    assert!(
        log.starts_with("a\n") && log.contains("Permission denied") && log.ends_with("b\n"),
        "{log}"
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_file_that_others_may_not_read_is_the_users() {
    let case = Case::new(
        "user: '1000'\nfiles: {/run/key: {content: \"k\\n\", mode: '0400'}, /etc/key: {content: \"e\\n\", mode: '0440'}}\ncommand: cat /run/key /etc/key; stat -c %u:%a /run/key /etc/key\n",
    );
    assert_eq!(case.run().expect(0).stdout, "k\ne\n1000:400\n1000:440\n");
}

const TRAPPED: &str = "echo ready; while :; do sleep 0.1; done\n";

fn asked(manifest: &str, signal: Signal) -> (Case, i32, String, String) {
    let case = Case::new(manifest);
    let session = Session::start(&mut case.command());
    session.expect("ready");
    session.signal(signal);
    let (code, stdout, stderr) = session.finish();
    case.litter.check();
    (case, code, stdout, stderr)
}

#[test]
fn cancelled_by_each_signal_that_asks_to_stop() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        // busybox's shell handles INT in any case, so that is what it gets.
        let manifest = format!("command: trap 'echo bye; exit 0' TERM INT; {TRAPPED}");
        let (case, code, stdout, stderr) = asked(&manifest, signal);
        assert_eq!(code, 128 + signal as i32, "{stderr}");
        assert!(stdout.ends_with("bye\n"), "{stdout:?}");
        assert!(stderr.contains(&format!("as asked by {signal} from process")), "{stderr}");
        let report = case.reported("cancelled", 128 + signal as i32);
        assert_eq!(report["asked"]["signal"], signal.as_str());
        assert_eq!(report["asked"]["pid"], std::process::id());
        assert_eq!(report["command"]["code"], 0);
    }
}

#[test]
fn the_very_signal_is_passed_on_where_the_command_handles_it() {
    let manifest =
        format!("command: trap 'echo int; exit' INT; trap 'echo term; exit' TERM; {TRAPPED}");
    let (_, _, stdout, _) = asked(&manifest, Signal::SIGINT);
    assert!(stdout.ends_with("int\n"), "{stdout:?}");
}

#[test]
fn the_stop_signal_is_the_manifests() {
    let manifest = format!("stop_signal: SIGUSR1\ncommand: trap 'echo usr; exit' USR1; {TRAPPED}");
    let (_, code, stdout, _) = asked(&manifest, Signal::SIGTERM);
    assert_eq!(code, 143);
    assert!(stdout.ends_with("usr\n"), "{stdout:?}");
}

#[test]
fn a_second_signal_hurries() {
    let case =
        Case::new(&format!("stop_grace_period: 10m\ncommand: trap 'echo no' TERM; {TRAPPED}"));
    let session = Session::start(&mut case.command());
    session.expect("ready");
    session.signal(Signal::SIGTERM);
    session.expect("no");
    session.signal(Signal::SIGTERM);
    let (code, _, stderr) = session.finish();
    assert_eq!(code, 143);
    assert!(stderr.contains("was killed, as asked by SIGTERM"), "{stderr}");
    case.litter.check();
}

#[test]
fn other_signals_are_handed_on() {
    let case = Case::new(
        "command: |\n  trap 'echo one' USR1; trap 'echo two' USR2; trap 'echo size; exit 0' WINCH\n  \
         echo ready; while :; do sleep 0.1; done\n",
    );
    let session = Session::start(&mut case.command());
    session.expect("ready");
    session.signal(Signal::SIGUSR1);
    session.expect("one");
    session.signal(Signal::SIGUSR2);
    session.expect("two");
    session.signal(Signal::SIGWINCH);
    assert_eq!(session.finish().0, 0);
}

#[test]
fn nothing_outlives_a_runner_that_is_killed() {
    for init in [false, true] {
        let case = Case::new(&format!(
            "init: {init}\ncommand: trap '' TERM HUP; (setsid sleep 1000 &); {TRAPPED}"
        ));
        let session = Session::start(&mut case.command());
        session.expect("ready");
        session.signal(Signal::SIGKILL);
        assert_eq!(session.finish().0, 137);
        gone(&case.litter);
    }
}

/// A cgroup that stays empty is all that may be left.
#[track_caller]
fn gone(litter: &NoLitter) {
    let begun = std::time::Instant::now();
    while litter.found().iter().any(|found| !found.starts_with("cgroup")) {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", litter.found());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_outlives_a_runner_that_is_killed_at_any_moment() {
    for how in ["init: false", "init: true", "namespaces: {pid: host}"] {
        let case = Case::new(&format!(
            "{how}\nlimits: {{output: 1m}}\ncommand: trap '' TERM HUP; (setsid sleep 1000 &); {TRAPPED}"
        ));
        for moment in 0..40 {
            let session = Session::start(&mut case.command());
            std::thread::sleep(Duration::from_micros(moment * 1500));
            session.signal(Signal::SIGKILL);
            session.finish();
        }
        gone(&case.litter);
    }
}

#[test]
fn a_signal_is_never_lost_however_early_it_comes() {
    let case =
        Case::new("init: true\nstop_grace_period: 10m\ncommand: echo ready; exec sleep 1000\n");
    for moment in 0..40 {
        let session = Session::start(&mut case.command());
        std::thread::sleep(Duration::from_micros(moment * 1000));
        session.signal(Signal::SIGTERM);
        assert_eq!(session.finish().0, 143);
    }
    case.litter.check();
}

#[test]
fn a_stopped_command_hears_the_stop_signal() {
    let case = Case::new(
        "init: true\nstop_grace_period: 10m\ncommand: trap 'echo bye; exit 0' TERM; kill -STOP $$$$\n",
    );
    let session = Session::start(&mut case.command());
    let begun = std::time::Instant::now();
    while !case.litter.found().iter().any(|found| found.contains("(stopped)")) {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", case.litter.found());
        std::thread::sleep(Duration::from_millis(20));
    }
    session.signal(Signal::SIGTERM);
    let (code, stdout, _) = session.finish();
    assert_eq!((code, stdout.as_str()), (143, "bye\n"));
    case.litter.check();
}

#[test]
fn init_hands_on_every_stop_signal() {
    for signal in ["SIGALRM", "SIGPROF"] {
        let name = signal.trim_start_matches("SIG");
        let manifest = format!(
            "init: true\nstop_signal: {signal}\nstop_grace_period: 10m\ncommand: trap 'echo bye; exit' {name}; {TRAPPED}"
        );
        let (_, code, stdout, _) = asked(&manifest, Signal::SIGTERM);
        assert_eq!((code, stdout.as_str()), (143, "ready\nbye\n"));
    }
}

/// Runs it with standard output led where no byte can be written.
fn to_full(command: &Command) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#""$@" > /dev/full"#, "sh"]).arg(command.get_program());
    run(shell.args(command.get_args()))
}

#[test]
fn counted_output_that_is_lost_is_never_a_success() {
    let case = Case::new("limits: {output: 1m}\ncommand: [echo, lost]\n");
    to_full(&case.command()).expect(125).says("output could not be written: No space left");
    let case = Case::new("stdout: /dev/full\nlimits: {output: 1m}\ncommand: [echo, lost]\n");
    case.run().expect(125).says("output could not be written: No space left");
    let troubles = case.reported("ok", 125)["troubles"].to_string();
    assert!(troubles.contains("could not be written"), "{troubles}");
}

#[test]
fn counted_output_that_nobody_reads_ends_the_command_in_its_own_way() {
    let case = Case::new("limits: {output: 100m}\ncommand: [yes]\n");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#""$@" | head -n 1"#, "sh"]).arg(support::binary());
    let ran = run(shell.args(case.command().get_args())).expect(0);
    assert_eq!(ran.stdout, "y\n");
    case.litter.check();
    case.reported("exit", 1);
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_no_death() {
    let case = Case::new("limits: {output: 1m}\ncommand: seq 1 1000\n");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -f 1; out=$1; shift; "$@" > $out"#, "sh"]);
    shell.arg(case.temp.join("out")).arg(support::binary()).args(case.command().get_args());
    run(&mut shell).expect(125).says("output could not be written: File too large");
    case.litter.check();
}

#[test]
fn an_odd_place_and_mask_of_the_caller_do_not_matter() {
    let case = Case::new("limits: {output: 1m}\ncommand: umask; pwd; echo done\n");
    let gone = case.temp.join("gone");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"mkdir $1; cd $1; rmdir $1; umask 0777; exec nice -n 19 "$2" up "$3""#]);
    shell.args(["sh".as_ref(), gone.as_os_str(), support::binary().as_os_str()]);
    let ran = run(shell.arg(case.temp.join("case.yaml"))).expect(0);
    assert_eq!(ran.stdout, "0022\n/\ndone\n", "{ran:?}");
    case.litter.check();
}

#[test]
fn labels_are_carried_into_the_report() {
    let case = Case::new("labels: {team: blue}\ncommand: ['true']\n");
    case.run().expect(0);
    assert_eq!(case.reported("ok", 0)["labels"]["team"], "blue");
}

#[test]
fn a_refused_manifest_is_reported_too() {
    let case = Case::new("command: ['true']\nnonsense: 1\n");
    case.run().expect(125);
    let problems = case.reported("setup", 125)["problems"].to_string();
    assert!(problems.contains("nonsense"), "{problems}");
}

#[test]
fn a_refused_manifest_is_reported_where_it_says_itself() {
    for wrong in ["nonsense: 1", "working_dir: 7", "user: nobody-here"] {
        let case = Case::new(&format!("command: ['true']\nreport: report.json\n{wrong}\n"));
        run(sixdocker().arg("up").arg(case.temp.join("case.yaml"))).expect(125);
        case.reported("setup", 125);
    }
}

#[test]
fn refused_flags_are_reported_too() {
    for wrong in ["--memory=12zz", "--user=nobody-here", "--name=NO"] {
        let case = Case::new("command: ['true']\n");
        let mut command = sixdocker();
        command.arg("run").arg("--report").arg(case.temp.join("report.json"));
        run(command.args([wrong, "--", "true"])).expect(125);
        case.reported("setup", 125);
    }
}

#[test]
fn two_hundred_runs_at_a_time_end_well() {
    let case = Case::new("limits: {output: 1m}\ncommand: [/bin/true]\n");
    let manifest = case.temp.join("case.yaml");
    let begin = |_| {
        let run = || run(sixdocker().arg("up").arg(&manifest)).expect(0);
        for _ in 0..25 {
            assert_eq!(run().stderr, "");
        }
    };
    std::thread::scope(|scope| {
        (0..8).map(|n| scope.spawn(move || begin(n))).for_each(drop);
    });
    case.litter.check();
}

#[test]
fn background_processes_end_with_the_command_and_let_go_of_the_output() {
    let case = Case::new("command: sleep 1000 & setsid sleep 1000 & echo started\n");
    let ran = case.run().expect(0);
    assert_eq!(ran.stdout, "started\n");
}

#[test]
fn callers_odd_signals_do_not_hang_a_run() {
    if !support::need("perl") {
        return;
    }
    let case = Case::new("command: [echo, done]\n");
    let path = case.temp.join("case.yaml");
    // 32 and 33 are the C library's own.
    let odd = "$SIG{CHLD} = 'IGNORE'; use POSIX; \
               POSIX::sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1..31, 34..64)); exec @ARGV";
    let mut command = Command::new("perl");
    command.args(["-e", odd]).arg(support::binary()).arg("up").arg(path);
    assert_eq!(run(&mut command).expect(0).stdout, "done\n");
}

#[test]
fn closed_standard_streams_do_not_hang_a_run() {
    let case = Case::new("command: [sh, -c, 'ls -l /proc/self/fd; exit 4']\n");
    let mut command = Command::new("sh");
    command.args(["-c", r#""$0" up "$1" <&- >&- 2>&-"#]);
    command.arg(support::binary()).arg(case.temp.join("case.yaml"));
    run(&mut command).expect(4);
}

#[test]
fn a_hang_up_that_the_caller_ignores_ends_nothing() {
    let case = Case::new(&format!("command: trap 'echo one' USR1; {TRAPPED}"));
    let mut command = Command::new("nohup");
    let inner = case.command();
    command.arg(inner.get_program()).args(inner.get_args());
    let session = Session::start(&mut command);
    session.expect("ready");
    session.signal(Signal::SIGHUP);
    session.signal(Signal::SIGUSR1);
    session.expect("one");
    session.signal(Signal::SIGTERM);
    assert_eq!(session.finish().0, 143);
}

#[test]
fn init_reaps_what_others_leave() {
    let case = Case::new(
        "init: true\ncommand: |\n  for n in 1 2 3 4 5; do (sleep 0.1 & ) ; done\n  \
         while ps -o comm | grep -q '^sleep'; do :; done\n  \
         while ps -o stat | grep -q '^Z'; do :; done\n  echo none\n",
    );
    assert_eq!(case.run().expect(0).stdout, "none\n");
}

#[test]
fn without_init_the_command_is_pid_1() {
    let case = Case::new("command: [sh, -c, 'echo $$$$']\n");
    assert_eq!(case.run().expect(0).stdout, "1\n");
    let case = Case::new("init: true\ncommand: [sh, -c, 'echo $$$$']\n");
    assert_ne!(case.run().expect(0).stdout, "1\n");
}

#[test]
fn the_report_replaces_an_older_one_whole_and_leaves_no_other_file() {
    let case = Case::new("command: exit 1\n");
    case.temp.write("report.json", "old".repeat(100_000));
    case.run().expect(1);
    case.reported("exit", 1);
    let names: Vec<_> = fs::read_dir(case.temp.path()).unwrap().flatten().collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn input_reaches_the_command_untouched() {
    let case = Case::new("command: [wc, -c]\n");
    let input = vec![0xfe; 300_000];
    let ran = run_for(&mut case.command(), Duration::from_mins(2), &input).expect(0);
    assert_eq!(ran.stdout.trim(), "300000");
}

#[test]
fn streams_lead_to_files() {
    let temp = Temp::new();
    let (input, output) = (temp.write("in", "hello\n"), temp.join("out"));
    let case = Case::new(&format!(
        "stdin: {}\nstdout: {}\nstderr: stdout\ncommand: cat; echo err >&2\n",
        input.display(),
        output.display()
    ));
    let ran = case.run().expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert_eq!(temp.read("out"), "hello\nerr\n");
}

#[test]
fn a_fifo_without_another_end_does_not_hang() {
    let temp = Temp::new();
    nix::unistd::mkfifo(&temp.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let fifo = temp.join("fifo");
    let case = Case::new(&format!("stdin: {}\ncommand: [cat]\n", fifo.display()));
    case.run().expect(0);
    let case = Case::new(&format!("stdout: {}\ncommand: [echo]\n", fifo.display()));
    case.run().expect(125);
}
