//! The chat dialect: OpenAI's Chat Completions and what is compatible with it.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: OpenAI's API reference and SDK types, and the documented deviations of compatible services.

pub(super) mod frame;
