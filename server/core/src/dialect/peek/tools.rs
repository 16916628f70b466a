//! Tools: those that run at the client are counted, those that run at the provider are left out of the request, but for the search
//! for other tools of the request, and for those that may stay and have a bound ([`super::hosted`]).
//!
//! Invariant: nothing else that searches, computes or calls others at the provider's place, for a fee and with results billed as
//! input, goes upstream; a request that demands such a tool is refused. A search for tools has no fee and finds what stands in the
//! request alone; the prompt is counted for each time it may be read. Pure.
//! Wire facts: the API references of OpenAI, Anthropic and Google; what Codex and Claude Code send.

use super::super::bound::TOOL_TOKENS;
use super::super::envelope::PeekError;
use super::super::json::{Members, is_null, member_in, place_in};
use super::super::operation::Operation;
use super::super::place::Place;
use super::Reader;
use super::google::camel;
use super::value::{elements, unpriced};
use serde_json::Value;
use serde_json::value::RawValue;

/// Tokens of the instructions that come with a tool of the provider's that runs at the client.
pub(super) const TYPED_TOOL_TOKENS: u64 = 2_048;
/// Kinds of OpenAI's Responses that run at the client.
const RESPONSES_CLIENT: &[&str] = &["function", "custom", "local_shell", "apply_patch"];
/// Kinds of Anthropic's that run at the client begin so.
const MESSAGES_CLIENT: &[&str] = &["bash_", "text_editor_", "computer_", "memory_"];
/// The search for tools among those of the request: of Responses, where it runs at the provider, and how Anthropic's begin.
const RESPONSES_SEARCH: &str = "tool_search";
const MESSAGES_SEARCH: &str = "tool_search_tool_";
/// How often a prompt is read, at most, where a search comes between: Anthropic stops after ten rounds.
pub(super) const READINGS: u64 = 10;
/// The only members of Google's tools that run at the client.
const GOOGLE_CLIENT: &[&str] = &["functionDeclarations"];
/// Kinds that run at a provider, by how they begin, as a note calls them.
const HOSTED: &[&str] = &[
    "web_search",
    "web_fetch",
    "file_search",
    "code_interpreter",
    "code_execution",
    "image_generation",
    "mcp",
    "computer",
    "shell",
    "advisor",
    "googleSearch",
    "codeExecution",
    "urlContext",
    "fileSearch",
    "googleMaps",
    "enterpriseWebSearch",
    "computerUse",
];
/// Kinds of a choice that name no tool of the provider's.
const CHOICES: &[&str] = &[
    "auto",
    "none",
    "any",
    "required",
    "tool",
    "function",
    "custom",
    "allowed_tools",
];
const EXPECTED: &str = "a list of objects";

/// What stands in a tool.
pub(super) type Inside<'a, 'de> = &'a [(std::borrow::Cow<'de, str>, &'de RawValue)];

/// What becomes of a tool.
enum Fate {
    Kept,
    Removed,
}

