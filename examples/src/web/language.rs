//! The two languages of the page. Both texts stand side by side where they are used.

use std::str::FromStr;

use saphan_schemas::message_types::{BilingualText, Language};

/// What the page needs of a language.
pub(super) trait Speaks: Copy {
    /// One of two texts.
    fn of<'a>(self, th: &'a str, en: &'a str) -> &'a str;

    /// The text in this language.
    fn text(self, text: &BilingualText) -> &str {
        self.of(&text.th, &text.en)
    }

    /// The code: of `lang` attributes, and of paths.
    fn code(self) -> &'static str;
}

impl Speaks for Language {
    fn of<'a>(self, th: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Th => th,
            Self::En => en,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Th => "th",
            Self::En => "en",
        }
    }
}

/// A language as it stands in a path.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) struct PathLanguage(pub(super) Language);

impl TryFrom<String> for PathLanguage {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, &'static str> {
        code.parse()
    }
}

impl FromStr for PathLanguage {
    type Err = &'static str;

    fn from_str(code: &str) -> Result<Self, &'static str> {
        match code {
            "th" => Ok(Self(Language::Th)),
            "en" => Ok(Self(Language::En)),
            _ => Err("th or en"),
        }
    }
}

/// The language of somebody who comes for the first time: Thai unless English is asked for first.
pub(super) fn preferred(accept_language: Option<&str>) -> Language {
    let first = accept_language.and_then(|list| list.split(',').map(str::trim).find(|one| is_known(one)));
    match first {
        Some(code) if code.starts_with("en") => Language::En,
        _ => Language::Th,
    }
}

fn is_known(code: &str) -> bool {
    code.starts_with("th") || code.starts_with("en")
}

/// An amount, e.g. `1,250.50`.
pub(super) fn baht(satang: u64) -> String {
    let (whole, rest) = (satang / 100, satang % 100);
    let digits = whole.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest == 0 { grouped } else { format!("{grouped}.{rest:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thai_is_spoken_unless_english_is_preferred() {
        assert_eq!(preferred(None), Language::Th);
        assert_eq!(preferred(Some("de, en-GB;q=0.8, th;q=0.5")), Language::En);
        assert_eq!(preferred(Some("th-TH,en;q=0.9")), Language::Th);
        assert_eq!(preferred(Some("ja")), Language::Th);
    }

    #[test]
    fn amounts_are_grouped_and_show_satang_only_when_there_are_some() {
        assert_eq!([baht(0), baht(50_500), baht(123_456_705)], ["0", "505", "1,234,567.05"]);
    }
}
