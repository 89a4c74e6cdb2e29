//! Plans made by hand.

use std::collections::BTreeMap;
use std::path::Path;

use sixdocker::plan::{
    Attend, Bind, CloneInit, Command, Exec, IdKind, IdRange, Init, KernelMount, Layer, MountFlags,
    Namespace, Origin, Plan, Root, Spawn, Step, Stream, Supervise, Verify,
};
use sixdocker::source::Pointer;

pub(crate) const CLOSED: MountFlags =
    MountFlags { read_only: false, nosuid: true, nodev: true, noexec: true };

const NAMESPACES: [Namespace; 7] = [
    Namespace::User,
    Namespace::Mount,
    Namespace::Pid,
    Namespace::Network,
    Namespace::Uts,
    Namespace::Ipc,
    Namespace::Cgroup,
];

/// A plan in the making.
pub(crate) struct Draft {
    pub root: Root,
    pub namespaces: Vec<Namespace>,
    /// What comes after the root was taken, before the pivot.
    pub mounts: Vec<Init>,
    /// What comes after the pivot, before capabilities are dropped.
    pub after: Vec<Init>,
    pub walls: Vec<Command>,
    pub verify: Verify,
    pub stdin: Stream,
    pub init: bool,
    pub argv: Vec<String>,
}

pub(crate) fn overlay(lower: &Path) -> Root {
    Root::Overlay { lower: lower.into(), upper: Layer::Scratch, mapped: false }
}

pub(crate) fn proc() -> Init {
    mount("proc", "/proc", CLOSED, &[])
}

pub(crate) fn mount(
    fstype: &'static str,
    target: &str,
    flags: MountFlags,
    options: &[(&str, &str)],
) -> Init {
    let options = options.iter().map(|(k, v)| ((*k).into(), Some((*v).into()))).collect();
    Init::Mount(KernelMount { fstype, target: target.into(), flags, options, make_target: true })
}

pub(crate) fn bind(source: &Path, target: &str) -> Bind {
    Bind {
        source: source.into(),
        target: target.into(),
        flags: MountFlags { nosuid: true, noexec: true, ..MountFlags::default() },
        recursive: true,
        optional: false,
        make_target: true,
        mapped: false,
    }
}

/// /dev as the planner makes it.
pub(crate) fn dev() -> Vec<Init> {
    let closed = |fstype, target, options| mount(fstype, target, CLOSED, options);
    let mut steps = vec![
        closed("tmpfs", "/dev", &[("mode", "755"), ("size", "64m")]),
        Init::Mkdir { target: "/dev/shm".into(), mode: 0o1777 },
    ];
    for node in ["null", "zero", "full", "random", "urandom", "tty"] {
        let path = format!("/dev/{node}");
        steps.push(Init::Bind(bind(Path::new(&path), &path)));
    }
    let pts = MountFlags { nodev: false, ..CLOSED };
    steps.push(mount("devpts", "/dev/pts", pts, &[("mode", "620"), ("ptmxmode", "666")]));
    steps.push(closed("mqueue", "/dev/mqueue", &[]));
    for (name, to) in [("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdout", "/proc/self/fd/1")]
    {
        steps.push(Init::Symlink { target: format!("/dev/{name}"), to: to.into() });
    }
    steps
}

impl Draft {
    /// Runs busybox's shell with a text.
    pub(crate) fn shell(root: Root, text: &str) -> Self {
        let mut mounts = vec![proc()];
        mounts.extend(dev());
        Self::exec(root, mounts, &["/bin/sh", "-c", text])
    }

    pub(crate) fn exec(root: Root, mounts: Vec<Init>, argv: &[&str]) -> Self {
        let verify = Verify {
            uid: 0,
            gid: 0,
            groups: None,
            capabilities: Vec::new(),
            no_new_privileges: true,
            seccomp: false,
            namespaces: NAMESPACES.to_vec(),
        };
        Self {
            root,
            namespaces: NAMESPACES.to_vec(),
            mounts,
            after: vec![Init::Umask { mask: 0o022 }, Init::Chdir { path: "/".into() }],
            walls: Vec::new(),
            verify,
            stdin: Stream::None,
            init: false,
            argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
        }
    }

    pub(crate) fn plan(self) -> Plan {
        let capabilities = self.verify.capabilities.clone();
        let mut n = 0;
        let init = before(self.root)
            .into_iter()
            .chain(self.mounts)
            .chain([Init::PivotRoot])
            .chain(self.after)
            .chain([Init::NoNewPrivileges, Init::Capabilities { keep: capabilities }]);
        let (stdin, stdout, stderr) = (self.stdin, Stream::File, Stream::Stdout);
        let command = [
            Command::Streams { stdin, stdout, stderr },
            Command::ResetSignals,
            Command::CloseOnExec,
        ]
        .into_iter()
        .chain(self.walls)
        .chain([Command::Verify(self.verify)]);
        let exec = Exec {
            candidates: vec![self.argv[0].clone()],
            argv: self.argv,
            environment: vec!["PATH=/bin".into(), "LANG=C".into()],
        };
        Plan {
            name: "test".into(),
            labels: BTreeMap::new(),
            prepare: Vec::new(),
            clone: step(&mut n, CloneInit { namespaces: self.namespaces, into_cgroup: None }),
            attend: Vec::new(),
            init: init.map(|action| step(&mut n, action)).collect(),
            spawn: self.init.then(|| step(&mut n, Spawn {})),
            command: command.map(|action| step(&mut n, action)).collect(),
            exec: step(&mut n, exec),
            supervise: Supervise::default(),
            degraded: Vec::new(),
            holes: Vec::new(),
        }
    }
}

/// The same, with ids that the parent maps.
pub(crate) fn attended(mut plan: Plan) -> Plan {
    plan.init.retain(|step| !matches!(step.action, Init::MapSelf { .. }));
    let map = |kind, range| Attend::MapIds { kind, map: vec![range], helper: None };
    let (uid, gid) = own_ids();
    let mut n = 1000;
    plan.attend = vec![step(&mut n, map(IdKind::Uid, uid)), step(&mut n, map(IdKind::Gid, gid))];
    plan
}

fn own_ids() -> (IdRange, IdRange) {
    let own = |outside| IdRange { inside: 0, outside, count: 1 };
    (own(nix::unistd::geteuid().as_raw()), own(nix::unistd::getegid().as_raw()))
}

fn before(root: Root) -> Vec<Init> {
    let (uid, gid) = own_ids();
    vec![
        Init::ParentDeathSignal,
        Init::NewSession,
        Init::MapSelf { uid, gid: Some(gid) },
        Init::Undumpable,
        Init::NewKeyring,
        Init::Hostname { name: "inside".into() },
        Init::LoopbackUp,
        Init::PrivateMounts,
        Init::Scratch { size: "64m".into() },
        Init::Root(root),
    ]
}

fn step<A>(n: &mut u16, action: A) -> Step<A> {
    *n += 1;
    Step { n: *n, action, origin: Origin { key: Pointer::default(), default: true } }
}

/// The number of the first step of init's that is wanted.
pub(crate) fn number(plan: &Plan, wanted: impl Fn(&Init) -> bool) -> u16 {
    plan.init.iter().find(|step| wanted(&step.action)).unwrap().n
}
