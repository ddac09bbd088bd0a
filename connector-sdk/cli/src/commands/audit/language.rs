//! Verdicts in the languages of those who read them.

use clap::ValueEnum;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// English.
    En,
    /// Thai.
    Th,
}

impl Language {
    /// Whichever is in this language.
    pub(super) const fn of<'a, T: ?Sized>(self, english: &'a T, thai: &'a T) -> &'a T {
        match self {
            Self::En => english,
            Self::Th => thai,
        }
    }
}

/// Names and values, below each other.
pub(super) fn table(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| columns(name)).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| format!("  {name}{} {value}\n", " ".repeat(width - columns(name)));
    lines.iter().map(line).collect()
}

/// The columns of a terminal that a word takes: Thai vowels and tone marks above and below a letter take none.
fn columns(word: &str) -> usize {
    word.chars().filter(|letter| !matches!(letter, '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}')).count()
}
