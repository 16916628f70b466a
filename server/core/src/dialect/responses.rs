//! The responses dialect: OpenAI's Responses.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: OpenAI's API reference and SDK types.
