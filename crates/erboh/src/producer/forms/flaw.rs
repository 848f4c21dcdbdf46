//! Flaw: one thing to change in a form, at one field.

/// Fields that nobody sees: by them a form that is sent twice is known.
const HIDDEN: [&str; 2] = ["id", "key"];

/// One thing to change in a form.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::producer) struct Flaw {
    /// The field's name, which is also the id of its element.
    pub(in crate::producer) field: &'static str,
    /// What to do, as a sentence for people.
    pub(in crate::producer) advice: String,
}

impl Flaw {
    /// Whether there is an element to go to.
    pub(in crate::producer) fn has_element(&self) -> bool {
        !HIDDEN.contains(&self.field)
    }
}

/// What to change in a field, if anything is.
pub(in crate::producer) fn advice<'a>(flaws: &'a [Flaw], field: &str) -> Option<&'a str> {
    flaws.iter().find(|flaw| flaw.field == field).map(|flaw| flaw.advice.as_str())
}
