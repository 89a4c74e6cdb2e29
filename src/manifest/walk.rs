//! Every fault of a manifest, found by walking the schema over its tree.
//!
//! This runs only after the typed reading has refused. The schema tells which keys and which of
//! YAML's types stand where; whatever has a notation of its own is read by its own type again,
//! so that the walk and the typed reading can't disagree.

mod say;

use serde_json::Value as Json;

use super::reader::{self, Refusal, UNREAD};
use super::scalar::HostPath;
use super::{
    AbsolutePath, Cgroup, CgroupManager, Command, CpuSet, Degradable, Device, Duration, EnvPattern,
    Environment, ErrorOutput, File, Hostname, Id, Input, Landlock, Mode, Mount, Name, Network,
    Output, Proc, Report, Rootfs, Seccomp, Security, SecurityLevel, Sharing, Signal, Size,
    SysctlValue, Tmpfs, Tty, UlimitValue, User, Userns, Var, Write, environment, files, limits,
    mounts, network, process, security, ulimits, variables,
};
use crate::diagnostic::{MOST, Place, Problem};
use crate::schema;
use crate::source::{Entry, Kind, Node, Pointer, Scalar, Value};

/// The faults of a tree that the typed reading refused, in the order of the tree; no more than
/// show that there are more than are told.
pub(super) fn faults(root: &Node) -> Vec<Problem> {
    let schema = schema::manifest();
    let mut walk = Walk { schema, problems: Vec::new(), quiet: false };
    walk.value(schema, root, &Pointer::root());
    walk.problems
}

struct Walk<'s> {
    schema: &'s Json,
    problems: Vec<Problem>,
    /// Whether there are faults is asked, not what to do about them.
    quiet: bool,
}

/// The kinds of YAML as JSON schema calls them.
fn fits(name: &str, node: &Node) -> bool {
    let scalar = node.scalar();
    match name {
        "object" => matches!(node.value, Value::Map(_)),
        "array" => matches!(node.value, Value::List(_)),
        "string" => scalar.is_some_and(Scalar::is_text),
        "integer" => scalar.is_some_and(|scalar| scalar.as_integer().is_some()),
        "number" => scalar.is_some_and(|scalar| scalar.as_float().is_some()),
        "boolean" => scalar.is_some_and(|scalar| scalar.as_bool().is_some()),
        "null" => scalar.is_some_and(|scalar| !scalar.is_text() && scalar.kind == Kind::Null),
        _ => true,
    }
}

fn kind(schema: &Json) -> Option<&str> {
    schema.get("type").and_then(Json::as_str)
}

/// The name of the type that a schema is of.
fn type_name(schema: &Json) -> Option<&str> {
    schema.get("$ref").and_then(Json::as_str)?.strip_prefix("#/$defs/")
}

impl<'s> Walk<'s> {
    fn full(&self) -> bool {
        let most = if self.quiet { 0 } else { MOST };
        self.problems.len() > most
    }

    fn value(&mut self, schema: &'s Json, node: &Node, at: &Pointer) {
        if matches!(node.value, Value::Unknown) || self.full() {
            return;
        }
        let before = self.problems.len();
        self.structure(schema, node, at);
        if let (Some(name), true) = (type_name(schema), before == self.problems.len()) {
            self.typed(name, node, at);
        }
    }

    /// Whether a value would do; a `${…}` may come to anything.
    fn accepts(&self, schema: &'s Json, node: &Node) -> bool {
        let mut walk = Walk { schema: self.schema, problems: Vec::new(), quiet: true };
        walk.value(schema, node, &Pointer::root());
        walk.problems.is_empty()
    }

    /// Whether a value would do, or could be mended with certainty.
    fn could_do(&self, schema: &'s Json, node: &Node) -> bool {
        let mut walk = Walk { schema: self.schema, problems: Vec::new(), quiet: false };
        walk.value(schema, node, &Pointer::root());
        walk.problems.iter().all(|problem| problem.fix.is_some())
    }

    /// The branch that YAML's type chooses, and what stands in it.
    fn structure(&mut self, schema: &'s Json, node: &Node, at: &Pointer) {
        let all = schema::alternatives(self.schema, schema);
        let typed: Vec<&Json> = all.into_iter().filter(|one| kind(one).is_some()).collect();
        let Some(branch) = typed.iter().find(|one| kind(one).is_some_and(|name| fits(name, node)))
        else {
            if !typed.is_empty() {
                let problem = self.bad_type(&typed, schema, node, at);
                self.problems.push(problem);
            }
            return;
        };
        // The branch may be that of a type with a name of its own.
        let any = schema.get("anyOf").and_then(Json::as_array);
        let named = any.into_iter().flatten().find(|one| {
            let all = schema::alternatives(self.schema, one);
            type_name(one).is_some() && all.iter().any(|one| std::ptr::eq(*one, *branch))
        });
        if let Some(named) = named {
            return self.value(named, node, at);
        }
        match &node.value {
            Value::Map(entries) => self.map(branch, entries, at),
            Value::List(items) => self.list(branch, items, at),
            _ => self.scalar(schema, branch, node, at),
        }
    }

    /// Whether more stands there than the schema lets; then nobody looks at each.
    fn too_many(&mut self, schema: &Json, bound: &str, count: usize, at: &Pointer) -> bool {
        let most = schema.get(bound).and_then(Json::as_u64);
        let over = most.is_some_and(|most| count as u64 > most);
        if over {
            let problem = super::notation::too_many().problem(Place::Value(at.clone()));
            self.problems.push(problem);
        }
        over
    }

