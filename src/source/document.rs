//! A manifest as a tree, in which places are looked up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::reading::{self, FAULTS, too_large};
use super::tree::{Entry, Node, Value};
use super::{Pointer, Source, text};
use crate::diagnostic::{Place, Problem};

/// A manifest as a tree.
#[derive(Clone, Debug)]
pub struct Document {
    root: Node,
    /// The bytes at which a dollar stands in the text.
    dollars: Vec<usize>,
    /// Faults that did not stand in the way of a tree.
    faults: Vec<Problem>,
    names: RefCell<Names>,
}

/// Of each list in which a name was looked for, by its first byte: the items that give it a value.
type Names = BTreeMap<usize, BTreeMap<String, usize>>;

impl Document {
    /// Reads the one document of `source`.
    pub fn read(source: &Source) -> Result<Self, Vec<Problem>> {
        if source.is_too_large() {
            return Err(vec![too_large()]);
        }
        let faults = text::faults(source, FAULTS);
        if faults.len() == FAULTS {
            return Err(faults);
        }
        let (root, faults) = reading::read(&source.text, faults)?;
        let dollars = source.text.match_indices('$').map(|(at, _)| at).collect();
        Ok(Self { root, dollars, faults, names: RefCell::default() })
    }

    /// The same text's tree with other values in it.
    #[must_use]
    pub fn with_root(&self, root: Node) -> Self {
        Self { root, names: RefCell::default(), ..self.clone() }
    }

    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// What is wrong with the text although a tree could be read.
    #[must_use]
    pub fn faults(&self) -> &[Problem] {
        &self.faults
    }

    /// The bytes of a place; of a place that is not there, those of what it would stand in.
    #[must_use]
    pub fn span(&self, place: &Place) -> Range<usize> {
        match place {
            Place::Bytes(span) | Place::Part(_, span) => span.clone(),
            Place::Value(pointer) => self.find(pointer).1.span.clone(),
            Place::Key(pointer) => {
                let (key, node) = self.find(pointer);
                key.unwrap_or_else(|| node.span.clone())
            }
        }
    }

    /// The byte of each dollar that is written within `span`.
    #[must_use]
    pub fn dollars(&self, span: &Range<usize>) -> &[usize] {
        let [start, end] =
            [span.start, span.end].map(|end| self.dollars.partition_point(|at| *at < end));
        self.dollars.get(start..end).unwrap_or_default()
    }

    /// The key at the root that a place stands under.
    #[must_use]
    pub fn root_key(&self, place: &Place) -> Option<String> {
        let at = match place {
            Place::Bytes(span) => span.start,
            Place::Value(pointer) | Place::Key(pointer) | Place::Part(pointer, _) => {
                return pointer.parts().next();
            }
        };
        let Value::Map(entries) = &self.root.value else { return None };
        let holds = |entry: &&Entry| (entry.key_span.start..entry.value.span.end).contains(&at);
        entries.iter().find(holds).map(|entry| entry.key.clone())
    }

    /// The value at `pointer` or the nearest around it, and the bytes of its key.
    fn find(&self, pointer: &Pointer) -> (Option<Range<usize>>, &Node) {
        let mut found = (None, &self.root);
        for part in pointer.parts() {
            let next = match &found.1.value {
                Value::Map(_) => {
                    found.1.entry(&part).map(|entry| (Some(entry.key_span.clone()), &entry.value))
                }
                Value::List(items) => {
                    let numbered = part.parse().ok().and_then(|n: usize| items.get(n));
                    let start = found.1.span.start;
                    let item = numbered.or_else(|| self.assigned(start, items, &part));
                    item.map(|item| (None, item))
                }
                _ => None,
            };
            match next {
                Some(next) => found = next,
                None => return found,
            }
        }
        found
    }

    /// The item of a list that gives a value to `name`: `NAME=value`, or the name alone. There may
    /// be as many faults as items.
    fn assigned<'n>(&self, list: usize, items: &'n [Node], name: &str) -> Option<&'n Node> {
        let mut lists = self.names.borrow_mut();
        let names = lists.entry(list).or_insert_with(|| {
            let mut names = BTreeMap::new();
            for (n, text) in items.iter().enumerate().filter_map(|(n, it)| Some((n, it.text()?))) {
                let name = text.split_once('=').map_or(text, |(name, _)| name);
                names.entry(name.to_owned()).or_insert(n);
            }
            names
        });
        items.get(*names.get(name)?)
    }
}
