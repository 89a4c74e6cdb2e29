//! What works.

use sixdocker::execute::line::Message;
use sixdocker::plan::{Command, Init};
use sixdocker::seccomp::Filter;
use sixdocker::sys::Status;

use super::Case;
use super::plans::{self, Draft, bind, overlay};
use super::stage::{Directory, run};

pub(crate) const CASES: &[Case] = &[
    ("nothing_allocates_and_the_command_runs", runs),
    ("the_command_is_pid_1_in_a_place_of_its_own", own_place),
    ("no_descriptor_leaks", descriptors),
    ("an_overlay_leaves_its_lower_directory_alone", lower_untouched),
    ("dev_is_private_and_complete", devices),
    ("init_reaps_and_tells_how_the_command_ended", spawned),
    ("init_holds_no_stream", spawned_streams),
    ("a_terminal_comes_from_the_sandbox", terminal),
    ("a_filter_is_installed", filtered),
    ("landlock_lets_all_inside_through", landlocked),
    ("files_are_shown_with_mode_and_content", files),
    ("times_of_all_steps_are_told", times),
    ("limits_as_small_as_can_be", small_limits),
    ("ids_that_the_parent_maps_are_had", attended),
];

fn shell(name: &str, text: &str) -> (Directory, Draft) {
    let root = Directory::busybox(name);
    let draft = Draft::shell(overlay(&root.0), text);
    (root, draft)
}

fn output(name: &str, text: &str) -> String {
    let (_root, draft) = shell(name, text);
    run(&draft.plan()).good()
}

fn busybox(name: &str, arguments: &[&str]) -> String {
    let (_root, mut draft) = shell(name, "");
    draft.argv = vec!["/bin/busybox".to_owned()];
    draft.argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    run(&draft.plan()).good()
}

fn runs() {
    assert_eq!(output("runs", "echo hello"), "hello\n");
}

fn own_place() {
    let text = "echo $$; busybox hostname; pwd; busybox id -u; busybox ls /proc/1/root/; \
                busybox grep -c . /proc/self/mountinfo; busybox grep tmp/sixdocker /proc/self/mountinfo";
    let root = Directory::busybox("place");
    let run = run(&Draft::shell(overlay(&root.0), text).plan());
    assert_eq!(run.code(), 1, "grep finds no path of the host's: {run:?}");
    assert!(run.output.starts_with("1\ninside\n/\n0\nbin\ndev\netc\nproc\nsys\ntmp\n"), "{run:?}");
}

