//! A form as HTML: every input has a label, groups are fieldsets, hints and errors belong to their inputs.

use saphan_schemas::message_types::Language;
use serde_json::{Map, Value};

use super::words::{format_of, message};
use super::{Alternative, Fault, Faults, Field, Form, Kind, Shape, labels, tag};
use crate::web::html::{Element, Html, el};
use crate::web::language::{Speaks as _, baht};

/// How a form is shown.
pub(in super::super) struct Shown<'a> {
    /// The language.
    pub(in super::super) language: Language,
    /// What is filled in.
    pub(in super::super) filled: &'a Map<String, Value>,
    /// What is wrong with it.
    pub(in super::super) faults: &'a Faults,
    /// The list that gets one row more.
    pub(in super::super) add: Option<&'a str>,
}

/// Where a field stands.
#[derive(Clone)]
struct Place {
    /// What its input is called: the pointer, with `:kind` after alternatives.
    path: String,
    /// The JSON Pointer of its value.
    pointer: String,
    /// Whether all that it belongs to must be filled in.
    expected: bool,
}

impl Place {
    fn child(&self, field: &Field) -> Self {
        Self {
            path: format!("{}/{}", self.path, field.name),
            pointer: format!("{}/{}", self.pointer, field.name),
            expected: self.expected && field.required,
        }
    }

    /// The id of the input or group; also what errors link to.
    fn id(&self) -> String {
        id_of(&self.path)
    }
}

fn id_of(path: &str) -> String {
    let plain = path.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_', "-");
    format!("field{plain}")
}

impl Form {
    /// The summary of what is wrong, with links to the fields; nothing when all is right.
    pub(in super::super) fn summary(&self, shown: &Shown<'_>) -> Html {
        if shown.faults.is_empty() {
            return Html::new();
        }
        let mut found = Vec::new();
        let root = Place { path: String::new(), pointer: String::new(), expected: true };
        collect(&self.fields, &root, Some(shown.filled), shown, &mut found);
        let heading = shown.language.of("โปรดแก้ไขข้อมูลต่อไปนี้", "Please correct the following");
        let general = shown.language.of("ข้อมูลในแบบคำขอไม่ถูกต้อง", "The form is not filled in as it must be.");
        let list = if found.is_empty() {
            el("p").with(general).into()
        } else {
            let items =
                found.into_iter().map(|(id, text)| el("li").with(el("a").attr("href", format!("#{id}")).with(text)));
            Html::from(el("ul").with(items.collect::<Html>()))
        };
        let summary = el("div").class("summary").attr("role", "alert").attr("id", "errors").attr("tabindex", "-1");
        summary.with(el("h2").with(heading)).with(list).into()
    }

    /// All fields.
    pub(in super::super) fn show(&self, shown: &Shown<'_>) -> Html {
        let root = Place { path: String::new(), pointer: String::new(), expected: true };
        fields(&self.fields, &root, Some(shown.filled), shown)
    }
}

fn collect(
    fields: &[Field],
    at: &Place,
    members: Option<&Map<String, Value>>,
    shown: &Shown<'_>,
    found: &mut Vec<(String, String)>,
) {
    for field in fields {
        let value = members.and_then(|members| members.get(&field.name));
        collect_field(field, &at.child(field), value, shown, found);
    }
}

fn collect_field(
    field: &Field,
    place: &Place,
    value: Option<&Value>,
    shown: &Shown<'_>,
    found: &mut Vec<(String, String)>,
) {
    if let Some(fault) = shown.faults.get(&place.pointer) {
        let label = labels::of_member(&field.name, shown.language);
        found.push((place.id(), format!("{label}: {}", message(field, *fault, shown.language))));
    }
    match &field.kind {
        Kind::Group(fields) => collect(fields, place, value.and_then(Value::as_object), shown, found),
        Kind::Alternatives(alternatives) => {
            for one in alternatives.iter().filter(|one| value.and_then(tag) == Some(&one.tag)) {
                collect(&one.fields, &within(place, one), value.and_then(Value::as_object), shown, found);
            }
        }
        Kind::List { item, .. } => {
            for (row, value) in value.and_then(Value::as_array).into_iter().flatten().enumerate() {
                collect_field(&named(item, field), &row_of(place, row), Some(value), shown, found);
            }
        }
        _ => {}
    }
}

/// An item is called as its list.
fn named(item: &Field, list: &Field) -> Field {
    Field { name: list.name.clone(), ..item.clone() }
}

fn within(place: &Place, one: &Alternative) -> Place {
    Place { path: format!("{}:{}", place.path, one.tag), expected: false, ..place.clone() }
}

fn row_of(place: &Place, row: usize) -> Place {
    Place {
        path: format!("{}/{row}", place.path),
        pointer: format!("{}/{row}", place.pointer),
        expected: place.expected && row == 0,
    }
}