impl<'de> Reader<'_, 'de> {
    /// Reads the tools once everything else was read.
    pub(super) fn tools(&mut self) -> Result<(), PeekError> {
        let Some(raw) = self.kept.tools.filter(|raw| !is_null(raw)) else {
            return Ok(());
        };
        let tools = if self.asked.operation == Operation::Generate && raw.get().starts_with('{') {
            vec![raw]
        } else {
            elements(raw, "tools", EXPECTED)?
        };
        let mut removed = Vec::new();
        let mut names = Vec::new();
        let count = tools.len();
        for tool in tools {
            let Members(members) = serde_json::from_str(tool.get()).map_err(|_| PeekError::WrongType {
                field: "tools",
                expected: EXPECTED,
            })?;
            let fate = match self.asked.operation {
                Operation::Generate => self.google_tool(tool, &members, &mut names)?,
                _ => self.tool(tool, &members, &mut names)?,
            };
            if matches!(fate, Fate::Removed) {
                removed.push(place_in(self.text, tool.get()));
            }
        }
        for name in &names {
            let known = HOSTED.iter().find(|known| name.starts_with(**known));
            let known = known.copied().unwrap_or("a hosted tool");
            let note = format!("dropped {known}: it runs at the provider and has no price here");
            if !self.envelope.notes.contains(&note) {
                self.envelope.notes.push(note);
            }
        }
        let is_empty = !removed.is_empty() && removed.len() == count;
        self.check_choice(&names, is_empty)?;
        if is_empty {
            self.body.removed.push(member_in(self.text, raw.get()));
            if let Some(choice) = self.kept.tool_choice {
                self.body.removed.push(member_in(self.text, choice.get()));
            }
        } else {
            self.body.removed.append(&mut removed);
        }
        Ok(())
    }

    /// A tool of Responses or Messages.
    fn tool(
        &mut self,
        tool: &'de RawValue,
        members: Inside<'_, 'de>,
        names: &mut Vec<String>,
    ) -> Result<Fate, PeekError> {
        let is_messages = self.asked.operation == Operation::Messages;
        let mut kinds = members.iter().filter(|(name, _)| name == "type");
        let mut is_hosted = kinds.clone().next().is_none() && !is_messages;
        let mut tokens = TOOL_TOKENS;
        let hosted = kinds.find_map(|(_, kind)| {
            let kind: String = serde_json::from_str(kind.get()).unwrap_or_default();
            let is_client = if is_messages {
                MESSAGES_CLIENT.iter().any(|start| kind.starts_with(start))
            } else {
                RESPONSES_CLIENT.contains(&kind.as_str()) || kind == "namespace" || is_clients_shell(&kind, members)
            };
            let is_search = if is_messages {
                kind.starts_with(MESSAGES_SEARCH)
            } else {
                !is_client && kind == RESPONSES_SEARCH
            };
            let is_typed = is_search || (is_messages && is_client);
            tokens += if is_typed { TYPED_TOOL_TOKENS } else { 0 };
            self.is_read_again |= is_search;
            let stays = is_client || is_search || (is_messages && kind == "custom");
            (!stays).then_some(kind)
        });
        is_hosted |= hosted.is_some();
        if let Some(kind) = &hosted
            && self.may_run(kind, members)?
        {
            self.hosted_tool(kind, tool, members)?;
            self.walk(tool, Place::Json, 2)?;
            return Ok(Fate::Kept);
        }
        if is_hosted {
            names.push(hosted.unwrap_or_default());
            let named = members
                .iter()
                .filter(|(name, _)| name == "name" || name == "server_label");
            names.extend(named.filter_map(|(_, name)| serde_json::from_str::<String>(name.get()).ok()));
            return Ok(Fate::Removed);
        }
        if !is_messages {
            for (_, inner) in members.iter().filter(|(name, _)| name == "tools") {
                for tool in elements(inner, "tools.tools", EXPECTED)? {
                    let Members(members) = serde_json::from_str(tool.get()).unwrap_or(Members(Vec::new()));
                    let mut kinds = members.iter().filter(|(name, _)| name == "type");
                    if !kinds.all(|(_, kind)| matches!(kind.get(), r#""function""# | r#""custom""#)) {
                        return Err(unpriced("tools.tools.type", tool.get()));
                    }
                    tokens += TOOL_TOKENS;
                }
            }
        }
        self.count.tokens = self.count.tokens.saturating_add(tokens);
        self.walk(tool, Place::Json, 2)?;
        Ok(Fate::Kept)
    }

    /// A tool of Google's: one object may hold functions and what runs at the provider.
    fn google_tool(
        &mut self,
        tool: &'de RawValue,
        members: Inside<'_, 'de>,
        names: &mut Vec<String>,
    ) -> Result<Fate, PeekError> {
        let mut places = Vec::new();
        for (name, value) in members {
            let name = camel(name.clone());
            if GOOGLE_CLIENT.contains(&name.as_ref()) {
                let functions = elements(value, "tools.functionDeclarations", EXPECTED)?.len() as u64;
                self.count.tokens = self.count.tokens.saturating_add(TOOL_TOKENS.saturating_mul(functions));
            } else if !self.google_runs(&name) {
                names.push(name.into_owned());
                places.push(member_in(self.text, value.get()));
            }
        }
        if !places.is_empty() && places.len() == members.len() {
            return Ok(Fate::Removed);
        }
        self.body.removed.append(&mut places);
        self.count.tokens = self.count.tokens.saturating_add(TOOL_TOKENS);
        self.walk(tool, Place::Json, 2)?;
        Ok(Fate::Kept)
    }

    /// Refuses a choice that demands what was left out.
    fn check_choice(&self, names: &[String], is_empty: bool) -> Result<(), PeekError> {
        let is_google = self.asked.operation == Operation::Generate;
        let Some(raw) = self.kept.tool_choice.filter(|_| !names.is_empty() && !is_google) else {
            return Ok(());
        };
        let choice: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        let is_forced = matches!(word(&choice), "required" | "any");
        if (is_empty && is_forced) || demands(&choice, names, &self.hosted.kinds) {
            return Err(unpriced("tool_choice", raw.get()));
        }
        Ok(())
    }
}

/// A shell that runs at the client and says so.
fn is_clients_shell(kind: &str, members: &[(std::borrow::Cow<'_, str>, &RawValue)]) -> bool {
    let says = |name: &str, part: &str, word: &str| {
        let mut found = members.iter().filter(|(known, _)| known == name);
        let value = found
            .next()
            .map(|(_, value)| serde_json::from_str::<Value>(value.get()).unwrap_or_default());
        let is_once = found.next().is_none();
        is_once && value.is_some_and(|value| value == word || value.get(part).is_some_and(|part| part == word))
    };
    match kind {
        "shell" => says("environment", "type", "local"),
        "tool_search" => says("execution", "type", "client"),
        _ => false,
    }
}

/// A choice in one word: itself, or its type.
fn word(choice: &Value) -> &str {
    let kind = choice.get("type").unwrap_or(choice);
    kind.as_str().unwrap_or_default()
}

/// Whether `choice`, or a tool it allows, is one of `names`, or runs at the provider and is none of the kinds that `stay`.
fn demands(choice: &Value, names: &[String], stay: &[String]) -> bool {
    let Value::Object(members) = choice else { return false };
    let kind = word(choice);
    let is_named = ["type", "name", "server_label"].iter().any(|member| {
        let named = members.get(*member).and_then(Value::as_str);
        named.is_some_and(|named| names.iter().any(|name| name == named))
    });
    let stays = CHOICES.contains(&kind) || stay.iter().any(|known| known == kind);
    let is_hosted = !stays && HOSTED.iter().any(|known| kind.starts_with(known));
    let allowed = members.get("tools").and_then(Value::as_array);
    is_named || is_hosted || allowed.is_some_and(|tools| tools.iter().any(|tool| demands(tool, names, stay)))
}
