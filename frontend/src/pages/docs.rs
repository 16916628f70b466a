//! The quick start: from sign-up to the first answer, caps, errors and headers.
//!
//! Invariant: says only what the gateway does. Reads the models for an example.

use leptos::prelude::*;

use super::frame::public;
use super::snippets::{agents_for, example_model, public_url, snippets_for};
use crate::api::ApiError;
use crate::api::models::list_models;
use crate::ui::*;

/// `/docs`
#[component]
pub fn Docs() -> impl IntoView {
    public("Quick start", |_| async move {
        let model = example_model(&list_models().await.unwrap_or_default(), &[]);
        Ok::<_, ApiError>(page(&model))
    })
}

fn page(model: &str) -> AnyView {
    let key = "sk-oh-…".to_owned();
    let snippets = snippets_for(&key, model);
    let agents = agents_for(&key, model);
    let mark = vec![public_url(), key];
    view! {
        <div class="narrow stack stack--8 page__pad">
            <div>
                <h1 class="u-t32">"Quick start"</h1>
                <p class="muted">"Sign up, create a key, change the base URL. Everything else in your code stays."</p>
            </div>
            <section class="stack">
                <h2 class="u-t16">"1. Get a key"</h2>
                <p>
                    <a class="link" href="/signup">
                        "Sign up"
                    </a>
                    ", then create a key under Keys. It is shown once. Give it a daily cap if someone else will use it."
                </p>
            </section>
            <section class="stack">
                <h2 class="u-t16">"2. Change one line"</h2>
                <Snippets name="docs" of=snippets mark=mark.clone() />
                <p>"Or in a coding agent:"</p>
                <Snippets name="docs-agents" of=agents mark=mark />
                <p class="hint">
                    "Any client works that lets you set its base URL, and with any model, whoever made it. Names of models are on the "
                    <a class="link" href="/models">
                        "model page"
                    </a> "."
                </p>
            </section>
            {headers()}
            {dialects()}
            {aliases()}
            {errors()}
        </div>
    }
    .into_any()
}

fn dialects() -> AnyView {
    let facts = vec![
        Fact::new(
            "OpenAI",
            "/v1/chat/completions, /v1/responses, /v1/responses/compact, /v1/responses/input_tokens, /v1/embeddings, /v1/completions, /v1/moderations, /v1/images/generations, /v1/images/edits, /v1/audio/speech, /v1/audio/transcriptions, /v1/audio/translations",
        ),
        Fact::new("Cohere, Jina", "/v1/rerank"),
        Fact::new("Anthropic", "/v1/messages, /v1/messages/count_tokens"),
        Fact::new(
            "Google",
            "/v1beta/models/{model}: generateContent, streamGenerateContent, countTokens, embedContent, batchEmbedContents",
        ),
        Fact::new(
            "every dialect",
            "/v1/models: what the key may use; /v1/key: what is left of its caps and limits",
        ),
    ];
    view! {
        <section class="stack">
            <h2 class="u-t16">"What can be called"</h2>
            <p>
                "A model answers in the dialect in which it was asked. What its own has no word for is left out and named in "
                <code>"x-ourhub-notes"</code>
                ", or refused with the field’s name where the answer would be another one. Embeddings, moderations, conversations made shorter, images, sound and rerank are not translated: they go to accounts whose provider has them."
            </p>
            <Facts of=facts />
            <p>
                "Forms are taken for edits of images and for what is to be written down, up to 32 MiB. Speech comes as it is spoken; with "
                <code>"\"stream_format\": \"sse\""</code> " in events. Images are paid by the token or each, speech by the token or the character,
                what was heard by the token or the second, rerank by the search or the token, as the model page says."
            </p>
        </section>
    }
    .into_any()
}

