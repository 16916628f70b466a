//! The messages dialect: Anthropic's Messages.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: Anthropic's API reference and SDK types.
