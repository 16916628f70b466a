//! What was dropped or changed on the way from one dialect to another, for the header `x-ourhub-notes`.
//!
//! Invariant: each note is said once, in a few words without anything of the client's text. Pure.

/// Notes, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(Vec<String>);

impl Notes {
    /// `what` was left out, because of `why`.
    pub fn dropped(&mut self, what: &str, why: &str) {
        self.add(format!("dropped {what}: {why}"));
    }

    /// `what` was carried otherwise: `how`.
    pub fn changed(&mut self, what: &str, how: &str) {
        self.add(format!("changed {what}: {how}"));
    }

    /// Every note.
    #[must_use]
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }

    fn add(&mut self, note: String) {
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }
}
