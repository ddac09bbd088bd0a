//! What a place may list and between which limits, so that it can be kept to and has a type in every language.

use serde_json::{Map, Value};

use super::Lint;

impl Lint<'_> {
    /// Limits between which nothing is, or which are not the same number everywhere.
    pub(super) fn limits(&mut self, members: &Map<String, Value>, types: &[&str], at: &str) {
        let number = |keyword: &str| members.get(keyword).and_then(Value::as_f64);
        for (least, most) in PAIRS {
            if let (Some(lower), Some(upper)) = (number(least), number(most))
                && lower > upper
            {
                self.find(&format!("{at}/{least}"), format!("is above {most}, so nothing is accepted"));
            }
        }
        for keyword in ["minimum", "maximum"] {
            if types.contains(&"integer") && number(keyword).is_some_and(is_beyond) {
                self.find(&format!("{at}/{keyword}"), BEYOND);
            }
        }
    }

    /// `enum` and `const`: their values are of the type, and a generator can name them.
    pub(super) fn values(&mut self, members: &Map<String, Value>, types: &[&str], at: &str) {
        if let Some(constant) = members.get("const") {
            self.value(constant, types, &format!("{at}/const"));
        }
        let Some(listed) = members.get("enum").and_then(Value::as_array) else { return };
        if listed.is_empty() {
            self.find(&format!("{at}/enum"), "is empty, so nothing is accepted; list the values");
        }
        let mut names: Vec<String> = Vec::with_capacity(listed.len());
        for (index, value) in listed.iter().enumerate() {
            let place = format!("{at}/enum/{index}");
            self.value(value, types, &place);
            let Some(text) = value.as_str() else { continue };
            let name = generated(text);
            if !name.chars().any(char::is_alphanumeric) {
                self.find(&place, "has no letter and no digit, so generators have no name for it; write a word");
            } else if names.contains(&name) {
                self.find(
                    &place,
                    "is another value but for signs and capitals, so generators give both one name; write another word",
                );
            }
            names.push(name);
        }
    }

    fn value(&mut self, value: &Value, types: &[&str], place: &str) {
        if value.is_array() || value.is_object() || value.is_null() {
            self.find(place, "is no text, number or boolean");
        } else if !types.iter().any(|name| is_of_type(value, name)) {
            self.find(place, format!("is not of the type {}, so it is never accepted", types.join(" or ")));
        } else if (value.is_i64() || value.is_u64() || types.contains(&"integer"))
            && value.as_f64().is_some_and(is_beyond)
        {
            self.find(place, BEYOND);
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        // 1.0 is an integer, as validators count.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn is_beyond(number: f64) -> bool {
    number.abs() > LARGEST
}

/// What is left of a value in the names that generators make of it. Thai vowel and tone marks are no letters in Unicode, but they
/// tell words apart.
fn generated(text: &str) -> String {
    let is_mark = |c: char| matches!(c, '\u{e31}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}');
    text.chars().filter(|c| c.is_alphanumeric() || is_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// The least and the most of the same thing.
const PAIRS: [(&str, &str); 4] =
    [("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties")];
/// 2^53 - 1: beyond it a double does not tell whole numbers apart.
const LARGEST: f64 = 9_007_199_254_740_991.0;
const BEYOND: &str =
    "is beyond 9007199254740991 or its negative, where a number is not the same everywhere; use a text with a pattern";
