//! Links that commands lay where they may write: no later look of the runner's is led by them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{NoLitter, Ran, Temp, busybox_root, need_root, run, sixdocker};

/// `shown` for the command to write to, and `elsewhere` that must stay as it is.
fn place() -> Temp {
    let temp = Temp::new();
    for dir in ["shown/deep", "elsewhere", "store"] {
        fs::create_dir_all(temp.join(dir)).unwrap();
    }
    temp.write("elsewhere/secret", "a secret");
    temp
}

/// Runs `command` in a busybox root with these lines more.
fn up(temp: &Temp, command: &str, more: &str) -> Ran {
    let root = busybox_root().display().to_string();
    let rootfs = if more.contains("rootfs:") { String::new() } else { format!("rootfs: {root}\n") };
    let text = format!("{rootfs}command: {command:?}\n{more}").replace("ROOT", &root);
    run(sixdocker().current_dir(temp.path()).arg("up").arg(temp.write("case.yaml", text)))
}

#[track_caller]
fn untouched(temp: &Temp, ran: &Ran) {
    assert!(!ran.stdout.contains("secret\n") && !ran.stdout.ends_with("a secret"), "{ran:?}");
    assert_eq!(temp.read("elsewhere/secret"), "a secret", "{ran:?}");
    assert_eq!(fs::read_dir(temp.join("elsewhere")).unwrap().count(), 1, "{ran:?}");
}

#[test]
fn no_report_is_led_astray_while_the_command_runs() {
    if !need_root() {
        return;
    }
    for (command, report, is_there) in [
        ("ln -s ELSEWHERE/secret /shown/report.json", "report.json", "shown/report.json"),
        ("ln -s ELSEWHERE/new /shown/report.json", "report.json", "shown/report.json"),
        (
            "mv /shown/deep /shown/gone; ln -s ELSEWHERE /shown/deep",
            "deep/report.json",
            "shown/gone/report.json",
        ),
        ("rmdir /shown/deep; ln -s ELSEWHERE /shown/deep", "deep/report.json", ""),
    ] {
        let (temp, litter) = (place(), NoLitter::new());
        let command = command.replace("ELSEWHERE", &temp.join("elsewhere").display().to_string());
        let more = format!("mounts: [\"./shown:/shown:rw\"]\nuser: 0\nreport: shown/{report}\n");
        let ran = up(&temp, &command, &more);
        untouched(&temp, &ran);
        if is_there.is_empty() {
            ran.expect(125).says("can't write the report").says("the command ended with 0");
        } else {
            ran.expect(0);
            assert!(fs::symlink_metadata(temp.join(is_there)).unwrap().is_file());
            assert!(temp.read(is_there).contains("\"ending\": \"ok\""));
        }
        litter.check();
    }
}

