//! Peek: the body is read as far as the pipeline must know it, and checked against the key's rights and the catalogue.
//!
//! Invariant: nothing is held and no upstream is asked for a request that is refused here. Reads the catalogue's snapshot.

use super::form::Form;
use super::wish::Wish;
use super::{Betas, Relay, RelayError, Request, Sent, Shape, Upload, media};
use crate::alerts;
use crate::catalog::ModelInfo;
use crate::keys::Caller;
use crate::secrets::Secret;
use bytes::Bytes;
use gateway_core::dialect::media::{Wanted, peek_form};
use gateway_core::dialect::{Asked, Body, Envelope, Operation, peek};
use gateway_core::pricing::{CeilingInput, PriceSheet};
use std::net::IpAddr;
use std::sync::Arc;

/// The output bound of a model of which nobody knows how much it can answer, in tokens: more than any has answered so far.
const OUTPUT_UNKNOWN: u64 = 131_072;
/// The input bound of a model whose context nobody knows, for a prompt with parts that only the context bounds, in tokens.
const CONTEXT_UNKNOWN: u64 = 2_000_000;
/// The output expected of a request that sets no limit, in tokens.
const OUTPUT_EXPECTED: u64 = 1_024;
/// Bytes of a prompt that make a token, as expected.
const BYTES_PER_TOKEN: u64 = 3;
/// How the betas begin that let Anthropic's models read as many tokens as [`LONG_CONTEXT`].
const LONG_CONTEXT_BETA: &str = "context-1m";
/// See [`LONG_CONTEXT_BETA`].
const LONG_CONTEXT: u64 = 1_000_000;

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
    pub betas: Betas,
    pub arrived_ms: i64,
    pub envelope: Envelope,
    pub body: Body,
    /// The client's bytes; none of a form.
    pub original: Bytes,
    pub upload: Option<Upload>,
    pub model_name: Arc<str>,
    /// Who makes the model; empty where nobody knows.
    pub maker: Arc<str>,
    pub price_id: i64,
    /// What it is charged by; `None` for what costs nothing.
    pub sheet: Option<Arc<PriceSheet>>,
    pub bound: CeilingInput,
    /// The most the model can answer, in tokens, where that is known.
    pub max_output: Option<u64>,
    /// Whether the model may think, which nobody sees but which is billed.
    pub is_reasoning: bool,
    /// Whose request it is.
    pub team_id: i64,
    /// The account that keeps what the request builds on.
    pub kept_by: Option<i64>,
    /// What it is likely to use: what an account's own limit is asked for. A wrong guess costs a failover, not money.
    pub expected_tokens: u64,
}

impl Job {
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
        };
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
        let catalog = &self.0.app.catalog;
        let model = catalog
            .model(&name)
            .ok_or_else(|| RelayError::ModelNotFound { model: name.clone() })?;
        if !serves(&model, operation) {
            return Err(RelayError::WrongOperation { model: name });
        }
        let Some((price_id, sheet)) = catalog.price_at(&name, request.arrived_ms) else {
            Box::pin(self.alert_price_unknown(&name)).await;
            return Err(RelayError::PriceUnknown { model: name });
        };
        if !media::is_priced(operation, &sheet) {
            Box::pin(self.alert_price_unknown(&name)).await;
            return Err(RelayError::PriceUnknown { model: name });
        }
        let kept_by = self.kept_by(caller, &envelope).await?;
        let betas = within_context(request.betas, &model, &mut envelope.notes);
        let bound = bounds(operation, &envelope, &model);
        let output = envelope.max_output.unwrap_or(OUTPUT_EXPECTED).min(bound.output_bound);
        Ok(Job {
            expected_tokens: (bound.input_bound / BYTES_PER_TOKEN).saturating_add(output),
            is_reasoning: model.capabilities.iter().any(|ability| ability == "reasoning"),
            credential: request.credential,
            address: request.address,
            operation,
            form: Form {
                dialect: operation.dialect(),
                shape: shape(&envelope, request.stream),
            },
            asked_model: request.model,
            betas,
            team_id: caller.team_id(),
            kept_by,
            arrived_ms: request.arrived_ms,
            max_output: model.max_output,
            body,
            original,
            upload,
            model_name: Arc::from(name),
            maker: Arc::from(model.provider.as_str()),
            price_id,
            sheet: Some(sheet).filter(|_| !operation.is_free()),
            bound,
            envelope,
        })
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

