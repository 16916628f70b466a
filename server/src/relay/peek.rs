//! Peek: the body is read as far as the pipeline must know it, and checked against the key's rights and the catalogue.
//!
//! Invariant: nothing is held and no upstream is asked for a request that is refused here. Reads the catalogue's snapshot.

use super::form::Form;
use super::target::{Falls, Owners, Target};
use super::wish::Wish;
use super::{Betas, Relay, RelayError, Request, Sent, Shape, Upload, media};
use crate::alerts;
use crate::catalog::{ModelInfo, Resolved};
use crate::keys::Caller;
use crate::secrets::Secret;
use bytes::Bytes;
use gateway_core::dialect::media::{Wanted, peek_form};
use gateway_core::dialect::{Asked, Body, Envelope, Hosted, Operation, PeekError, peek};
use gateway_core::routing::Policy;
use std::net::IpAddr;
use std::sync::Arc;

/// What stays the same throughout a request.
pub(super) struct Job {
    /// The key as it was sent, to recognise its caller again.
    pub credential: Secret,
    pub address: Option<IpAddr>,
    pub operation: Operation,
    /// How its client is spoken to.
    pub form: Form,
    /// The model, where the path names it.
    pub asked_model: Option<String>,
    pub arrived_ms: i64,
    pub envelope: Envelope,
    pub body: Body,
    /// The client's bytes; none of a form.
    pub original: Bytes,
    pub upload: Option<Upload>,
    /// The name that was asked for: of a model or an alias.
    pub name: Arc<str>,
    /// The models that may answer, the first to be asked first; at least one.
    pub targets: Vec<Arc<Target>>,
    pub falls: Falls,
    /// By what is chosen among the targets and their accounts.
    pub policy: Policy,
    /// The only region whose accounts are asked.
    pub region: Option<Arc<str>>,
    /// Whose request it is.
    pub team_id: i64,
    /// Whose accounts may be asked, the first to be asked first.
    pub owners: Owners,
    /// The account that keeps what the request builds on.
    pub kept_by: Option<i64>,
}

impl Job {
    /// What was read of the request as `target` is asked it.
    pub fn envelope_for<'a>(&'a self, target: &'a Target) -> &'a Envelope {
        target.reading.as_ref().map_or(&self.envelope, |reading| &reading.0)
    }

    /// Where in it our own fields stand.
    pub fn body_for<'a>(&'a self, target: &'a Target) -> &'a Body {
        target.reading.as_ref().map_or(&self.body, |reading| &reading.1)
    }

    /// What an account must be able to do.
    pub const fn wish(&self) -> Wish {
        Wish {
            operation: self.operation,
            needs_state: self.envelope.needs_state,
            kept_by: self.kept_by,
        }
    }
}

impl Relay {
    pub(super) async fn peek(&self, caller: &Caller, request: Request) -> Result<Job, RelayError> {
        let asked = Asked {
            operation: request.operation,
            model: request.model.as_deref(),
            stream: request.stream.is_some(),
            hosted: hosted(caller, request.stream),
        };
        let read_as = asked;
        let Read {
            mut envelope,
            body,
            original,
            upload,
        } = read(asked, request.content)?;
        envelope.include_cost |= request.include_cost;
        if let Some(session) = request.session.or(envelope.session) {
            // Another team's conversation of this name is another.
            envelope.conversation = session.rotate_left(17) ^ caller.team_id().cast_unsigned();
        }
        let name = envelope.model.clone();
        if !caller.allows_model(&name) {
            return Err(RelayError::ModelNotAllowed { model: name });
        }
        let operation = request.operation;
        let resolved = self
            .0
            .app
            .catalog
            .resolve(caller.team_id(), &name)
            .ok_or_else(|| RelayError::ModelNotFound { model: name.clone() })?;
        let asked = Question {
            operation,
            envelope: &envelope,
            betas: &request.betas,
            again: (read_as, &original),
        };
        let whose = (&resolved, caller.team_id());
        let owners = Owners::of(&self.0.app.fleet, caller);
        let mut targets = self.targets(whose, owners, asked, request.arrived_ms).await?;
        let policy = resolved.policy();
        if policy == Policy::Cheapest {
            targets.sort_by_key(|target| target.expected_cost.map_or((true, 0), |cost| (false, cost.0)));
        }
        let kept_by = self.kept_by(caller, &envelope).await?;
        Ok(Job {
            region: region(&name, caller, &resolved)?,
            falls: Falls::of(&resolved),
            policy,
            targets,
            credential: request.credential,
            address: request.address,
            operation,
            form: Form {
                dialect: operation.dialect(),
                shape: shape(&envelope, request.stream),
            },
            asked_model: request.model,
            team_id: caller.team_id(),
            owners,
            kept_by,
            arrived_ms: request.arrived_ms,
            body,
            original,
            upload,
            name: Arc::from(name),
            envelope,
        })
    }