/// A link at the first place that leads to the second, and the lines that use it.
#[test]
fn what_an_earlier_command_laid_leads_nowhere() {
    if !need_root() {
        return;
    }
    let bind = "mounts: [\"./shown:/s:rw\"]\n";
    let overlay = |lower: &str, upper: &str, work: &str| {
        format!(
            "mounts: [\"./shown:/s:rw\", {{type: overlay, lower: [{lower}], upper: {upper}, work: {work}, target: /o}}]\n"
        )
    };
    let made = "shown/deep";
    for (link, to, more) in [
        // What the runner opens, whatever it is.
        ("shown/l", "elsewhere/secret", format!("{bind}stdin: shown/l\n")),
        ("shown/l", "elsewhere/secret", format!("{bind}stdout: shown/l\n")),
        ("shown/l", "elsewhere/new", format!("{bind}stderr: shown/l\n")),
        ("shown/l", "elsewhere/secret", format!("{bind}report: shown/l\n")),
        ("shown/l", "elsewhere/new", format!("{bind}report: shown/l\n")),
        ("shown/l", "elsewhere", format!("{bind}report: shown/l/new\n")),
        ("shown/l", "elsewhere/secret", format!("{bind}env_file: shown/l\n")),
        ("shown/l", "elsewhere/secret", format!("{bind}security: {{seccomp: shown/l}}\n")),
        ("shown/l", "elsewhere/secret", format!("{bind}files: {{/x: {{source: shown/l}}}}\n")),
        ("shown/l", "/proc/1/ns/net", format!("{bind}network: ./shown/l\n")),
        ("shown/l", "/dev/kmsg", format!("{bind}devices: [HERE/shown/l]\n")),
        // Even within what is shown: the command may not be who may read it.
        ("shown/l", "shown/deep/own", format!("{bind}stdout: shown/l\n")),
        // What is shown.
        ("shown/l", "elsewhere", format!("rootfs: {{path: shown/l, write: none}}\n{bind}")),
        ("shown/l", "elsewhere", "mounts: [\"./shown:/s:rw\", \"./shown/l:/d:rw\"]\n".to_owned()),
        ("shown/l", "elsewhere", "mounts: [\"./shown:/s:rw\", \"./shown/l:/d\"]\n".to_owned()),
        ("shown/l", "elsewhere", overlay("shown/l", made, made)),
        ("shown/l", "elsewhere", overlay("store", "shown/l", made)),
        ("shown/l", "elsewhere", overlay("store", made, "shown/l")),
        ("shown/l", "elsewhere", format!("rootfs: {{path: ROOT, write: {{keep: shown/l}}}}\n{bind}")),
        // Nor what is shown elsewhere: there it may be read-only, or covered.
        (
            "shown/l",
            "shown/deep",
            "mounts: [\"./shown:/s:rw\", \"./shown/deep:/s/deep\", \"./shown/l:/d:rw\"]\n".to_owned(),
        ),
        // Other places where commands write.
        (
            "up/l",
            "elsewhere/secret",
            "mounts: [{type: overlay, lower: [store], upper: up, work: work, target: /o}]\nreport: up/l\n"
                .to_owned(),
        ),
        (
            "keep/upper/l",
            "elsewhere/secret",
            "rootfs: {path: ROOT, write: {keep: keep}}\nstdout: keep/upper/l\n".to_owned(),
        ),
        // Other names of the same places.
        ("shown/l", "elsewhere/new", format!("{bind}stdout: /proc/self/cwd/shown/l\n")),
        ("shown/l", "elsewhere/new", format!("{bind}report: /proc/../HERE/shown/l\n")),
        ("shown/l", "elsewhere/secret", format!("{bind}report: name/l\n")),
        ("shown/l", "elsewhere/secret", "mounts: [\"./name:/s:rw\"]\nstdout: shown/l\n".to_owned()),
        ("shown/l", "elsewhere/secret", format!("{bind}report: shown/deep/../l\n")),
    ] {
        let temp = place();
        ["up", "work", "keep/upper"].iter().for_each(|dir| fs::create_dir_all(temp.join(dir)).unwrap());
        temp.write("shown/deep/own", "");
        symlink(temp.join("shown"), temp.join("name")).unwrap();
        symlink(temp.path().join(to), temp.join(link)).unwrap();
        let here = temp.path().display().to_string();
        println!("{link} -> {to}\n{more}");
        let ran = up(&temp, "cat; cat /x /d/secret /o/secret", &more.replace("HERE", &here));
        untouched(&temp, &ran.expect(125).says("planted_link"));
    }
}

#[test]
fn the_directories_of_a_layer_are_no_links() {
    if !need_root() {
        return;
    }
    for name in ["upper", "work"] {
        let temp = place();
        fs::create_dir(temp.join("keep")).unwrap();
        symlink(temp.join("elsewhere"), temp.join("keep").join(name)).unwrap();
        let ran = up(&temp, "cat /secret", "rootfs: {path: ROOT, write: {keep: keep}}\n");
        untouched(&temp, &ran.expect(125).says("is a symbolic link"));
    }
}

/// What /proc calls a link is none, whatever it reads like.
#[test]
fn another_process_root_is_not_taken_for_this_one() {
    if !need_root() {
        return;
    }
    let temp = place();
    temp.write("shown/deep/secret", "harmless");
    let root = format!("/proc/{}/root", std::process::id());
    symlink(format!("{root}{}", temp.join("shown/deep").display()), temp.join("shown/l")).unwrap();
    let mounts = "mounts: [\"./shown:/s:rw\", \"./shown/l:/d:rw\"]\n";
    up(&temp, "cat /d/secret", mounts).expect(125).says("planted_link").says(&root);
}