fn fields(all: &[Field], at: &Place, members: Option<&Map<String, Value>>, shown: &Shown<'_>) -> Html {
    let each =
        all.iter().map(|one| field(one, &at.child(one), members.and_then(|members| members.get(&one.name)), shown));
    each.collect()
}

fn field(field: &Field, place: &Place, value: Option<&Value>, shown: &Shown<'_>) -> Html {
    let label = labels::of_member(&field.name, shown.language).into_owned();
    labelled(field, place, value, shown, label)
}

fn labelled(field: &Field, place: &Place, value: Option<&Value>, shown: &Shown<'_>, label: String) -> Html {
    let parts = Parts { field, place, shown, label };
    match &field.kind {
        Kind::Text { .. } | Kind::Number { .. } | Kind::Money | Kind::Date => parts.input(value),
        Kind::Choice(choices) => parts.select(choices, value),
        Kind::YesNo => parts.yes_no(value),
        Kind::Confirmed => parts.confirmed(value),
        Kind::Choices(choices) => parts.choices(choices, value),
        Kind::Group(members) => {
            let inner = fields(members, place, value.and_then(Value::as_object), shown);
            parts.group(inner)
        }
        Kind::Alternatives(alternatives) => parts.alternatives(alternatives, value),
        Kind::List { item, least, most } => parts.list(item, (*least, *most), value),
        Kind::Document => parts.document(),
    }
}

/// What every field has.
struct Parts<'a> {
    field: &'a Field,
    place: &'a Place,
    shown: &'a Shown<'a>,
    label: String,
}

