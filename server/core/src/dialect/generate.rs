//! The generate dialect: Google's generateContent.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: Google's API reference and SDK types.