/// A directory that becomes a link and back again while runs start.
#[test]
fn nothing_is_shown_that_was_swapped_in_since() {
    if !need_root() {
        return;
    }
    let temp = place();
    temp.write("shown/deep/secret", "harmless");
    symlink(temp.join("elsewhere"), temp.join("shown/link")).unwrap();
    let (one, other) = (temp.join("shown/deep"), temp.join("shown/link"));
    let over = AtomicBool::new(false);
    let (mut harmless, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                nix::fcntl::renameat2(
                    nix::fcntl::AT_FDCWD,
                    &one,
                    nix::fcntl::AT_FDCWD,
                    &other,
                    nix::fcntl::RenameFlags::RENAME_EXCHANGE,
                )
                .unwrap();
            }
        });
        for n in 0..60 {
            let more = match n % 3 {
                0 => "mounts: [\"./shown:/s:rw\", \"./shown/deep:/d\"]\n",
                1 => {
                    "mounts: [\"./shown:/s:rw\", {type: overlay, lower: [store, shown/deep], target: /d}]\n"
                }
                _ => {
                    "mounts: [\"./shown:/s:rw\"]\nfiles: {/d/secret: {source: shown/deep/secret}}\n"
                }
            };
            let ran = up(&temp, "cat /d/secret", more);
            match ran.code() {
                0 => harmless += usize::from(ran.stdout == "harmless"),
                _ => refused += usize::from(ran.code() == 125),
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("{harmless} harmless, {refused} refused");
    assert_eq!(harmless + refused, 60);
}

#[test]
fn a_refused_manifests_report_goes_through_no_link() {
    if !need_root() {
        return;
    }
    let temp = place();
    symlink(temp.join("elsewhere"), temp.join("shown/d")).unwrap();
    symlink(temp.join("elsewhere/secret"), temp.join("shown/l")).unwrap();
    let root = busybox_root().display().to_string();
    for bad in ["timeout: bogus\n", "nonsense: 1\n", "mounts: [bad]\n"] {
        let text = format!("rootfs: {root}\ncommand: [\"true\"]\nreport: shown/d/f\n{bad}");
        let file = temp.write("case.yaml", text);
        let ran = run(sixdocker().arg("up").arg(&file)).expect(125);
        untouched(&temp, &ran.says("can't write the report").says("is a symbolic link"));
        let ran = run(sixdocker().arg("up").arg(&file).arg("--report").arg(temp.join("shown/l")));
        untouched(&temp, &ran.expect(125));
    }
}

#[test]
fn links_of_the_callers_own_are_followed() {
    if !need_root() {
        return;
    }
    let temp = place();
    fs::create_dir(temp.join("reports")).unwrap();
    symlink("reports", temp.join("link")).unwrap();
    symlink("../store", temp.join("shown/result")).unwrap();
    temp.write("store/tool", "of the store");
    let bind = "mounts: [\"./shown:/s:rw\"]\nreport: link/r.json\n";
    up(&temp, "true", bind).expect(0);
    assert!(temp.read("reports/r.json").contains("\"ok\""));
    // The report of a manifest that could be read, too.
    up(&temp, "true", &format!("{bind}stdin: nowhere\n")).expect(125);
    assert!(temp.read("reports/r.json").contains("nowhere"));
    // So is what is shown.
    symlink("store", temp.join("result")).unwrap();
    symlink("/dev/full", temp.join("full")).unwrap();
    fs::create_dir_all(temp.join("work")).unwrap();
    let more = format!(
        "mounts: [\"./shown:/s:rw\", \"./result:/r\", {{type: overlay, lower: [result, shown], target: /o}}]\ndevices: [\"{}:/dev/own\"]\n",
        temp.join("full").display()
    );
    let ran = up(&temp, "cat /r/tool /o/tool; test -c /dev/own", &more).expect(0);
    assert_eq!(ran.stdout, "of the storeof the store");
    // This process's own names in /proc are gone through.
    let text = format!(
        "rootfs: {}\ncommand: cat\nstdin: /proc/self/cwd/../store/tool\n",
        busybox_root().display()
    );
    let mut command = sixdocker();
    let ran = run(command.current_dir(temp.join("work")).arg("up").arg(temp.write("c.yaml", text)));
    assert_eq!(ran.expect(0).stdout, "of the store");
}

/// Where the manifest was reached through a link, that is the caller's word.
#[test]
fn the_way_to_the_manifest_is_the_callers() {
    if !need_root() {
        return;
    }
    let temp = Temp::new();
    fs::create_dir_all(temp.join("home")).unwrap();
    fs::create_dir_all(temp.join("data/ws")).unwrap();
    symlink(temp.join("data/ws"), temp.join("home/ws")).unwrap();
    let (root, home) = (busybox_root().display().to_string(), temp.join("home"));
    let text = format!(
        "rootfs: {root}\ncommand: echo said\nmounts: [\"{}:/h:rw\", \".:/w\"]\nstdout: log\nreport: r.json\n",
        home.display()
    );
    temp.write("data/ws/case.yaml", text);
    run(sixdocker().arg("up").arg(temp.join("home/ws/case.yaml"))).expect(0);
    assert_eq!(temp.read("data/ws/log"), "said\n");
    assert!(temp.read("data/ws/r.json").contains("\"ok\""));
}

/// As images of servers have it: a log that is a link to the container's output.
#[test]
fn a_link_to_a_stream_is_that_stream() {
    let temp = Temp::new();
    for (link, stream) in [("out.log", "/dev/stdout"), ("error.log", "/dev/stderr")] {
        symlink(stream, temp.join(link)).unwrap();
    }
    let root = busybox_root().display().to_string();
    let streams = "stdout: out.log\nstderr: error.log\n";
    let text = format!("rootfs: {root}\ncommand: echo out; echo error >&2\n{streams}");
    let file = temp.write("case.yaml", text);
    let ran = run(sixdocker().arg("up").arg(file)).expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "error\n"));
}

/// Where a path leads whose directory is not there is nobody's secret.
#[test]
fn what_is_missing_is_said_to_be_missing() {
    if !need_root() {
        return;
    }
    let temp = place();
    symlink(Path::new("nowhere"), temp.join("link")).unwrap();
    let optional = "mounts: [{type: bind, source: link/below, target: /d, optional: true}]\n";
    up(&temp, "test ! -e /d/x", optional).expect(0);
    up(&temp, "true", "mounts: [\"./link/below:/d\"]\n").expect(125).says("missing_path");
}
