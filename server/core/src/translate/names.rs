//! Names of tools and ids of calls that one dialect allows and another does not.
//!
//! Invariant: a tool goes by one name towards the upstream, by the client's own towards the client, and no two share one. Pure.
//! Wire facts: OpenAI and Anthropic take letters, digits, `_` and `-`, OpenAI 64 of them; Google takes dots and colons too; namespaces
//! are known to the responses dialect only.

use crate::dialect::Dialect;
use crate::dialect::exchange::{Event, Item, Kind, Output, Request, Tool, ToolChoice};
use std::collections::{HashMap, HashSet};

/// The longest name that every dialect takes, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The longest number behind a name, with what stands between.
const NUMBER_BYTES_MAX: usize = 11;

/// A tool as its client knows it: namespace and name.
pub(super) type Own = (Option<String>, String);

/// Tools by both their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The name towards the upstream, for each tool whose own is another.
    there: HashMap<Own, String>,
    /// And back.
    back: HashMap<String, Own>,
}

impl Names {
    /// The names to use towards an upstream of `dialect`; `None` where every tool keeps its own.
    pub(super) fn of(request: &Request, dialect: Dialect) -> Option<Self> {
        let mut names = Self::default();
        let keeps = |own: &Own| (own.0.is_none() || dialect == Dialect::Responses) && is_plain(&own.1, dialect);
        let mut taken = Taken::default();
        let all: Vec<Own> = request.tools.iter().filter_map(own).chain(called(request)).collect();
        for own in all.iter().filter(|own| keeps(own)) {
            taken.names.insert(own.1.clone());
        }
        for own in all.into_iter().filter(|own| !keeps(own)) {
            if names.there.contains_key(&own) {
                continue;
            }
            let name = taken.take(plain(&own));
            names.back.insert(name.clone(), own.clone());
            names.there.insert(own, name);
        }
        (!names.there.is_empty()).then_some(names)
    }

    /// The tools of `request` that take free text.
    pub(super) fn customs(request: &Request) -> HashSet<Own> {
        let is_custom = |tool: &&Tool| matches!(tool, Tool::Custom { .. });
        request.tools.iter().filter(is_custom).filter_map(own).collect()
    }

    /// `request` with the names for the upstream.
    pub(super) fn rename(&self, request: &Request) -> Request {
        let mut renamed = request.clone();
        for tool in &mut renamed.tools {
            match tool {
                Tool::Function { name, namespace, .. } | Tool::Custom { name, namespace, .. } => {
                    self.replace(namespace, name);
                }
                Tool::Hosted { .. } => {}
            }
        }
        for item in &mut renamed.items {
            match item {
                Item::Call(call) => self.replace(&mut call.namespace, &mut call.name),
                Item::Outcome(outcome) => {
                    if let Some(name) = &mut outcome.name {
                        self.replace(&mut None, name);
                    }
                }
                Item::Message(_) | Item::Thought(_) => {}
            }
        }
        let chosen = by_name(&request.tools);
        let choose = |name: &mut String| {
            if let Some(there) = chosen.get(name.as_str()).and_then(|own| self.there.get(own)) {
                name.clone_from(there);
            }
        };
        match &mut renamed.tool_choice {
            ToolChoice::Tool(name) => choose(name),
            ToolChoice::Allowed { names, .. } => names.iter_mut().for_each(choose),
            ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => {}
        }
        renamed
    }

    /// The client's own name in `event`, which opens a call.
    pub(super) fn restore(&self, event: &mut Event) {
        if let Event::Open {
            kind: Kind::Call { name, namespace, .. },
            ..
        } = event
            && let Some((own_namespace, own)) = self.back.get(name)
        {
            namespace.clone_from(own_namespace);
            name.clone_from(own);
        }
    }

    /// The client's own name in `output`.
    pub(super) fn restore_output(&self, output: &mut Output) {
        if let Output::Call(call) = output
            && let Some((namespace, own)) = self.back.get(&call.name)
        {
            call.namespace.clone_from(namespace);
            call.name.clone_from(own);
        }
    }

    fn replace(&self, namespace: &mut Option<String>, name: &mut String) {
        if let Some(there) = self.there.get(&(namespace.clone(), name.clone())) {
            *namespace = None;
            name.clone_from(there);
        }
    }
}

/// The tool that a choice of each name means, which says no namespace: the one that has none, or else the first.
fn by_name(tools: &[Tool]) -> HashMap<&str, Own> {
    let mut chosen: HashMap<&str, Own> = HashMap::new();
    for tool in tools {
        let Some(own) = own(tool) else { continue };
        if own.0.is_none() {
            chosen.insert(tool.name(), own);
        } else {
            chosen.entry(tool.name()).or_insert(own);
        }
    }
    chosen
}

fn own(tool: &Tool) -> Option<Own> {
    match tool {
        Tool::Function { name, namespace, .. } | Tool::Custom { name, namespace, .. } => {
            Some((namespace.clone(), name.clone()))
        }
        Tool::Hosted { .. } => None,
    }
}

/// Tools that were called earlier, which need not be offered any more.
fn called(request: &Request) -> impl Iterator<Item = Own> {
    request.items.iter().filter_map(|item| match item {
        Item::Call(call) => Some((call.namespace.clone(), call.name.clone())),
        _ => None,
    })
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_plain(name: &str, dialect: Dialect) -> bool {
    let is_allowed = |byte: u8| is_word(byte) || (dialect == Dialect::Generate && matches!(byte, b'.' | b':'));
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_allowed)
}

/// `own` in characters that every dialect takes.
fn plain((namespace, name): &Own) -> String {
    let whole = namespace
        .as_ref()
        .map_or_else(|| name.clone(), |namespace| format!("{namespace}__{name}"));
    let mut plain: String = whole
        .bytes()
        .map(|byte| if is_word(byte) { char::from(byte) } else { '_' })
        .collect();
    if plain.is_empty() {
        plain.push_str("tool");
    }
    // The end of a name says more than its start.
    let over = plain.len().saturating_sub(NAME_BYTES_MAX);
    plain.split_off(over)
}

/// Names that somebody has.
#[derive(Debug, Default)]
struct Taken {
    names: HashSet<String>,
    /// The last number that was put behind each start of a name.
    numbers: HashMap<String, u32>,
}

impl Taken {
    /// Takes `name`, or one that starts like it, which nobody has.
    fn take(&mut self, name: String) -> String {
        if self.names.insert(name.clone()) {
            return name;
        }
        let start = name.get(..NAME_BYTES_MAX - NUMBER_BYTES_MAX).unwrap_or(&name);
        let number = self.numbers.entry(start.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let candidate = format!("{start}_{number}");
            if self.names.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}
