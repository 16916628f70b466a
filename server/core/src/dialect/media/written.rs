//! What was heard, written anew in the form in which the client wanted it.
//!
//! Invariant: nothing is made up: where the upstream's answer lacks what the form needs, there is none. Pure.
//! Wire facts: OpenAI's transcriptions as text, SRT and WebVTT, and their usage by duration.

use super::super::json::{Elements, Members};
use super::Wanted;
use super::told::{Told, moment_ms};
use serde_json::json;
use std::fmt::Write as _;

/// `told` as it is `wanted`, `seconds` long; `None` where it does not hold what that takes.
pub(super) fn written(told: &Told<'_>, wanted: Wanted, seconds: Option<u64>) -> Option<String> {
    let text = || serde_json::from_str::<String>(told.text?.get()).ok();
    match wanted {
        Wanted::Text => text().map(|text| format!("{text}\n")),
        Wanted::Json => {
            let mut answer = json!({ "text": text()? });
            if let Some(seconds) = seconds {
                answer["usage"] = json!({ "type": "duration", "seconds": seconds });
            }
            Some(answer.to_string())
        }
        Wanted::Srt => subtitles(told, ','),
        Wanted::Vtt => subtitles(told, '.').map(|lines| format!("WEBVTT\n\n{lines}")),
        Wanted::Detailed | Wanted::Sound(_) => None,
    }
}

fn subtitles(told: &Told<'_>, point: char) -> Option<String> {
    let Elements(segments) = serde_json::from_str(told.segments?.get()).ok()?;
    let mut lines = String::new();
    for (at, segment) in segments.iter().enumerate() {
        let Members(members) = serde_json::from_str(segment.get()).ok()?;
        let member = |name: &str| members.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let text: String = serde_json::from_str(member("text")?.get()).ok()?;
        let (start, end) = (moment_ms(member("start")?)?, moment_ms(member("end")?)?);
        if point == ',' {
            let _ = writeln!(lines, "{}", at + 1);
        }
        let _ = writeln!(
            lines,
            "{} --> {}\n{}\n",
            moment(start, point),
            moment(end, point),
            text.trim()
        );
    }
    Some(lines)
}

fn moment(millis: u64, point: char) -> String {
    let (seconds, below) = (millis / 1_000, millis % 1_000);
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3_600);
    format!("{hours:02}:{minutes:02}:{:02}{point}{below:03}", seconds % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn subtitles_have_numbers_and_times() {
        let data = br#"{"text":"Hi. There.","segments":[{"start":0.0,"end":1.5,"text":" Hi."},{"start":3661.25,"end":3662,"text":"There."}]}"#;
        let told = Told::read(data).unwrap();
        assert_eq!(
            written(&told, Wanted::Srt, None).unwrap(),
            "1\n00:00:00,000 --> 00:00:01,500\nHi.\n\n2\n01:01:01,250 --> 01:01:02,000\nThere.\n\n"
        );
        assert_eq!(
            written(&told, Wanted::Vtt, None).unwrap(),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHi.\n\n01:01:01.250 --> 01:01:02.000\nThere.\n\n"
        );
        assert_eq!(written(&told, Wanted::Text, None).unwrap(), "Hi. There.\n");
        let json: serde_json::Value = serde_json::from_str(&written(&told, Wanted::Json, Some(4)).unwrap()).unwrap();
        assert_eq!(
            json,
            json!({"text": "Hi. There.", "usage": {"type": "duration", "seconds": 4}})
        );
        let bare = Told::read(br#"{"text":"Hi."}"#).unwrap();
        assert_eq!(written(&bare, Wanted::Srt, None), None);
    }
}
