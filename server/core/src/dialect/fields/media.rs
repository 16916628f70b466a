//! The fields of rerank, images and sound.
//!
//! Invariant: what changes the price is in the ceiling or refused by name. Pure.
//! Wire facts: the API references of OpenAI, Cohere and Jina, and the fields of compatible services.

use super::{Field, Table, priced};

/// Documents in the order in which they fit a query.
pub(super) const RERANK: Table = Table {
    content: None,
    owned: &[
        ("model", Field::Model),
        ("query", Field::Media),
        ("documents", Field::Media),
        ("service_tier", Field::ServiceTier),
    ],
    priced: &[],
    aside: &[
        "max_chunks_per_doc",
        "max_tokens_per_doc",
        "normalize",
        "priority",
        "rank_fields",
        "return_documents",
        "top_k",
        "top_n",
        "truncation",
        "user",
    ],
};

/// Images made, and images changed.
pub(super) const IMAGES: Table = Table {
    content: None,
    owned: &[
        ("model", Field::Model),
        ("stream", Field::Stream),
        ("service_tier", Field::ServiceTier),
        ("prompt", Field::Media),
        ("n", Field::Media),
        ("size", Field::Media),
        ("quality", Field::Media),
        ("partial_images", Field::Media),
        ("image", Field::Media),
        ("images", Field::Media),
        ("mask", Field::Media),
        ("markup", Field::Media),
        ("image_url", Field::Media),
    ],
    priced: &[
        // Another model writes the drawing, and is billed apart.
        priced("svg", &[]),
        // Each frame is an image.
        priced("frame_count", &["1"]),
    ],
    aside: &[
        "background",
        "guidance",
        "height",
        "input_fidelity",
        "moderation",
        "output_compression",
        "output_format",
        "response_format",
        "seed",
        "steps",
        "style",
        "user",
        "width",
    ],
};

/// A text read out.
pub(super) const SPEECH: Table = Table {
    content: None,
    owned: &[
        ("model", Field::Model),
        ("service_tier", Field::ServiceTier),
        ("input", Field::Media),
        ("instructions", Field::Media),
        ("response_format", Field::Media),
        ("stream_format", Field::Media),
    ],
    priced: &[],
    aside: &["language", "sample_rate", "speed", "user", "voice"],
};

/// Sound written down.
pub(super) const HEARD: Table = Table {
    content: None,
    owned: &[
        ("model", Field::Model),
        ("stream", Field::Stream),
        ("service_tier", Field::ServiceTier),
        ("file", Field::Media),
        ("prompt", Field::Media),
        ("response_format", Field::Media),
    ],
    priced: &[
        // Fetched by the provider: nobody here knows its length.
        priced("url", &[]),
        priced("file_url", &[]),
        priced("file_id", &[]),
    ],
    aside: &[
        "chunking_strategy",
        "include[]",
        "keywords[]",
        "known_speaker_names[]",
        "known_speaker_references[]",
        "language",
        "languages[]",
        "temperature",
        "timestamp_granularities[]",
    ],
};
