//! Translate: which dialect an account is asked in, the request as it reads it, and the reader of its answer.
//!
//! Invariant: an account that speaks the client's dialect gets the client's own bytes; whatever else is dropped or changed is in a note.
//! Why Responses: some of OpenAI's models refuse tools in the chat dialect while they think.

use super::Journey;
use super::form::Shape;
use super::wish::answering;
use crate::accounts::{Content, Deployment};
use gateway_core::catalog::builtin;
use gateway_core::dialect::exchange::{Ask, Effort, Origin, Request, Rules, Target, Untranslatable};
use gateway_core::dialect::{Dialect, Natives, Operation, Rewrite, Tally, opened_in_place};
use gateway_core::id::{Kind, render};
use gateway_core::translate::{self, Encoded, Through, Translator};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Dialects for a client whose own is not spoken, the one that loses least first.
const SECOND_BEST: [Dialect; 5] = [
    Dialect::Messages,
    Dialect::Responses,
    Dialect::Chat,
    Dialect::Generate,
    Dialect::Converse,
];

/// A request as one account is asked it.
pub(super) struct Worded {
    pub dialect: Dialect,
    pub operation: Operation,
    pub content: Content,
    /// What was dropped or changed.
    pub notes: Vec<String>,
    pub reader: Translator,
    /// What the answer is where it is made anew, and not the upstream's bytes.
    pub content_type: Option<&'static str>,
}

impl Journey {
    /// The request for `account`.
    ///
    /// # Errors
    /// [`Untranslatable`] where the account speaks no dialect that can say it.
    pub(super) fn word(&mut self, account: &Deployment) -> Result<Worded, Untranslatable> {
        let own = self.job.operation;
        if own.is_media() {
            return Ok(self.word_media(account));
        }
        let upstream = self.dialect_for(account)?;
        let is_same = upstream == own.dialect();
        let operation = if is_same { own } else { answering(upstream) };
        let encoded = if is_same {
            // What the client kept of thoughts may have gone through another dialect, or another account, before.
            let (body, mut notes) = self.in_own_words(account, self.natives(account));
            let running = self.target().running.iter();
            notes.extend(running.flat_map(|running| running.notes.iter().cloned()));
            Encoded { body, notes }
        } else {
            self.encoded(account, upstream)?
        };
        let is_translated = !is_same || self.job.form.shape == Shape::Array;
        let reader = if is_translated {
            Translator::Through(Box::new(self.through(account, upstream)?))
        } else {
            Translator::PassThrough(self.tally(account))
        };
        Ok(Worded {
            dialect: upstream,
            operation,
            content: Content::Json(encoded.body),
            notes: encoded.notes,
            reader,
            content_type: is_translated.then_some("application/json"),
        })
    }

    /// The request for `account` in the client's own dialect, with what there is to note.
    fn in_own_words(&self, account: &Deployment, natives: Natives) -> (Vec<u8>, Vec<String>) {
        let body = self.rewritten(account);
        let opened = opened_in_place(&body, origin(account, self.job.operation.dialect()), natives);
        opened.unwrap_or((body, Vec::new()))
    }

    /// Whether `account` was told thoughts that passed as they came and can be left out.
    pub(super) fn has_thoughts_to_cut(&mut self, account: &Deployment) -> bool {
        let own = self.job.operation;
        if own.is_media() || !self.dialect_for(account).is_ok_and(|dialect| dialect == own.dialect()) {
            return false;
        }
        let natives = self.natives(account);
        natives == Natives::Kept && self.in_own_words(account, natives).0 != self.in_own_words(account, Natives::Cut).0
    }

    /// What becomes of thoughts that passed as they came. They are another account's where one was asked before this one, or where this
    /// one says so. What Anthropic's models thought, every account can read that serves them.
    fn natives(&self, account: &Deployment) -> Natives {
        let is_moved = self.job.operation.dialect() != Dialect::Messages
            && self.thinker.is_some_and(|account_id| account_id != account.account_id);
        if is_moved || self.has_foreign_thoughts {
            Natives::Cut
        } else {
            Natives::Kept
        }
    }

    /// The dialect to ask `account` in.
    fn dialect_for(&mut self, account: &Deployment) -> Result<Dialect, Untranslatable> {
        let own = self.job.operation.dialect();
        let offered = account.dialects();
        if own == Dialect::Chat
            && self.job.operation == Operation::Chat
            && offered.contains(&Dialect::Responses)
            && self.needs_responses(account)?
        {
            return Ok(Dialect::Responses);
        }
        if offered.contains(&own) {
            return Ok(own);
        }
        let second = SECOND_BEST.into_iter().find(|dialect| offered.contains(dialect));
        second
            .ok_or_else(|| Untranslatable::no_counterpart("model", "its account speaks no dialect that is spoken here"))
    }