    fn map(&mut self, schema: &'s Json, entries: &[Entry], at: &Pointer) {
        if self.too_many(schema, "maxProperties", entries.len(), at) {
            return;
        }
        let mut meant = Vec::new();
        for entry in entries {
            if self.full() {
                return;
            }
            self.entry(schema, entry, entries, at, &mut meant);
        }
        let required = schema.get("required").and_then(Json::as_array);
        for key in required.into_iter().flatten().filter_map(Json::as_str) {
            let given = entries.iter().any(|entry| entry.key == key);
            if !given && !meant.iter().any(|one| one == key) {
                self.problems.push(say::missing(key, schema, entries, at));
            }
        }
    }

    /// One entry; the keys that an unknown one was probably meant to be are added to `meant`.
    fn entry(
        &mut self,
        schema: &'s Json,
        entry: &Entry,
        entries: &[Entry],
        at: &Pointer,
        meant: &mut Vec<String>,
    ) {
        let place = at.key(&entry.key);
        if let Some(known) = schema.get("properties").and_then(|all| all.get(&entry.key)) {
            return self.value(known, &entry.value, &place);
        }
        if *at == Pointer::root() && entry.key.starts_with("x-") {
            return;
        }
        match schema.get("additionalProperties") {
            Some(Json::Bool(false)) => {
                let (problem, names) = self.unknown_key(schema, entry, entries, at);
                self.problems.push(problem);
                meant.extend(names);
            }
            Some(of) => {
                self.key(schema, entry, &place);
                self.value(of, &entry.value, &place);
            }
            None => self.key(schema, entry, &place),
        }
    }

    /// A key that has a notation of its own.
    fn key(&mut self, schema: &Json, entry: &Entry, place: &Pointer) {
        let Some(name) = schema.get("propertyNames").and_then(type_name) else { return };
        let value = Value::Scalar(Scalar::quoted(entry.key.clone()));
        let key = Node { span: entry.key_span.clone(), value };
        if let Some(Err(refusal)) = read_as(name, &key) {
            let problem = refusal.problem(place);
            self.problems.push(Problem { at: Place::Key(place.clone()), ..problem });
        }
    }

    fn list(&mut self, schema: &'s Json, items: &[Node], at: &Pointer) {
        if self.too_many(schema, "maxItems", items.len(), at) {
            return;
        }
        let Some(of) = schema.get("items") else { return };
        for (n, item) in items.iter().enumerate() {
            self.value(of, item, &at.index(n));
        }
    }

    /// A number whose bounds the schema itself tells.
    fn scalar(&mut self, schema: &Json, branch: &Json, node: &Node, at: &Pointer) {
        if type_name(schema).is_some() {
            return;
        }
        let bound = |name: &str| branch.get(name).and_then(Json::as_f64);
        let number = node.scalar().and_then(Scalar::as_float);
        if let (Some(number), Some(least), Some(most)) =
            (number, bound("minimum"), bound("maximum"))
            && !(least..=most).contains(&number)
        {
            let fault = super::notation::out_of_range(number, least, most);
            self.problems.push(fault.problem(Place::Value(at.clone())));
        }
    }

    /// What only the type itself knows.
    fn typed(&mut self, name: &str, node: &Node, at: &Pointer) {
        if let Some(fault) = say::later(name, node) {
            self.problems.push(fault.problem(Place::Value(at.clone())));
        } else if let Some(Err(refusal)) = read_as(name, node)
            && refusal.fault.code != UNREAD
        {
            let problem = refusal.problem(at);
            let fix = problem.fix.filter(|_| !node.is_substituted());
            self.problems.push(Problem { fix, ..problem });
        }
    }
}

/// Reads a value as the type that the schema calls `name`, for the sake of its faults.
fn read_as(name: &str, node: &Node) -> Option<Result<(), Refusal>> {
    macro_rules! types {
        ($($type:ty),* $(,)?) => {{
            $(if name == <$type as schemars::JsonSchema>::schema_name() {
                return Some(reader::read::<$type>(node).map(|_| ()));
            })*
            None
        }};
    }
    types!(
        Size,
        Duration,
        Name,
        Hostname,
        AbsolutePath,
        Mode,
        Id,
        User,
        Signal,
        HostPath,
        CpuSet,
        Cgroup,
        CgroupManager,
        limits::PageSize,
        limits::BlockDevice,
        limits::CgroupFile,
        limits::CgroupValue,
        Rootfs,
        Write,
        Network,
        Userns,
        Sharing,
        SysctlValue,
        Degradable,
        network::SysctlName,
        network::Address,
        network::ExtraHost,
        Command,
        EnvPattern,
        Var,
        Tty,
        Input,
        Output,
        ErrorOutput,
        UlimitValue,
        ulimits::LimitNumber,
        process::ReportFormat,
        Report,
        Environment,
        environment::EnvName,
        environment::Assignment,
        Mount,
        files::FilePath,
        mounts::MountType,
        Proc,
        File,
        Tmpfs,
        Device,
        Security,
        SecurityLevel,
        Seccomp,
        security::BaseName,
        security::SystemCall,
        security::CapabilityName,
        Refused,
        Landlock,
        variables::VarName,
    )
}

/// The word that tells what a refused system call gets.
type Refused = super::Refusal;
