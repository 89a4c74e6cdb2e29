//! Every fault of a manifest, found by walking the schema over its tree.
//!
//! This runs only after the typed reading has refused. The schema tells which keys and which of
//! YAML's types stand where; whatever has a notation of its own is read by its own type again,
//! so that the walk and the typed reading can't disagree.

use serde_json::Value as Json;

use super::fault::{Fault, either, nearest};
use super::reader::{self, Refusal, UNREAD};
use super::scalar::HostPath;
use super::{
    AbsolutePath, Cgroup, CgroupManager, Command, CpuSet, Degradable, Device, Duration, EnvPattern,
    Environment, ErrorOutput, File, Hostname, Id, Input, Landlock, Mode, Mount, Name, Network,
    Output, Proc, Report, Rootfs, Seccomp, Security, SecurityLevel, Sharing, Signal, Size,
    SysctlValue, Tmpfs, Tty, UlimitValue, User, Userns, Var, Write, environment, limits, mounts,
    network, process, security, variables, words,
};
use crate::diagnostic::{Place, Problem};
use crate::schema;
use crate::source::{Document, Entry, Kind, Node, Pointer, Value};

/// The most faults that are told of one file.
const MOST: usize = 200;

/// Adds the faults of a document that the typed reading refused, or that its text has.
pub(super) fn faults(document: &Document, typed: Option<Refusal>, problems: &mut Vec<Problem>) {
    let schema = schema::manifest();
    let mut walk = Walk { schema: &schema, problems: Vec::new() };
    walk.value(&schema, document.root(), &Pointer::root());
    if let (true, Some(refusal)) = (walk.problems.is_empty(), typed)
        && refusal.fault.code != UNREAD
    {
        walk.problems.push(refusal.problem(&Pointer::root()));
    }
    problems.append(&mut walk.problems);
}

/// In the order of their places in the text, each once.
pub(super) fn sorted(document: &Document, mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| document.span(&problem.at).start);
    problems.dedup();
    problems.truncate(MOST);
    problems
}

struct Walk<'s> {
    schema: &'s Json,
    problems: Vec<Problem>,
}

