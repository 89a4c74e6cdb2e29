//! A difference between what is and what was planned is a fault: the command never runs.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use sixdocker::capability::Capability;
use sixdocker::execute::line::Message;
use sixdocker::plan::{Command, Namespace, Plan, Stream};
use sixdocker::sys::Call;

use super::Case;
use super::plans::{self, Draft, overlay};
use super::stage::{Directory, Stage, run, run_to_fault};

pub(crate) const CASES: &[Case] = &[
    ("who_is_not_let_go_does_nothing", not_let_go),
    ("other_capabilities_are_refused", capabilities),
    ("listed_capabilities_are_had", listed),
    ("privileges_to_gain_are_refused", privileges),
    ("a_missing_filter_is_refused", filter),
    ("another_id_is_refused", ids),
    ("a_namespace_of_the_runner_is_refused", namespace),
    ("a_directory_as_a_stream_is_refused", directory),
    ("a_command_that_is_missing_is_told", missing),
];

fn draft(root: &Directory) -> Draft {
    Draft::shell(overlay(&root.0), "echo ran")
}

fn refused(plan: &Plan) -> Call {
    let run = run_to_fault(plan);
    assert_eq!(run.output, "");
    assert_eq!(run.code(), 125, "{run:?}");
    run.fault().1.call
}

fn not_let_go() {
    let root = Directory::busybox("go");
    let held = Stage { go: false, ..Stage::default() }.run(&draft(&root).plan());
    let attended = || plans::attended(draft(&root).plan());
    let attended_only = Stage { go: false, ..Stage::default() }.run(&attended());
    let go_only = Stage { attended: false, ..Stage::default() }.run(&attended());
    for run in [held, attended_only, go_only] {
        assert_eq!((run.code(), run.output.as_str()), (125, ""));
        assert!(run.messages.is_empty(), "{run:?}");
    }
}

fn verify(plan: &mut Plan) -> &mut sixdocker::plan::Verify {
    let last = plan.command.last_mut().unwrap();
    match &mut last.action {
        Command::Verify(verify) => verify,
        other => panic!("{other:?}"),
    }
}

fn capabilities() {
    let root = Directory::busybox("capabilities");
    let mut plan = draft(&root).plan();
    verify(&mut plan).capabilities = vec![Capability::Chown];
    assert_eq!(refused(&plan), Call::CheckCapabilities);
    let mut plan = draft(&root).plan();
    plan.init.pop();
    assert_eq!(refused(&plan), Call::CheckCapabilities);
}

fn listed() {
    let root = Directory::busybox("listed");
    let mut draft = Draft::shell(overlay(&root.0), "busybox grep Cap /proc/self/status");
    draft.verify.capabilities = vec![Capability::Chown, Capability::NetRaw];
    let output = run(&draft.plan()).good();
    assert_eq!(output.matches("0000000000002001").count(), 5, "{output}");
}

fn privileges() {
    let root = Directory::busybox("privileges");
    let mut plan = draft(&root).plan();
    plan.init.retain(|step| step.action != sixdocker::plan::Init::NoNewPrivileges);
    assert_eq!(refused(&plan), Call::CheckPrivileges);
}

fn filter() {
    let root = Directory::busybox("filter");
    let mut draft = draft(&root);
    draft.verify.seccomp = true;
    assert_eq!(refused(&draft.plan()), Call::CheckFilter);
}

fn ids() {
    let root = Directory::busybox("ids");
    let mut draft = draft(&root);
    draft.verify.gid = 5;
    assert_eq!(refused(&draft.plan()), Call::CheckIds);
    let mut plan = self::draft(&root).plan();
    verify(&mut plan).groups = Some(vec![4242]);
    assert_eq!(refused(&plan), Call::CheckIds);
}

fn namespace() {
    let root = Directory::busybox("namespace");
    let mut draft = draft(&root);
    draft.namespaces.retain(|kind| *kind != Namespace::Cgroup);
    assert_eq!(refused(&draft.plan()), Call::CheckNamespaces);
}

fn directory() {
    let root = Directory::busybox("stream");
    let mut draft = draft(&root);
    draft.stdin = Stream::File;
    let host: OwnedFd =
        nix::fcntl::open("/", OFlag::O_RDONLY | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())
            .unwrap();
    let run = Stage { stdin: Some(host), strict: false, ..Stage::default() }.run(&draft.plan());
    assert_eq!((run.output.as_str(), run.fault().1.call), ("", Call::CheckStreams));
}

fn missing() {
    let root = Directory::busybox("missing");
    let mut draft = draft(&root);
    draft.argv = vec!["/bin/none".into()];
    let plan = draft.plan();
    let run = run_to_fault(&plan);
    let (n, fault) = run.fault();
    assert_eq!((n, fault.call, fault.errno), (plan.exec.n, Call::Execve, Errno::ENOENT));
    assert!(run.messages.iter().any(|message| matches!(message, Message::Fault { .. })));
}