    /// The models of `resolved` that can be asked this, at a price for the team.
    async fn targets(
        &self,
        (resolved, team_id): (&Resolved, i64),
        owners: Owners,
        asked: Question<'_>,
        now_ms: i64,
    ) -> Result<Vec<Arc<Target>>, RelayError> {
        let mut serving = resolved
            .models
            .iter()
            .filter(|model| serves(model, asked.operation))
            .peekable();
        let Some(first) = serving.peek().map(|model| model.id.clone()) else {
            return Err(RelayError::WrongOperation {
                model: asked.envelope.model.clone(),
            });
        };
        let catalog = &self.0.app.catalog;
        let mut unasked = None;
        let mut targets = Vec::new();
        for model in serving {
            let reading = match asked.reading(model, now_ms) {
                Ok(reading) => reading,
                Err(error) => {
                    unasked.get_or_insert(error);
                    continue;
                }
            };
            let envelope = reading.as_ref().map_or(asked.envelope, |reading| &reading.0);
            let question = (asked.operation, envelope, asked.betas);
            let markup = catalog.markup(team_id, &model.id);
            let target = match owners.own {
                Some(_) => Target::with_own(model, question, markup, now_ms),
                None => Target::new(model, question, markup, now_ms),
            };
            targets.extend(target.map(|target| Arc::new(target.read_as(reading))));
        }
        if let (true, Some(error)) = (targets.is_empty(), unasked) {
            return Err(RelayError::Body(error));
        }
        if targets.is_empty() {
            if let Some(refusal) = unpriced_tier(resolved, (asked.operation, asked.envelope), now_ms) {
                return Err(RelayError::Body(refusal));
            }
            Box::pin(self.alert_price_unknown(&first)).await;
            return Err(RelayError::PriceUnknown { model: first });
        }
        Ok(targets)
    }

    /// The account that keeps what `envelope` builds on, where it builds on something.
    async fn kept_by(&self, caller: &Caller, envelope: &Envelope) -> Result<Option<i64>, RelayError> {
        if !envelope.needs_state {
            return Ok(None);
        }
        let found = self.0.app.kept.find(caller.team_id(), &envelope.refers_to).await;
        match found {
            Ok(None) => Err(RelayError::NothingKept),
            Ok(account_id) => Ok(account_id),
            Err(error) => {
                tracing::error!(%error, "nobody knows which account keeps an answer");
                Err(RelayError::LedgerDown)
            }
        }
    }

    async fn alert_price_unknown(&self, model: &str) {
        let message = format!("Calls of {model} are refused, because it has no price. Add one under Models & prices.");
        let raised = alerts::raise(&self.0.app.db, alerts::Kind::PriceUnknown, model, &message).await;
        if let Err(error) = raised {
            tracing::error!(%error, "an alert could not be kept");
        }
    }
}

/// Which tools may run at the provider for `caller`: those are told of in their provider's own words alone, and a stream in an array is
/// made anew.
fn hosted(caller: &Caller, stream: Option<Shape>) -> Hosted {
    if caller.hosted_tools && stream != Some(Shape::Array) {
        Hosted::WithFee
    } else {
        Hosted::None
    }
}

/// What is asked, of whatever model it will be.
#[derive(Clone, Copy)]
struct Question<'a> {
    operation: Operation,
    envelope: &'a Envelope,
    betas: &'a Betas,
    /// How the body was read, and itself.
    again: (Asked<'a>, &'a Bytes),
}

