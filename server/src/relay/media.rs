//! Rerank, images and sound: how an account is asked for them, and what they can be charged.
//!
//! Invariant: they are asked of accounts whose providers serve them, in the client's own bytes, of which only what is ours is replaced;
//! where an answer in another form tells what was used, it is asked for in that form and written anew for the client.

use super::Journey;
use super::peek::Job;
use super::spool::length;
use super::wording::Worded;
use crate::accounts::{Content, Deployment};
use gateway_core::dialect::media::{Answer, Media, Reader, Wanted};
use gateway_core::dialect::{Operation, Rewrite};
use gateway_core::money::Nano;
use gateway_core::pricing::{PriceSheet, ceiling_of_units};
use gateway_core::translate::Translator;
use gateway_core::usage::{Kind, Usage};

/// The fields that say what is told of times, by the names that providers read.
const GRANULARITIES: [&str; 2] = ["timestamp_granularities[]", "timestamp_granularities"];
/// Of those the value for what subtitles are made of.
const SEGMENT: &str = "segment";

/// Whether `operation` can be priced by `sheet`: where that has only other units than tokens, it must have that of the operation.
pub(super) fn is_priced(operation: Operation, sheet: &PriceSheet) -> bool {
    let rates = &sheet.base;
    let unit = operation.unit().map_or(0, |unit| rates.of(unit));
    rates.prices_tokens() || !rates.prices_units() || unit > 0
}

impl Job {
    /// The most that its units other than tokens can cost.
    pub fn units_ceiling(&self, sheet: &PriceSheet) -> Option<Nano> {
        let media = self.envelope.media.as_ref();
        media.map_or(Some(Nano::ZERO), |media| ceiling_of_units(sheet, &media.most))
    }

    /// The units that an attempt has used up whatever it answered, where they are priced: what was read, not what was to be made.
    pub fn units_read(&self, sheet: Option<&PriceSheet>) -> Usage {
        let mut read = Usage::default();
        if let (Some(sheet), Some(media)) = (sheet, &self.envelope.media) {
            let is_priced = |kind| sheet.base.of(kind) > 0;
            if is_priced(Kind::Characters) {
                read.characters = media.least.characters;
            }
            if is_priced(Kind::Searches) {
                read.searches = media.least.searches;
            }
            if is_priced(Kind::Seconds) {
                // Nobody said for how long was listened: no longer than the whole of it.
                read.seconds = media.most.seconds;
            }
        }
        read
    }
}

impl Journey {
    /// The request for `account`, of an operation that has a form of its own.
    pub(super) fn word_media(&self, account: &Deployment) -> Worded {
        let job = &self.job;
        let media = job.envelope.media.clone().unwrap_or_default();
        let sheet = &self.target().sheet;
        let way = way(job, &media, (account, sheet.as_deref()));
        let mut least = media.least;
        if job.operation.is_heard() {
            least.seconds = account.seconds_min();
        }
        let reader = Reader::new(job.operation, way.answer, least, sheet.clone());
        Worded {
            dialect: job.operation.dialect(),
            operation: job.operation,
            content: content(job, account, &way),
            notes: Vec::new(),
            reader: Translator::Media(Box::new(reader.showing_cost(job.envelope.include_cost))),
            content_type: way.is_written().then(|| media.wanted.content_type()),
        }
    }
}

/// How an account is asked, and how it will answer.
struct Way {
    answer: Answer,
    /// The form in which it is asked for what was heard, where that is not the client's.
    format: Option<&'static str>,
}

impl Way {
    const fn is_written(&self) -> bool {
        matches!(self.answer, Answer::Written(_) | Answer::SoundInEvents)
    }

    const fn has_subtitles(&self) -> bool {
        matches!(self.answer, Answer::Written(Wanted::Srt | Wanted::Vtt))
    }
}

fn way(job: &Job, media: &Media, (account, sheet): (&Deployment, Option<&PriceSheet>)) -> Way {
    let is_priced = |kind| sheet.is_some_and(|sheet| sheet.base.of(kind) > 0);
    let plain = |answer| Way { answer, format: None };
    match (job.operation, media.wanted) {
        (Operation::Speech, Wanted::Sound(_)) if account.speaks_in_events() && !is_priced(Kind::Characters) => {
            plain(Answer::SoundInEvents)
        }
        (Operation::Speech, Wanted::Sound(_)) => plain(Answer::Sound),
        _ if job.envelope.stream => plain(Answer::Events),
        (operation, wanted) if operation.is_heard() => {
            let format = wanted.asked_as(is_priced(Kind::Seconds), account.tells_what_was_heard());
            Way {
                answer: format.map_or(Answer::Whole, |_| Answer::Written(wanted)),
                format,
            }
        }
        _ => plain(Answer::Whole),
    }
}

fn content(job: &Job, account: &Deployment, way: &Way) -> Content {
    let model = account.upstream_model.as_str();
    if let Some(upload) = &job.upload {
        let mut values = vec![("model", model)];
        values.extend(way.format.map(|format| ("response_format", format)));
        if way.has_subtitles() {
            // Words alone make no subtitles: they are made of segments.
            for name in GRANULARITIES {
                let mut asked = upload.form.values(name).peekable();
                if asked.peek().is_some() && asked.all(|asked| asked != SEGMENT) {
                    values.push((name, SEGMENT));
                }
            }
        }
        let pieces = upload.form.rewritten(&values);
        let (content_type, length) = (upload.form.content_type(), length(&pieces));
        return Content::form(content_type, length, upload.spool.stream(pieces));
    }
    Content::Json(match way.answer {
        Answer::SoundInEvents => job.body.rewrite_to_events(&job.original, model),
        _ => job.body.rewrite(
            &job.original,
            &Rewrite {
                model,
                max_output: None,
                max_output_field: account.max_output_field,
                include_usage: false,
                keep_cost_option: false,
            },
        ),
    })
}
