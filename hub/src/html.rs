//! HTML that is well formed and escaped by the way it is made: names are constants of the program, texts and values are escaped, and
//! there is no way to put in markup as text. For the console, and for programs that embed a hub and show pages of their own.

use std::fmt::Write as _;

/// Finished markup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// A whole page.
    #[must_use]
    pub fn document(lang: &'static str, head: &Self, body: &Self) -> String {
        format!("<!doctype html><html lang=\"{lang}\"><head>{}</head><body>{}</body></html>", head.0, body.0)
    }

    /// This, and then that.
    #[must_use]
    pub fn with(mut self, more: impl Into<Self>) -> Self {
        self.push(more);
        self
    }

    /// Adds at the end.
    pub fn push(&mut self, more: impl Into<Self>) {
        self.0.push_str(&more.into().0);
    }

    /// The markup.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        let mut html = Self::new();
        escape(text, &mut html.0);
        html
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Html {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Element> for Html {
    fn from(element: Element) -> Self {
        let Element { name, mut start, inner } = element;
        start.push('>');
        if !VOID.contains(&name) {
            start.push_str(&inner.0);
            // Writing to a string cannot fail.
            let _ = write!(start, "</{name}>");
        }
        Self(start)
    }
}

impl<T: Into<Self>> From<Option<T>> for Html {
    fn from(maybe: Option<T>) -> Self {
        maybe.map(Into::into).unwrap_or_default()
    }
}

impl<T: Into<Self>> FromIterator<T> for Html {
    fn from_iter<I: IntoIterator<Item = T>>(parts: I) -> Self {
        parts.into_iter().fold(Self::new(), Self::with)
    }
}

/// An element under construction.
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    start: String,
    inner: Html,
}

/// Begins an element.
#[must_use]
pub fn el(name: &'static str) -> Element {
    Element { name, start: format!("<{name}"), inner: Html::new() }
}

impl Element {
    /// With an attribute.
    #[must_use]
    pub fn attr(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let _ = write!(self.start, " {name}=\"");
        escape(value.as_ref(), &mut self.start);
        self.start.push('"');
        self
    }

    /// With an attribute, if there is a value.
    #[must_use]
    pub fn attr_if(self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// With an attribute that has no value, when it holds.
    #[must_use]
    pub fn flag(mut self, name: &'static str, holds: bool) -> Self {
        if holds {
            let _ = write!(self.start, " {name}");
        }
        self
    }

    /// With a class.
    #[must_use]
    pub fn class(self, name: &'static str) -> Self {
        self.attr("class", name)
    }

    /// With content after what it has.
    #[must_use]
    pub fn with(mut self, inner: impl Into<Html>) -> Self {
        self.inner.push(inner);
        self
    }
}

/// Control characters do not belong on a page, and would break the lines of an event stream.
fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            control if control.is_control() => into.push(' '),
            other => into.push(other),
        }
    }
}

const VOID: &[&str] = &["input", "link", "meta"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_people_write_stays_text() {
        let html: Html = el("p").attr("title", "\"'<").with("<script>alert(1)</script>&\u{0}\n").into();
        assert_eq!(html.as_str(), "<p title=\"&quot;&#39;&lt;\">&lt;script&gt;alert(1)&lt;/script&gt;&amp;  </p>");
    }

    #[test]
    fn an_element_without_content_is_not_closed() {
        let html: Html = el("input").attr("name", "a").flag("required", true).flag("disabled", false).into();
        assert_eq!(html.as_str(), "<input name=\"a\" required>");
    }
}
