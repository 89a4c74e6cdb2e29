//! The sandboxes that the whole probe runs in.
//!
//! But for the first, none has Landlock: it must not be what saves the mounts.

use crate::exceptions::{Exception, exception};
use crate::probe::{Answers, SHOWN, Stage, Verdict, Who, answers, callers, list};

/// What the root file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Host,
    /// A directory, with this word of `write`.
    Directory(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) root: Root,
    /// The value of `security`.
    pub(crate) security: &'static str,
    /// Further lines.
    pub(crate) more: &'static str,
    /// Further mounts.
    pub(crate) mounts: &'static str,
}

const PLAIN: Scene = Scene { root: Root::Host, security: "{landlock: none}", more: "", mounts: "" };

/// One test for each scene, as every caller.
macro_rules! scenes {
    ($($name:ident: $scene:expr;)*) => {
        $(#[test]
        fn $name() {
            check(&$scene);
        })*
    };
}

scenes! {
    a_command_of_the_hosts_is_contained: Scene { security: "default", ..PLAIN };
    without_landlock_it_is_contained: PLAIN;
    on_layers_it_is_contained: Scene { root: Root::Directory("discard"), ..PLAIN };
    on_the_directory_itself_it_is_contained: Scene { root: Root::Directory("direct"), ..PLAIN };
    on_a_sealed_directory_it_is_contained: Scene { root: Root::Directory("none"), ..PLAIN };
    on_kept_layers_it_is_contained: Scene { root: Root::Directory("{keep: PLACE/kept}"), ..PLAIN };
    with_files_it_is_contained: Scene { more: "files: {/etc/motd: hello}", ..PLAIN };
    with_files_on_layers_it_is_contained:
        Scene { root: Root::Directory("discard"), more: "files: {/etc/motd: hello}", ..PLAIN };
    under_an_init_it_is_contained: Scene { more: "init: true", ..PLAIN };
    on_a_terminal_it_is_contained: Scene { more: "tty: true", ..PLAIN };
    under_an_init_on_a_terminal_it_is_contained:
        Scene { more: "init: true\ntty: true", root: Root::Directory("discard"), ..PLAIN };
    a_strict_filter_leaves_nothing_open:
        Scene { security: "{level: strict, landlock: none}", ..PLAIN };
    without_a_filter_it_is_contained:
        Scene { security: "{seccomp: none, landlock: none}", more: "init: true", ..PLAIN };
    with_sysfs_and_control_groups_it_is_contained: Scene {
        mounts: ", {type: sysfs, target: /sys}, {type: cgroup, target: /sys/fs/cgroup}",
        ..PLAIN
    };
    without_a_user_namespace_it_is_contained: Scene { more: "userns: host", ..PLAIN };
    another_user_is_contained: Scene { more: "user: '33:44'", ..PLAIN };
}

fn check(scene: &Scene) {
    let rootless = |who: &&Who| scene.more != "userns: host" || **who == Who::Root;
    for who in callers().iter().filter(rootless) {
        let Some(stage) = Stage::new(*who) else { return };
        let ran = stage.up(&manifest(scene, &stage), &[]).expect(0);
        let told = answers(&ran.stdout);
        all_answered(&told);
        let open = open(scene, *who, &told);
        assert!(open.is_empty(), "{who:?}, {scene:?}:\n{}", open.join("\n"));
    }
}

fn manifest(scene: &Scene, stage: &Stage) -> String {
    let Scene { root, security, more, mounts } = scene;
    let rest = format!("security: {security}\n{more}");
    match root {
        Root::Host => format!("mounts: [{SHOWN}{mounts}]\n{rest}"),
        Root::Directory(write) => {
            let root = stage.root();
            if write.contains("keep") {
                stage.kept();
            }
            let facts = "{type: bind, source: PLACE/facts, target: /facts}";
            format!(
                "rootfs: {{path: {}, write: {write}}}\nmounts: [{facts}{mounts}]\n{rest}",
                root.display()
            )
        }
    }
}

/// A probe that was never asked, or died without a word, would be taken for contained.
fn all_answered(told: &Answers) {
    let listed = list().unwrap();
    let silent: Vec<_> = listed.iter().filter(|name| !told.contains_key(*name)).collect();
    assert!(silent.is_empty(), "no answer from {silent:?}");
    assert!(listed.len() > 700, "{} probes", listed.len());
}

fn open(scene: &Scene, who: Who, told: &Answers) -> Vec<String> {
    let open = told.iter().filter(|(_, answer)| answer.verdict == Verdict::Open);
    let line = |((group, name), answer): (&(String, String), &crate::probe::Answer)| {
        let known: Option<Exception> = exception(scene, who, group, name);
        known.is_none().then(|| format!("{group} {name}: {}", answer.detail))
    };
    open.filter_map(line).collect()
}