fn aliases() -> AnyView {
    let facts = vec![
        Fact::new(
            "which model answers",
            "the first whose accounts can serve now; the next where all of them are busy, paused or do not have it. All busy: the request waits",
        ),
        Fact::new(
            "a prompt too long for a model",
            "goes on to the next, unless the alias says otherwise; refused content goes on only where the alias says so",
        ),
        Fact::new(
            "what it costs",
            "what the model that answers costs; caps and limits hold for each that is tried",
        ),
        Fact::new(
            "a model’s own name",
            "means that model; as an alias with it in the first place it has others to fall back to. Only a platform admin can replace it",
        ),
        Fact::new(
            "models of a key",
            "are matched with the name that is asked for: a key that may use an alias needs none of its models",
        ),
        Fact::new(
            "region",
            "of a key or an alias: only accounts tagged with it are asked; where there is none, 503 no_account_in_region",
        ),
    ];
    view! {
        <section class="stack">
            <h2 class="u-t16">"Names of your own"</h2>
            <p>
                "An alias such as " <code>"fast"</code>
                " stands for models in order, whoever made them and whatever dialect they speak. Owners and admins make a team’s own under Models; it goes before one of all teams. "
                <code>"/v1/models"</code> " lists aliases as owned by " <code>"alias"</code> "; " <code>"x-ourhub-model"</code>
                " and the receipt name the model that answered."
            </p>
            <Facts of=facts />
        </section>
    }
    .into_any()
}

fn headers() -> AnyView {
    let facts = vec![
        Fact::new("x-request-id", "the id of the receipt"),
        Fact::new("x-ourhub-attempts", "how many accounts were asked"),
        Fact::new("x-ourhub-model", "the model that answered"),
        Fact::new(
            "x-ourhub-notes",
            "what was left out or changed on the way, such as a shorter answer that a cap affords",
        ),
        Fact::new("x-ourhub-cost-usd", "the charge, on answers that are not streamed"),
        Fact::new(
            "x-ratelimit-limit-requests, -remaining-requests, -reset-requests",
            "the key’s limit of requests a minute, where there is one",
        ),
        Fact::new(
            "x-ratelimit-limit-tokens, -remaining-tokens, -reset-tokens",
            "the same for tokens",
        ),
        Fact::new("retry-after", "on a refusal: the seconds after which to ask again"),
        Fact::new("x-should-retry", "on a refusal: whether asking again can help"),
    ];
    view! {
        <section class="stack">
            <h2 class="u-t16">"3. Read the receipt"</h2>
            <p>"Every answer names its receipt in its headers; look it up under Usage."</p>
            <Facts of=facts mono=true />
            <p>
                "To find the charge in the answer itself, send " <code>"\"usage\": {\"include\": true}"</code>
                " in the body, or the header " <code>"x-ourhub-include-cost: true"</code>
                ": it is the cost in the usage, of streams too."
            </p>
        </section>
    }
    .into_any()
}

fn errors() -> AnyView {
    let facts = vec![
        Fact::new(
            "400",
            "the request cannot be read, has no price, or asks for what the model cannot be told; the text names the field",
        ),
        Fact::new("401", "the key is not known, was revoked, or has a typo"),
        Fact::new("403", "the key may not use this model or come from this address"),
        Fact::new("404", "no such model or path"),
        Fact::new("405", "the path takes another method; the header allow names it"),
        Fact::new("408", "the request did not arrive in time, or was cut off on its way"),
        Fact::new("413", "the body is longer than 32 MiB"),
        Fact::new(
            "429 insufficient_quota",
            "the balance or a cap is used up; the text says which, and when it opens again",
        ),
        Fact::new(
            "429 rate_limit_exceeded",
            "the key’s own limit per minute, or every account is busy; wait for what retry-after says",
        ),
        Fact::new("502", "every account failed"),
        Fact::new(
            "503",
            "no account serves the model, or none in the region that is demanded; the request was not charged",
        ),
        Fact::new("504", "no account answered in time"),
    ];
    view! {
        <section class="stack">
            <h2 class="u-t16">"When a call is refused"</h2>
            <p>"Errors come in the shape your SDK knows, so that it raises its own exceptions. Each carries the request id."</p>
            <Facts of=facts />
        </section>
    }
    .into_any()
}