impl Question<'_> {
    /// The request as `model` can be asked it, where less of what it asks the provider to run may stay than was read: a fee needs a
    /// price, and what is read in between the model's context.
    ///
    /// # Errors
    /// [`PeekError`] where it demands what may not stay.
    fn reading(self, model: &ModelInfo, now_ms: i64) -> Result<Option<Box<(Envelope, Body)>>, PeekError> {
        let Some(running) = &self.envelope.hosted else {
            return Ok(None);
        };
        let price = model.price_at(now_ms);
        let has_fee = price.is_some_and(|price| price.sheet.prices_searches());
        let hosted = match model.context {
            None => Hosted::None,
            Some(_) if has_fee || running.searches == 0 => return Ok(None),
            Some(_) => Hosted::WithoutFee,
        };
        let (asked, original) = self.again;
        let (mut envelope, body) = peek(Asked { hosted, ..asked }, original)?;
        envelope.include_cost = self.envelope.include_cost;
        envelope.conversation = self.envelope.conversation;
        Ok(Some(Box::new((envelope, body))))
    }
}

/// The only region whose accounts may be asked for `name`: the key's, the alias's, and that of everybody's alias of the name.
pub(super) fn region(name: &str, caller: &Caller, resolved: &Resolved) -> Result<Option<Arc<str>>, RelayError> {
    let own = resolved
        .alias
        .as_ref()
        .and_then(|alias| alias.settings.region.as_deref());
    let asked = [
        (caller.region.as_deref(), "the key's"),
        (own, "the alias's"),
        (resolved.platform_region.as_deref(), "the platform's alias's"),
    ];
    let mut asked = asked.into_iter().filter_map(|(region, whose)| Some((region?, whose)));
    let Some((first, whose)) = asked.next() else {
        return Ok(None);
    };
    match asked.find(|(other, _)| !other.eq_ignore_ascii_case(first)) {
        Some((other, others)) => Err(RelayError::NotInRegion {
            model: name.to_owned(),
            region: format!("{first} ({whose}) and {other} ({others})"),
        }),
        None => Ok(Some(Arc::from(first))),
    }
}

/// Why none of the models of `resolved` can be asked, where one has a price, only not in the service tier that was asked for.
fn unpriced_tier(resolved: &Resolved, (operation, envelope): (Operation, &Envelope), now_ms: i64) -> Option<PeekError> {
    let value = envelope.service_tier.clone()?;
    let is_priced = |model: &ModelInfo| {
        let price = model.price_at(now_ms);
        serves(model, operation) && price.is_some_and(|price| media::is_priced(operation, &price.sheet))
    };
    let field = "service_tier";
    let is_it = resolved.models.iter().any(|model| is_priced(model));
    is_it.then_some(PeekError::Unpriced { field, value })
}

/// Whether a model can be asked for `operation`; one added by hand for anything.
fn serves(model: &ModelInfo, operation: Operation) -> bool {
    match model.mode.as_str() {
        _ if !model.is_builtin => true,
        "chat" => !operation.is_embedding() && !operation.is_media() && operation != Operation::Moderations,
        "embedding" => operation.is_embedding(),
        "image" => operation.is_image(),
        "speech" => operation == Operation::Speech,
        "transcription" => operation.is_heard(),
        "rerank" => operation == Operation::Rerank,
        _ => operation == Operation::Moderations,
    }
}

/// What a stream is made of, where the path said `asked`.
fn shape(envelope: &Envelope, asked: Option<Shape>) -> Shape {
    let wanted = envelope.media.as_ref().map(|media| media.wanted);
    match wanted {
        Some(Wanted::Sound(_)) => Shape::Sound,
        _ => asked.unwrap_or_default(),
    }
}

/// What was sent, as far as it was read.
struct Read {
    envelope: Envelope,
    body: Body,
    original: Bytes,
    upload: Option<Upload>,
}

fn read(asked: Asked<'_>, sent: Sent) -> Result<Read, RelayError> {
    match sent {
        Sent::Json(original) => {
            let (envelope, body) = peek(asked, &original).map_err(RelayError::Body)?;
            Ok(Read {
                envelope,
                body,
                original,
                upload: None,
            })
        }
        Sent::Form(upload) => Ok(Read {
            envelope: peek_form(asked.operation, &upload.form).map_err(RelayError::Body)?,
            body: Body::default(),
            original: Bytes::new(),
            upload: Some(upload),
        }),
    }
}