impl Parts<'_> {
    fn say<'t>(&self, th: &'t str, en: &'t str) -> &'t str {
        self.shown.language.of(th, en)
    }

    fn fault(&self) -> Option<Fault> {
        self.shown.faults.get(&self.place.pointer).copied()
    }

    fn mark(&self) -> Html {
        let (class, word) = if self.field.required {
            ("required", self.say("(จำเป็น)", "(required)"))
        } else {
            ("optional", self.say("(ไม่บังคับ)", "(optional)"))
        };
        Html::from(" ").with(el("span").class(class).with(word))
    }

    fn hint(&self) -> Option<Html> {
        let description = self.field.description.as_deref().filter(|_| !matches!(self.field.kind, Kind::Date));
        let mut hint = el("p").class("hint").attr("id", format!("{}-hint", self.place.id()));
        let format = format_of(&self.field.kind, self.shown.language);
        match (description, format) {
            (None, None) => return None,
            (Some(description), _) => {
                let (text, is_own) = labels::hint(description, self.shown.language);
                hint = if is_own { hint.with(text) } else { hint.with(el("span").attr("lang", "en").with(text)) };
            }
            (None, Some(format)) => hint = hint.with(format),
        }
        Some(hint.into())
    }

    fn error(&self) -> Option<Html> {
        let fault = self.fault()?;
        let text = message(self.field, fault, self.shown.language);
        Some(el("p").class("error").attr("id", format!("{}-error", self.place.id())).with(text).into())
    }

    /// Says to which hint and error an input belongs.
    fn described(&self, input: Element) -> Element {
        let id = self.place.id();
        let hint = self.hint().map(|_| format!("{id}-hint"));
        let error = self.fault().map(|_| format!("{id}-error"));
        let by: Vec<String> = [hint, error].into_iter().flatten().collect();
        let input = input.attr_if("aria-invalid", self.fault().map(|_| "true"));
        input.attr_if("aria-describedby", (!by.is_empty()).then(|| by.join(" ")))
    }

    fn boxed(&self, inner: impl Into<Html>) -> Html {
        let class = if self.fault().is_some() { "field wrong" } else { "field" };
        let label = el("label").attr("for", self.place.id()).with(self.label.as_str()).with(self.mark());
        el("div").class(class).with(label).with(self.hint()).with(self.error()).with(inner).into()
    }

    fn fieldset(&self, class: &'static str, inner: impl Into<Html>) -> Html {
        let legend = el("legend").with(self.label.as_str()).with(self.mark());
        let set = self.described(el("fieldset").class(class).attr("id", self.place.id()).attr("tabindex", "-1"));
        set.with(legend).with(self.hint()).with(self.error()).with(inner).into()
    }

    fn input(&self, value: Option<&Value>) -> Html {
        let input = el("input").attr("id", self.place.id()).attr("name", &self.place.path);
        let input = match &self.field.kind {
            Kind::Date => input.attr("type", "date"),
            Kind::Number { .. } => input.attr("type", "text").attr("inputmode", "numeric"),
            Kind::Money => input.attr("type", "text").attr("inputmode", "decimal"),
            Kind::Text { longest, shape } => {
                let kind = if *shape == Shape::Email { "email" } else { "text" };
                let digits = matches!(shape, Shape::NationalId | Shape::JuristicNumber | Shape::Digits(_));
                let input = input.attr("type", kind).attr_if("inputmode", digits.then_some("numeric"));
                input.attr_if("maxlength", longest.map(|longest| longest.to_string()))
            }
            _ => input,
        };
        let input = input.attr("autocomplete", "off").attr_if("value", value.map(|value| self.as_text(value)));
        self.boxed(self.described(input).flag("required", self.place.expected))
    }

    fn as_text(&self, value: &Value) -> String {
        match (value, &self.field.kind) {
            (Value::String(text), _) => text.clone(),
            (Value::Number(number), Kind::Money) => number.as_u64().map(baht).unwrap_or_default(),
            (other, _) => other.to_string(),
        }
    }

    fn select(&self, choices: &[String], value: Option<&Value>) -> Html {
        let chosen = value.and_then(Value::as_str);
        let none = el("option").attr("value", "").with(self.say("โปรดเลือก", "Please choose"));
        let options = choices.iter().map(|choice| {
            let label = labels::of_choice(choice, self.shown.language).into_owned();
            el("option").attr("value", choice).flag("selected", chosen == Some(choice)).with(label)
        });
        let select = el("select").attr("id", self.place.id()).attr("name", &self.place.path);
        let select = self.described(select).flag("required", self.place.expected);
        self.boxed(select.with(none).with(options.collect::<Html>()))
    }

    /// A radio button or a check box with its label.
    fn option(&self, kind: &'static str, value: &str, checked: bool, label: impl Into<Html>) -> Html {
        let id = format!("{}-{value}", self.place.id());
        let input = el("input").attr("type", kind).attr("id", &id).attr("name", &self.place.path);
        let input = input.attr("value", value).flag("checked", checked);
        let label = el("label").attr("for", id).with(label);
        Html::new().with(input).with(label)
    }

    fn yes_no(&self, value: Option<&Value>) -> Html {
        let chosen = value.and_then(Value::as_bool);
        let yes = self.option("radio", "yes", chosen == Some(true), self.say("ใช่", "Yes"));
        let no = self.option("radio", "no", chosen == Some(false), self.say("ไม่ใช่", "No"));
        let options = [yes, no].map(|option| el("div").class("option").with(option)).into_iter().collect::<Html>();
        self.fieldset("options", options)
    }

    fn confirmed(&self, value: Option<&Value>) -> Html {
        let option = self.option("checkbox", "yes", value.is_some(), self.say("ยืนยัน", "I confirm this"));
        self.fieldset("options", el("div").class("option").with(option))
    }

    fn choices(&self, choices: &[String], value: Option<&Value>) -> Html {
        let chosen = value.and_then(Value::as_array);
        let is_chosen = |choice: &String| chosen.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(choice)));
        let options = choices.iter().map(|choice| {
            let label = labels::of_choice(choice, self.shown.language).into_owned();
            el("div").class("option").with(self.option("checkbox", choice, is_chosen(choice), label))
        });
        self.fieldset("options", options.collect::<Html>())
    }

    fn group(&self, inner: Html) -> Html {
        self.fieldset("group", inner)
    }

    fn alternatives(&self, alternatives: &[Alternative], value: Option<&Value>) -> Html {
        let chosen = value.and_then(tag);
        let each = alternatives.iter().map(|one| {
            let is_chosen = chosen == Some(&one.tag);
            let label = labels::of_choice(&one.tag, self.shown.language).into_owned();
            let members = value.and_then(Value::as_object).filter(|_| is_chosen);
            let inner = fields(&one.fields, &within(self.place, one), members, self.shown);
            let details = el("fieldset").class("details").with(el("legend").with(label.as_str())).with(inner);
            el("div").class("alternative").with(self.option("radio", &one.tag, is_chosen, label)).with(details)
        });
        self.fieldset("group", each.collect::<Html>())
    }

    fn list(&self, item: &Field, (least, most): (usize, usize), value: Option<&Value>) -> Html {
        let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let more = usize::from(self.shown.add == Some(&self.place.path));
        let rows = (items.len().max(least).max(1) + more).min(most);
        let item = Field { required: true, ..named(item, self.field) };
        let each = (0..rows).map(|row| {
            let label = format!("{} {}", self.label, row + 1);
            labelled(&item, &row_of(self.place, row), items.get(row), self.shown, label)
        });
        let mut inner: Html = each.collect();
        if rows < most {
            let add = el("button").attr("type", "submit").class("secondary").attr("name", "add");
            let text = format!("{} {}", self.say("เพิ่มรายการ:", "Add another:"), self.label);
            inner.push(add.attr("value", &self.place.path).with(text));
        }
        self.fieldset("group", inner)
    }

    fn document(&self) -> Html {
        let text = self.say(
            "แบบคำขอนี้ยังไม่รับไฟล์ โปรดยื่นเอกสารที่สำนักงาน",
            "This form takes no files yet. Please hand in the document at the office.",
        );
        el("div").class("field").with(el("p").with(format!("{}: {text}", self.label))).into()
    }
}
