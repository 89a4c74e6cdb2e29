//! Root file systems that want out.

use std::os::unix::fs::{PermissionsExt, symlink};

use nix::errno::Errno;
use sixdocker::execute::line::Message;
use sixdocker::plan::{Command, Init, Root};
use sixdocker::sys::Call;

use super::Case;
use super::plans::{Draft, bind, number, overlay, proc};
use super::stage::{Directory, landlock, run, run_to_fault};

pub(crate) const CASES: &[Case] = &[
    ("a_linked_place_of_the_kernel_is_refused", linked),
    ("a_fifo_for_a_directory_is_refused", fifo),
    ("links_stay_inside", links_inside),
    ("nothing_is_made_in_a_directory_of_the_host", nothing_made),
    ("a_dangling_link_is_not_written_through", dangling),
    ("the_runner_is_not_the_command", own_program),
    ("the_runner_is_no_interpreter", own_interpreter),
    ("the_runner_is_no_loader", own_loader),
    ("no_magic_link_is_a_working_directory", magic_cwd),
];

fn fault(draft: Draft, wanted: impl Fn(&Init) -> bool) -> (Call, Errno) {
    let plan = draft.plan();
    let run = run_to_fault(&plan);
    let (n, fault) = run.fault();
    assert_eq!(n, number(&plan, wanted), "{run:?}");
    assert_eq!(run.code(), 125, "{run:?}");
    (fault.call, fault.errno)
}

fn is_mount_at(place: &'static str) -> impl Fn(&Init) -> bool {
    move |action| matches!(action, Init::Mount(mount) if mount.target == place)
}

fn linked() {
    for (place, to) in
        [("dev", "/"), ("dev", "tmp"), ("proc", "/"), ("proc", "proc"), ("dev", "/nowhere")]
    {
        let root = Directory::busybox("linked");
        std::fs::remove_dir(root.path(place)).unwrap();
        symlink(to, root.path(place)).unwrap();
        let (before, target) = (root.listing(), if place == "dev" { "/dev" } else { "/proc" });
        let draft = Draft::shell(overlay(&root.0), "echo never");
        assert_eq!(
            fault(draft, is_mount_at(target)),
            (Call::Openat2, Errno::ELOOP),
            "{place} {to}"
        );
        let direct = Draft::shell(
            Root::Bind { path: root.0.clone(), read_only: false, mapped: false },
            "echo never",
        );
        assert_eq!(fault(direct, is_mount_at(target)).0, Call::Openat2);
        assert_eq!(root.listing(), before);
    }
}