/// The kinds of YAML as JSON schema calls them.
fn fits(name: &str, node: &Node) -> bool {
    let scalar = node.scalar();
    match name {
        "object" => matches!(node.value, Value::Map(_)),
        "array" => matches!(node.value, Value::List(_)),
        "string" => scalar.is_some_and(crate::source::Scalar::is_text),
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

impl Walk<'_> {
    fn value(&mut self, schema: &Json, node: &Node, at: &Pointer) {
        if matches!(node.value, Value::Unknown) || self.problems.len() >= MOST {
            return;
        }
        let before = self.problems.len();
        self.structure(schema, node, at);
        let name = schema.get("$ref").and_then(Json::as_str);
        if let (Some(name), true) =
            (name.and_then(|name| name.strip_prefix("#/$defs/")), before == self.problems.len())
        {
            self.typed(name, node, at);
        }
    }

    /// The branch that YAML's type chooses, and what stands in it.
    fn structure(&mut self, schema: &Json, node: &Node, at: &Pointer) {
        let all = schema::alternatives(self.schema, schema);
        let typed: Vec<&Json> = all.iter().copied().filter(|one| kind(one).is_some()).collect();
        let Some(branch) = typed.iter().find(|one| kind(one).is_some_and(|name| fits(name, node)))
        else {
            if !typed.is_empty() {
                self.problems.push(bad_type(&typed, schema, node, at));
            }
            return;
        };
        match &node.value {
            Value::Map(entries) => self.map(branch, node, entries, at),
            Value::List(items) => self.list(branch, items, at),
            _ => self.scalar(schema, branch, node, at),
        }
    }

    fn map(&mut self, schema: &Json, node: &Node, entries: &[Entry], at: &Pointer) {
        for entry in entries {
            self.entry(schema, entry, entries, at);
        }
        let required = schema.get("required").and_then(Json::as_array);
        for key in required.into_iter().flatten().filter_map(Json::as_str) {
            if node.get(key).is_none() {
                self.problems.push(missing(key, schema, at));
            }
        }
    }

    fn entry(&mut self, schema: &Json, entry: &Entry, entries: &[Entry], at: &Pointer) {
        let place = at.key(&entry.key);
        if let Some(known) = schema.get("properties").and_then(|all| all.get(&entry.key)) {
            return self.value(known, &entry.value, &place);
        }
        if *at == Pointer::root() && entry.key.starts_with("x-") {
            return;
        }
        match schema.get("additionalProperties") {
            Some(Json::Bool(false)) => self.problems.push(unknown_key(schema, entry, entries, at)),
            Some(of) => {
                self.key(schema, entry, &place);
                self.value(of, &entry.value, &place);
            }
            None => self.key(schema, entry, &place),
        }
    }

    /// A key that has a notation of its own.
    fn key(&mut self, schema: &Json, entry: &Entry, place: &Pointer) {
        let names =
            schema.get("propertyNames").and_then(|names| names.get("$ref")).and_then(Json::as_str);
        let Some(name) = names.and_then(|name| name.strip_prefix("#/$defs/")) else { return };
        let key = Node {
            span: entry.key_span.clone(),
            value: Value::Scalar(crate::source::Scalar::quoted(entry.key.clone())),
        };
        if let Some(Err(refusal)) = read_as(name, &key) {
            let problem = refusal.problem(place);
            self.problems.push(Problem { at: Place::Key(place.clone()), ..problem });
        }
    }

    fn list(&mut self, schema: &Json, items: &[Node], at: &Pointer) {
        if items.is_empty() && schema.get("minItems").is_some() {
            let fault =
                Fault::value("the list is empty", "nothing in it").help("write at least one item");
            self.problems.push(fault.problem(Place::Value(at.clone())));
        }
        let Some(of) = schema.get("items") else { return };
        for (n, item) in items.iter().enumerate() {
            self.value(of, item, &at.index(n));
        }
    }

    /// Numbers and texts whose bounds the schema itself tells.
    fn scalar(&mut self, schema: &Json, branch: &Json, node: &Node, at: &Pointer) {
        if schema.get("$ref").is_some() {
            return;
        }
        let bound = |name: &str| branch.get(name).and_then(Json::as_f64);
        let number = node.scalar().and_then(crate::source::Scalar::as_float);
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
        if let Some(Err(refusal)) = read_as(name, node)
            && refusal.fault.code != UNREAD
        {
            self.problems.push(refusal.problem(at));
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
        process::LimitNumber,
        process::ReportFormat,
        Report,
        Environment,
        environment::EnvName,
        Mount,
        mounts::FilePath,
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

fn bad_type(typed: &[&Json], schema: &Json, node: &Node, at: &Pointer) -> Problem {
    let mut names: Vec<&str> = typed.iter().filter_map(|one| kind(one)).map(noun).collect();
    names.dedup();
    let wanted = names.join(" or ");
    let text = format!("{} stands where {wanted} is wanted", node.noun());
    let fault = Fault::new("bad_type", text, format!("must be {wanted}"));
    let example = schema.get("examples").and_then(|all| all.get(0)).map(Json::to_string);
    let fault = match (quoted(typed, node), example) {
        (Some(quoted), _) => fault.help(format!("quote it: `{quoted}`")).fix(quoted),
        (None, Some(example)) => fault.help(format!("write, for example, `{example}`")),
        (None, None) => fault,
    };
    fault.problem(Place::Value(at.clone()))
}

fn noun(kind: &str) -> &str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "a boolean (`true` or `false`)",
        other => other,
    }
}

/// What certainly was meant: a number where a text is wanted, or a boolean as text.
fn quoted(typed: &[&Json], node: &Node) -> Option<String> {
    let scalar = node.scalar()?;
    let wants = |name: &str| typed.iter().any(|one| kind(one) == Some(name));
    match scalar.kind {
        Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) if wants("string") => {
            Some(format!("\"{}\"", scalar.text))
        }
        Kind::Text if wants("boolean") => match scalar.text.as_str() {
            "true" | "yes" | "on" => Some("true".to_owned()),
            "false" | "no" | "off" => Some("false".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

fn missing(key: &str, schema: &Json, at: &Pointer) -> Problem {
    let fault = Fault::new(
        "missing_key",
        format!("the key `{key}` is missing"),
        format!("`{key}` is missing"),
    );
    let property = schema.get("properties").and_then(|all| all.get(key));
    let example = property.and_then(|one| one.get("examples")?.get(0)).map(Json::to_string);
    let fault = match example {
        Some(example) => fault.help(format!("write, for example, `{key}: {example}`")),
        None => fault,
    };
    fault.problem(Place::Value(at.clone()))
}

fn unknown_key(schema: &Json, entry: &Entry, entries: &[Entry], at: &Pointer) -> Problem {
    let key = entry.key.as_str();
    let place = Place::Key(at.key(key));
    let top = *at == Pointer::root();
    if top && words::is_not_yet(key) {
        return Fault::not_yet(format!("the key `{key}`")).problem(place);
    }
    let text = format!("the key {} is not known", super::fault::shown(key));
    let fault = Fault::new("unknown_key", text, "unknown key");
    let properties = schema.get("properties").and_then(Json::as_object);
    let known: Vec<&str> =
        properties.into_iter().flat_map(|all| all.keys()).map(String::as_str).collect();
    let free = |name: &str| entries.iter().all(|entry| entry.key != name);
    let neighbour = words::ours(key).filter(|_| top);
    let fault = match (neighbour, nearest(key, known.iter().copied())) {
        (Some((ours, true)), _) if free(ours) => {
            fault.help(format!("it is called `{ours}` here")).fix(ours)
        }
        (Some((ours, _)), _) => fault.help(format!("it is called `{ours}` here")),
        (None, Some(near)) if free(near) => fault.help(format!("did you mean `{near}`?")).fix(near),
        (None, Some(near)) => fault.help(format!("did you mean `{near}`?")),
        (None, None) if known.len() <= 16 => {
            fault.help(format!("the keys here are {}", either(&known).replace(" or ", " and ")))
        }
        (None, None) => fault.help("`sixdocker explain` lists the keys; your own begin with `x-`"),
    };
    fault.problem(place)
}