fn descriptors() {
    // ls itself has 3.
    assert_eq!(busybox("descriptors", &["ls", "/proc/self/fd"]), "0\n1\n2\n3\n");
    // Without a shell, which ignores signals of its own accord.
    let lines = "Cap|NoNewPrivs|Groups|Sig(Blk|Ign)";
    let status = busybox("status", &["grep", "-E", lines, "/proc/self/status"]);
    let zeros = status.lines().filter(|line| line.ends_with("0000000000000000")).count();
    assert_eq!(zeros, 7, "{status}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}

fn lower_untouched() {
    let (root, draft) =
        shell("lower", "echo x > /etc/new; busybox mkdir /deep; busybox rm /bin/sh; echo done");
    let before = root.listing();
    assert_eq!(run(&draft.plan()).good(), "done\n");
    assert_eq!(root.listing(), before);
}

fn devices() {
    let text = "busybox ls /dev; echo x > /dev/null; busybox head -c 2 /dev/zero | busybox wc -c; \
                busybox stat -c %a /dev/shm; echo y > /dev/stdout";
    let all =
        "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstdout\ntty\nurandom\nzero\n2\n1777\ny\n";
    assert_eq!(output("devices", text), all);
}

fn spawned() {
    let (_root, mut draft) = shell("spawned", "echo $$; (busybox sleep 0 &); exit 7");
    draft.init = true;
    draft.walls.push(Command::NewSession);
    let run = run(&draft.plan());
    assert_eq!((run.code(), run.output.as_str()), (0, "2\n"));
    assert!(matches!(run.messages.last(), Some(Message::Ended(Status::Exit(7)))), "{run:?}");
}

fn spawned_streams() {
    // The names of its descriptors are seen by root, but none can be followed.
    let text = "for fd in 0 1 2; do [ -L /proc/1/fd/$fd ] && echo holds $fd; done; \
                for fd in /proc/1/fd/*; do (: > $fd) 2>/dev/null && echo opened $fd; done; \
                busybox cat /proc/1/environ 2>&1; busybox grep CapEff /proc/1/status";
    let (_root, mut draft) = shell("held", text);
    draft.init = true;
    let output = run(&draft.plan()).output;
    assert!(!output.contains("holds") && !output.contains("opened"), "{output}");
    assert_eq!(output.matches("Permission denied").count(), 1, "{output}");
    assert!(output.contains("CapEff:\t0000000000000000"), "{output}");
}

fn terminal() {
    let (_root, mut draft) = shell("terminal", "busybox tty; busybox ps | busybox head -1");
    draft.mounts.push(Init::OpenTerminal);
    draft.walls.insert(0, Command::ControllingTerminal);
    let run = run(&draft.plan());
    let master = run.messages.into_iter().find_map(|message| match message {
        Message::Terminal(master) => Some(master),
        _ => None,
    });
    let mut seen = vec![0; 64];
    let read = nix::unistd::read(master.unwrap(), &mut seen).unwrap();
    assert_eq!(String::from_utf8_lossy(&seen[..read]).lines().next(), Some("/dev/pts/0"));
}

fn filtered() {
    const ALLOW: (u16, u8, u8, u32) = (0x06, 0, 0, 0x7fff_0000);
    let (_root, mut draft) = shell("filtered", "busybox grep Seccomp: /proc/self/status");
    let filter =
        Filter { name: "all".into(), allowed: 1, program: vec![ALLOW], ..Default::default() };
    draft.walls.push(Command::Seccomp { filter });
    draft.verify.seccomp = true;
    assert_eq!(run(&draft.plan()).good(), "Seccomp:\t2\n");
}

fn landlocked() {
    let Some(abi) = super::stage::landlock() else { return };
    let text = "echo x > /tmp/a; busybox mv /tmp/a /etc/a; busybox cat /etc/a; echo y > /dev/stdout; \
                busybox cat /dev/null; /bin/busybox true && echo ran";
    let (_root, mut draft) = shell("landlocked", text);
    draft.walls.push(Command::Landlock { abi });
    assert_eq!(run(&draft.plan()).good(), "x\ny\nran\n");
}

fn files() {
    let (root, mut draft) = shell(
        "files",
        "busybox stat -c '%a %F' /etc/f /srv/deep/d; busybox cat /etc/f; busybox ls /mnt/x",
    );
    std::fs::create_dir(root.path("tmp/shown")).unwrap();
    std::fs::write(root.path("tmp/shown/inner"), "").unwrap();
    draft.mounts.extend([
        Init::File {
            target: "/etc/f".into(),
            content: "text\n".into(),
            mode: 0o640,
            owner: None,
            make_target: true,
        },
        Init::Mkdir { target: "/srv/deep/d".into(), mode: 0o777 },
        Init::Bind(bind(&root.path("tmp/shown"), "/mnt/x")),
    ]);
    assert_eq!(run(&draft.plan()).good(), "640 regular file\n777 directory\ntext\ninner\n");
}

fn times() {
    let (_root, draft) = shell("times", "true");
    let plan = draft.plan();
    let run = run(&plan);
    let times = run.messages.iter().find_map(|message| match message {
        Message::Times(times) => Some(times.len()),
        _ => None,
    });
    assert_eq!(times, Some(plan.init.len()), "{:?}", run.status);
}

fn attended() {
    for init in [false, true] {
        let (_root, mut draft) = shell("attended", "id -u; cat /proc/self/uid_map");
        draft.init = init;
        let run = run(&plans::attended(draft.plan()));
        let words: Vec<_> = run.output.split_whitespace().collect();
        let own = nix::unistd::geteuid().to_string();
        assert_eq!(words, ["0", "0", &own, "1"], "{run:?}");
    }
}

fn small_limits() {
    for init in [false, true] {
        small_limits_with(init);
    }
}

fn small_limits_with(init: bool) {
    let (_root, mut draft) = shell("limits", "ulimit -n; ulimit -f");
    draft.init = init;
    let limit = |resource, n| Command::Rlimit { resource, soft: Some(n), hard: Some(n) };
    draft.walls.extend([limit("nofile", 3), limit("fsize", 0), limit("core", 0)]);
    if let Some(abi) = super::stage::landlock() {
        draft.walls.push(Command::Landlock { abi });
    }
    let run = run(&draft.plan());
    assert_eq!(run.output, "3\n0\n", "{run:?}");
    assert!(!run.messages.iter().any(|m| matches!(m, Message::Fault { .. })), "{run:?}");
}