fn fifo() {
    let root = Directory::busybox("fifo");
    std::fs::remove_dir(root.path("dev")).unwrap();
    nix::unistd::mkfifo(&root.path("dev"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let draft = Draft::shell(overlay(&root.0), "echo never");
    assert_eq!(fault(draft, is_mount_at("/dev")), (Call::Openat2, Errno::ENOTDIR));
}

fn links_inside() {
    let root = Directory::busybox("inside");
    let outside = Directory::new("outside");
    let shown = Directory::new("shown");
    std::fs::write(shown.path("seen"), "").unwrap();
    symlink(&outside.0, root.path("abs")).unwrap();
    symlink("../../../../../../../..", root.path("up")).unwrap();
    let mut draft = Draft::shell(overlay(&root.0), "busybox ls /deep/b /tmp/a");
    draft.mounts.push(Init::Bind(bind(&shown.0, "/up/tmp/a")));
    draft.mounts.push(Init::Bind(bind(&shown.0, "/up/deep/b")));
    assert_eq!(run(&draft.plan()).good(), "/deep/b:\nseen\n\n/tmp/a:\nseen\n");
    let mut dangling = Draft::shell(overlay(&root.0), "true");
    dangling.mounts.push(Init::Bind(bind(&shown.0, "/abs")));
    run_to_fault(&dangling.plan());
    assert_eq!(std::fs::read_dir(&outside.0).unwrap().count(), 0);
}

fn nothing_made() {
    let root = Directory::busybox("direct");
    let before = root.listing();
    let mut draft = Draft::shell(
        Root::Bind { path: root.0.clone(), read_only: false, mapped: false },
        "echo never",
    );
    draft.mounts.push(Init::Bind(bind(&root.path("tmp"), "/mnt/missing")));
    let is_bind =
        |action: &Init| matches!(action, Init::Bind(bind) if bind.target == "/mnt/missing");
    assert_eq!(fault(draft, is_bind), (Call::Openat2, Errno::ENOENT));
    assert_eq!(root.listing(), before);
}

fn dangling() {
    let root = Directory::busybox("dangling");
    let outside = Directory::new("target");
    symlink(outside.path("made"), root.path("etc/hosts")).unwrap();
    let mut draft = Draft::shell(overlay(&root.0), "echo never");
    let target = "/etc/hosts".to_owned();
    let content = "x".into();
    draft.mounts.push(Init::File { target, content, mode: 0o644, owner: None, make_target: true });
    assert_eq!(
        fault(draft, |action| matches!(action, Init::File { .. })),
        (Call::Open, Errno::EEXIST)
    );
    assert!(!outside.path("made").exists());
}

fn own_fault(root: &Directory, program: &str, walls: Vec<Command>) -> Errno {
    let mut draft = Draft::exec(overlay(&root.0), vec![proc()], &[program, "case"]);
    draft.walls = walls;
    let plan = draft.plan();
    let run = run_to_fault(&plan);
    let (n, fault) = run.fault();
    assert_eq!((n, fault.call), (plan.exec.n, Call::Execve), "{run:?}");
    fault.errno
}

fn own_program() {
    let root = Directory::busybox("own");
    symlink("/proc/self/exe", root.path("bin/link")).unwrap();
    assert_eq!(own_fault(&root, "/proc/self/exe", Vec::new()), Errno::EACCES);
    assert_eq!(own_fault(&root, "/bin/link", Vec::new()), Errno::EACCES);
}

fn script(root: &Directory, name: &str, text: &str) {
    std::fs::write(root.path(name), text).unwrap();
    std::fs::set_permissions(root.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn own_interpreter() {
    let root = Directory::busybox("interpreter");
    script(&root, "bin/one", "#!/proc/self/exe\n");
    script(&root, "bin/two", "#! /bin/one x\n");
    assert_eq!(own_fault(&root, "/bin/one", Vec::new()), Errno::EACCES);
    assert_eq!(own_fault(&root, "/bin/two", Vec::new()), Errno::EACCES);
}

/// An ELF file whose loader is the runner is kept from it by Landlock, where the kernel has it.
fn own_loader() {
    let Some(abi) = landlock() else { return };
    let root = Directory::busybox("loader");
    std::fs::write(root.path("bin/elf"), elf(b"/proc/self/exe\0")).unwrap();
    std::fs::set_permissions(root.path("bin/elf"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(own_fault(&root, "/bin/elf", vec![Command::Landlock { abi }]), Errno::EACCES);
}

/// A 64-bit program of nothing but its headers and the path of its loader.
fn elf(loader: &[u8]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 2 * 56;
    const LOAD: u64 = 0x0040_0000;
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let length = HEADERS + loader.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    put(&2u16.to_le_bytes());
    put(&machine.to_le_bytes());
    put(&1u32.to_le_bytes());
    [LOAD, 64, 0].iter().for_each(|word| put(&word.to_le_bytes()));
    put(&0u32.to_le_bytes());
    [64u16, 56, 2, 0, 0, 0].iter().for_each(|half| put(&half.to_le_bytes()));
    let loads = (1u32, [0, LOAD, LOAD, length, length, 4096]);
    let names = (
        3u32,
        [HEADERS, LOAD + HEADERS, LOAD + HEADERS, loader.len() as u64, loader.len() as u64, 1],
    );
    for (kind, words) in [names, loads] {
        put(&kind.to_le_bytes());
        put(&5u32.to_le_bytes());
        for word in &words {
            put(&word.to_le_bytes());
        }
    }
    put(loader);
    file
}

fn magic_cwd() {
    for path in ["/proc/self/fd/0", "/proc/self/root", "/proc/self/cwd", "/proc/1/fd"] {
        let root = Directory::busybox("cwd");
        let mut draft = Draft::shell(overlay(&root.0), "busybox ls; pwd");
        draft.after = vec![Init::Chdir { path: path.into() }];
        let run = run_to_fault(&draft.plan());
        let told = run.messages.iter().any(|message| matches!(message, Message::Fault { .. }));
        assert_eq!(told, path != "/proc/1/fd", "{path}: {run:?}");
    }
}
