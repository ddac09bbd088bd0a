//! What a form sent: names and texts, in their order.

use crate::html::{Html, el};

/// The fields of a form, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields; `None` when one of them is there twice, or there are more than any form has.
    pub(crate) fn new(fields: Vec<(String, String)>) -> Option<Self> {
        if fields.len() > MOST {
            return None;
        }
        let twice =
            fields.iter().enumerate().any(|(at, (name, _))| fields[..at].iter().any(|(known, _)| known == name));
        (!twice).then_some(Self(fields))
    }

    /// A field without the spaces around it; empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// A field that is not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// These fields, as far as they are filled, to go with another form.
    pub(super) fn hidden(&self, names: &[&str]) -> Html {
        let filled = names.iter().filter_map(|name| Some((*name, self.filled(name)?)));
        filled.map(|(name, value)| hidden(name, value)).collect()
    }

    /// All fields but the session's.
    pub(super) fn all_hidden(&self) -> Html {
        let own = self.0.iter().filter(|(name, value)| name != CSRF && !value.is_empty());
        own.map(|(name, value)| hidden(name, value)).collect()
    }
}

/// A value that goes with a form.
pub(super) fn hidden(name: &str, value: &str) -> Html {
    el("input").attr("type", "hidden").attr("name", name).attr("value", value).into()
}

const MOST: usize = 64;

/// The field that shows that a form is of the session.
pub(crate) const CSRF: &str = "csrf";

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Option<Fields> {
        Fields::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_field_that_is_there_twice_is_no_form() {
        assert_eq!(fields(&[("a", "1"), ("b", "2"), ("a", "1")]), None);
        let many = (0..=MOST).map(|number| (number.to_string(), String::new())).collect();
        assert_eq!(Fields::new(many), None);
    }

    #[test]
    fn what_goes_with_another_form_is_escaped_and_holds_no_session() {
        let fields = fields(&[("from", "\"><script>"), (CSRF, "secret"), ("to", "")]).unwrap();
        let text = "<input type=\"hidden\" name=\"from\" value=\"&quot;&gt;&lt;script&gt;\">";
        assert_eq!(fields.all_hidden().as_str(), text);
        assert_eq!(fields.hidden(&["to", "from"]).as_str(), text);
    }
}
