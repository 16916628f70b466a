//! Names of tools and ids of calls that one dialect allows and another does not.
//!
//! Invariant: a tool goes by one name towards the upstream, by the client's own towards the client, and no two share one. Pure.
//! Wire facts: OpenAI and Anthropic take letters, digits, `_` and `-`, OpenAI 64 of them; Google takes dots and colons too; namespaces
//! are known to the responses dialect only.

use crate::dialect::Dialect;
use crate::dialect::exchange::{Event, Item, Kind, Output, Request, Tool, ToolChoice};
use std::collections::HashMap;

/// The longest name that every dialect takes, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A tool as its client knows it.
type Own = (Option<String>, String);

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
        let mut taken: Vec<String> = Vec::new();
        let all: Vec<Own> = request.tools.iter().filter_map(own).chain(called(request)).collect();
        for own in all.iter().filter(|own| keeps(own)) {
            taken.push(own.1.clone());
        }
        for own in all.into_iter().filter(|own| !keeps(own)) {
            if names.there.contains_key(&own) {
                continue;
            }
            let name = free(&plain(&own), &taken);
            taken.push(name.clone());
            names.back.insert(name.clone(), own.clone());
            names.there.insert(own, name);
        }
        (!names.there.is_empty()).then_some(names)
    }

    /// `request` with the names for the upstream.
    pub(super) fn rename(&self, request: &Request) -> Request {
        let mut renamed = request.clone();
        for tool in &mut renamed.tools {
            match tool {
                Tool::Function { name, namespace, .. } => self.replace(namespace, name),
                Tool::Custom { name, .. } => self.replace(&mut None, name),
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
        match &mut renamed.tool_choice {
            ToolChoice::Tool(name) => self.choose(name),
            ToolChoice::Allowed { names, .. } => names.iter_mut().for_each(|name| self.choose(name)),
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

    /// A choice names a tool without its namespace.
    fn choose(&self, name: &mut String) {
        let found = self.there.iter().find(|((_, own), _)| own == name);
        if let Some((_, there)) = found {
            name.clone_from(there);
        }
    }
}

fn own(tool: &Tool) -> Option<Own> {
    match tool {
        Tool::Function { name, namespace, .. } => Some((namespace.clone(), name.clone())),
        Tool::Custom { name, .. } => Some((None, name.clone())),
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

/// `name`, or one that starts like it, which nobody has.
fn free(name: &str, taken: &[String]) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2_u32;
    while taken.contains(&candidate) {
        let tail = format!("_{number}");
        let kept = name.len().min(NAME_BYTES_MAX - tail.len());
        candidate = format!("{}{tail}", &name[..kept]);
        number += 1;
    }
    candidate
}