    /// Whether the model refuses in the chat dialect what it does in the responses dialect.
    fn needs_responses(&mut self, account: &Deployment) -> Result<bool, Untranslatable> {
        let rules = self.rules(account);
        if !rules.tools_need_responses && !rules.tools_need_effort_none {
            return Ok(false);
        }
        let request = self.decoded()?;
        let effort = request.reasoning.as_ref().and_then(|reasoning| reasoning.effort);
        let is_unthinking = effort == Some(Effort::None);
        Ok(!request.tools.is_empty() && (rules.tools_need_responses || !is_unthinking))
    }

    /// The client's bytes, with what is ours replaced.
    fn rewritten(&self, account: &Deployment) -> Vec<u8> {
        let mut body = Cow::Borrowed(self.job.body_for(self.target()));
        if !account.takes_stream_options {
            body.to_mut().omit_stream_options();
        }
        body.rewrite(
            &self.job.original,
            &Rewrite {
                model: &account.upstream_model,
                max_output: self.max_output(),
                max_output_field: account.max_output_field,
                include_usage: self.job.envelope.stream,
                keep_cost_option: account.takes_cost_option,
            },
        )
    }

    fn encoded(&mut self, account: &Deployment, upstream: Dialect) -> Result<Encoded, Untranslatable> {
        let request = self.decoded()?;
        let rules = self.rules(account);
        let target = Target {
            model: &account.upstream_model,
            max_output: self.max_output(),
            max_output_field: account.max_output_field,
            rules: &rules,
            provider: &account.provider,
        };
        translate::encode(&request, origin(account, upstream), &target)
    }

    /// The output limit to send, where it is ours.
    fn max_output(&self) -> Option<u64> {
        self.admission.as_ref().and_then(|admission| admission.max_output)
    }

    /// The request in no dialect.
    fn decoded(&mut self) -> Result<Arc<Request>, Untranslatable> {
        if let Some(decoded) = &self.decoded {
            return Ok(Arc::clone(decoded));
        }
        let job = &self.job;
        let path = job.asked_model.as_deref().map(|model| (model, job.envelope.stream));
        let decoded = Arc::new(translate::decode(job.operation.dialect(), &job.original, path)?);
        self.decoded = Some(Arc::clone(&decoded));
        Ok(decoded)
    }

    fn through(&mut self, account: &Deployment, upstream: Dialect) -> Result<Through, Untranslatable> {
        let ask = Ask {
            request: self.decoded()?,
            id: render(Kind::Request, self.request_id.unwrap_or_default()),
            created_s: self.job.arrived_ms / 1_000,
            is_array: self.job.form.shape == Shape::Array,
        };
        let (client, origin) = (self.job.operation.dialect(), origin(account, upstream));
        let envelope = &self.job.envelope;
        if !envelope.stream {
            return Ok(Through::whole(client, origin, ask));
        }
        let pricing = envelope
            .include_cost
            .then(|| Tally::stream(self.job.operation, false).priced(self.target().sheet.clone()));
        Ok(Through::stream(client, origin, ask, pricing))
    }

    fn tally(&self, account: &Deployment) -> Tally {
        let envelope = &self.job.envelope;
        let tally = if envelope.stream {
            let withhold = !envelope.include_usage && !envelope.include_cost;
            let sheet = self.target().sheet.as_ref().filter(|_| envelope.include_cost);
            Tally::stream(self.job.operation, withhold).priced(sheet.cloned())
        } else {
            Tally::whole(self.job.operation)
        };
        let untold = self.target().running.as_ref().map_or(0, |running| running.untold);
        tally.reasoning_excluded(account.reasoning_excluded).searching(untold)
    }

    /// What the model takes and refuses, as far as the list of models that is shipped knows it by either of its names.
    fn rules(&self, account: &Deployment) -> Rules {
        static KNOWN: LazyLock<HashMap<String, Rules>> = LazyLock::new(|| {
            let all = builtin().unwrap_or_default();
            let named = |model: &gateway_core::catalog::ModelSpec| {
                let names = std::iter::once(&model.id).chain(&model.aliases).cloned();
                let rules = Rules::of(model);
                names.map(|name| (name, rules.clone())).collect::<Vec<_>>()
            };
            all.iter().flat_map(named).collect()
        });
        let known = KNOWN
            .get(&account.upstream_model)
            .or_else(|| KNOWN.get(&*self.target().model));
        let rules = known.cloned().unwrap_or_default();
        Rules {
            max_output: self.target().max_output.or(rules.max_output),
            ..rules
        }
    }
}

/// Where what `account` thinks is from.
fn origin(account: &Deployment, dialect: Dialect) -> Origin {
    Origin {
        dialect,
        account: account.origin(),
    }
}