/// `betas` without those that would have more read than the known context of `model`, which is all that is held for.
fn within_context(mut betas: Betas, model: &ModelInfo, notes: &mut Vec<String>) -> Betas {
    let Some(context) = model.context.filter(|context| *context < LONG_CONTEXT) else {
        return betas;
    };
    let listed = betas.beta.as_deref().unwrap_or_default().split(',').map(str::trim);
    let is_long = |beta: &&str| beta.to_ascii_lowercase().starts_with(LONG_CONTEXT_BETA);
    let (long, kept): (Vec<&str>, Vec<&str>) = listed.partition(is_long);
    if let Some(dropped) = long.first() {
        notes.push(format!(
            "anthropic-beta {dropped} left out: the model's context is {context} tokens here"
        ));
        betas.beta = Some(kept.join(","));
    }
    betas
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

/// Whether it takes inputs each of which has the whole context.
const fn takes_many(operation: Operation) -> bool {
    matches!(operation, Operation::Completions | Operation::Rerank)
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

/// How much the request can use at most. A context bounds one input; embeddings and completions take many.
fn bounds(operation: Operation, envelope: &Envelope, model: &ModelInfo) -> CeilingInput {
    let counted = envelope.input_bound.saturating_add(model.input_constant);
    let input_bound = match model.context {
        _ if envelope.is_unsized => model.context.unwrap_or(CONTEXT_UNKNOWN).max(counted),
        _ if operation.is_embedding() || takes_many(operation) => counted,
        Some(context) => counted.min(context.max(model.input_constant)),
        None => counted,
    };
    if let Some(media) = &envelope.media {
        return CeilingInput {
            input_bound,
            output_bound: media.output_bound.min(model.max_output.unwrap_or(u64::MAX)),
            choices: envelope.choices.max(1),
        };
    }
    let output_bound = match (envelope.max_output, model.max_output.or(model.context)) {
        _ if !operation.has_output() => 0,
        (Some(asked), Some(most)) => asked.min(most),
        (Some(asked), None) => asked,
        (None, Some(most)) => most,
        (None, None) => OUTPUT_UNKNOWN,
    };
    let output_bound = output_bound.saturating_add(envelope.prediction_bound);
    CeilingInput {
        input_bound,
        output_bound,
        choices: envelope.choices.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(context: Option<u64>) -> ModelInfo {
        ModelInfo {
            id: "claude".to_owned(),
            provider: String::new(),
            mode: "chat".to_owned(),
            context,
            max_output: None,
            capabilities: Vec::new(),
            dialects: Vec::new(),
            input_constant: 0,
            is_builtin: false,
            prices: Vec::new(),
        }
    }

    #[test]
    fn a_longer_context_than_is_known_is_not_asked_for() {
        let asked = "interleaved-thinking-2025-05-14, Context-1M-2025-08-07,context-1m-2026";
        for (context, told, noted) in [
            (Some(200_000), "interleaved-thinking-2025-05-14", 1),
            (Some(1_000_000), asked, 0),
            (None, asked, 0),
        ] {
            let mut notes = Vec::new();
            let betas = Betas {
                version: None,
                beta: Some(asked.to_owned()),
            };
            let betas = within_context(betas, &model(context), &mut notes);
            assert_eq!((betas.beta.as_deref(), notes.len()), (Some(told), noted), "{context:?}");
        }
    }
}
